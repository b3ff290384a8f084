/*
 * What was found: grouped text, or a JSON object per line as it is found.
 */

#define _GNU_SOURCE

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "check_report.h"
#include "core/reg_json.h"


#define NOTES_MAX  20                   /* of one kind, without --all */
#define BAR        30


typedef struct found_s  found_t;

struct found_s {
    found_t        *next;
    char           *text;
};


struct check_report_s {
    check_pool_t    pool;
    uint64_t        counts[CHECK_NKINDS];
    int64_t         bytes[CHECK_NKINDS];
    found_t        *first[CHECK_NKINDS];
    found_t       **last[CHECK_NKINDS];
    found_t        *repairs;
    found_t       **last_repair;
    uint64_t        problems;
    uint64_t        notes;
    uint64_t        repaired;
    uint64_t        planned;
    unsigned        progress:1;
    unsigned        drawn:1;
    uint64_t        drawn_at;
    uint64_t        began;
};


static void write_text(check_t *c, check_kind_t kind, const reg_str_t *object,
    int64_t bytes, const char *detail);
static void write_json(check_kind_t kind, const reg_str_t *object,
    const char *repository, int64_t bytes, const char *detail);
static void add(check_t *c, found_t ***last, char *text);
static void member(reg_buf_t *b, const char *name, const char *text);
static void number(reg_buf_t *b, const char *name, int64_t n);
static void put_line(reg_buf_t *b);
static void end_text(check_t *c);
static void end_json(check_t *c, int status);
static void clear_progress(check_t *c);
static const char *human(int64_t bytes, char *text, size_t size);
static char *printable(const reg_str_t *s);
static uint64_t now(void);


static const struct {
    const char     *name;
    int             problem;
    const char     *text;
} kinds[] = {
#define CHECK_KIND(id, name, problem, text)  { name, problem, text },
#include "check_kinds.inc"
#undef CHECK_KIND
};


void
check_report_init(check_t *c)
{
    int              i;
    check_report_t  *r;

    r = calloc(1, sizeof(check_report_t));
    if (r == NULL) {
        check_fatal(c, "out of memory");
    }

    check_pool_init(&r->pool);

    for (i = 0; i < CHECK_NKINDS; i++) {
        r->last[i] = &r->first[i];
    }

    r->last_repair = &r->repairs;
    r->progress = !c->options.quiet && isatty(STDERR_FILENO);
    r->began = now();

    c->report = r;
}


void
check_report_free(check_t *c)
{
    check_pool_free(&c->report->pool);
    free(c->report);
}


void
check_report(check_t *c, check_kind_t kind, const reg_str_t *object,
    const char *repository, int64_t bytes, const char *format, ...)
{
    char            *detail;
    va_list          args;
    check_report_t  *r;

    r = c->report;

    r->counts[kind]++;
    reg_size_add(&r->bytes[kind], bytes);

    if (kinds[kind].problem) {
        r->problems++;

    } else {
        r->notes++;

        if (c->options.quiet && !c->options.json) {
            return;
        }
    }

    detail = NULL;

    if (format) {
        va_start(args, format);
        if (vasprintf(&detail, format, args) < 0) {
            check_fatal(c, "out of memory");
        }
        va_end(args);
    }

    if (c->options.json) {
        if (kinds[kind].problem || !c->options.quiet) {
            clear_progress(c);
            write_json(kind, object, repository, bytes, detail);
        }

    } else if (kinds[kind].problem || c->options.all
               || r->counts[kind] <= NOTES_MAX)
    {
        write_text(c, kind, object, bytes, detail);
    }

    free(detail);
}


static void
write_text(check_t *c, check_kind_t kind, const reg_str_t *object,
    int64_t bytes, const char *detail)
{
    int    rc;
    char  *text, *name, size[32];

    name = printable(object);

    if (bytes >= 0) {
        human(bytes, size, sizeof(size));
        rc = asprintf(&text, "  %s\n      %s%s%s", name, detail ? detail : "",
                      detail ? ", " : "", size);

    } else {
        rc = asprintf(&text, "  %s%s%s", name, detail ? "\n      " : "",
                      detail ? detail : "");
    }

    if (rc < 0) {
        check_fatal(c, "out of memory");
    }

    add(c, &c->report->last[kind], text);
    free(name);
    free(text);
}


static void
write_json(check_kind_t kind, const reg_str_t *object,
    const char *repository, int64_t bytes, const char *detail)
{
    reg_buf_t     b;
    check_pool_t  pool;

    check_pool_init(&pool);
    reg_buf_init(&b, &pool.arena, 1024);

    reg_buf_text(&b, "{\"type\":");
    reg_buf_text(&b, kinds[kind].problem ? "\"problem\"" : "\"note\"");
    member(&b, "kind", kinds[kind].name);

    reg_buf_text(&b, ",\"object\":");
    reg_json_write_string(&b, object);

    if (repository) {
        member(&b, "repository", repository);
    }

    if (bytes >= 0) {
        number(&b, "bytes", bytes);
    }

    if (detail) {
        member(&b, "detail", detail);
    }

    reg_buf_char(&b, '}');
    put_line(&b);

    check_pool_free(&pool);
}


void
check_report_repair(check_t *c, check_action_t *action, const char *outcome)
{
    char            *text, *name;
    reg_buf_t        b;
    reg_str_t        object;
    const char      *verb;
    check_pool_t     pool;
    check_report_t  *r;

    r = c->report;
    verb = action->method == REG_PUT ? "write" : "remove";

    if (outcome == NULL) {

        /* a problem that is mended; a note is no loss of the exit status */

        if (c->options.dry_run) {
            r->planned++;

        } else {
            r->repaired += kinds[action->problem].problem && !action->part;
        }
    }

    object = check_str(action->object);

    if (c->options.json) {
        check_pool_init(&pool);
        reg_buf_init(&b, &pool.arena, 1024);

        reg_buf_text(&b, "{\"type\":\"repair\"");
        member(&b, "repair", check_repair_name(action->kind));
        member(&b, "kind", kinds[action->problem].name);
        member(&b, "action", verb);
        reg_buf_text(&b, ",\"object\":");
        reg_json_write_string(&b, &object);

        if (action->repository) {
            member(&b, "repository", action->repository);
        }

        member(&b, "result", outcome ? "skipped"
                             : c->options.dry_run ? "planned" : "done");

        if (outcome) {
            member(&b, "detail", outcome);
        }

        reg_buf_char(&b, '}');
        put_line(&b);
        check_pool_free(&pool);

        return;
    }

    name = printable(&object);

    if (asprintf(&text, "%s%s %s%s%s",
                 outcome ? "did not " : c->options.dry_run ? "would " : "",
                 outcome || c->options.dry_run ? verb
                 : action->method == REG_PUT ? "wrote" : "removed",
                 name, outcome ? ": " : "", outcome ? outcome : "") < 0)
    {
        check_fatal(c, "out of memory");
    }

    add(c, &r->last_repair, text);
    free(name);
    free(text);
}


static void
add(check_t *c, found_t ***last, char *text)
{
    found_t    *found;
    reg_str_t   s;

    s = check_str(text);

    found = reg_alloc(&c->report->pool.arena, sizeof(found_t));
    found->text = check_strdup(&c->report->pool, &s);
    found->next = NULL;

    **last = found;
    *last = &found->next;
}


void
check_report_error(check_t *c, const char *text)
{
    reg_buf_t     b;
    check_pool_t  pool;

    if (c->report) {
        clear_progress(c);
    }

    fprintf(stderr, "registry-check: error: %s\n", text);

    if (!c->options.json) {
        return;
    }

    check_pool_init(&pool);
    reg_buf_init(&b, &pool.arena, 512);
    reg_buf_text(&b, "{\"type\":\"error\"");
    member(&b, "detail", text);
    number(&b, "exit_status", CHECK_FAILED);
    reg_buf_char(&b, '}');
    put_line(&b);
    check_pool_free(&pool);
}


int
check_report_end(check_t *c)
{
    int              status;
    check_report_t  *r;

    r = c->report;
    clear_progress(c);

    status = r->problems > r->repaired ? CHECK_PROBLEMS : CHECK_CLEAN;

    if (c->options.json) {
        end_json(c, status);

    } else {
        end_text(c);
    }

    if (fflush(stdout) != 0) {
        check_report_error(c, "the report could not be written");
        return CHECK_FAILED;
    }

    return status;
}


static void
end_text(check_t *c)
{
    int              i;
    char             size[32];
    found_t         *found;
    uint64_t         shown;
    check_report_t  *r;

    r = c->report;

    for (i = 0; i < CHECK_NKINDS; i++) {

        if (r->first[i] == NULL) {
            continue;
        }

        printf("%s: %llu%s", kinds[i].name, (unsigned long long) r->counts[i],
               kinds[i].problem ? "" : " (note)");

        if (r->bytes[i]) {
            printf(", %s", human(r->bytes[i], size, sizeof(size)));
        }

        printf("\n  %s\n", kinds[i].text);

        for (shown = 0, found = r->first[i]; found; found = found->next) {
            printf("  %s\n", found->text);
            shown++;
        }

        if (shown < r->counts[i]) {
            printf("    ... and %llu more, see --all\n",
                   (unsigned long long) (r->counts[i] - shown));
        }

        putchar('\n');
    }

    if (r->repairs) {
        printf("repairs:\n");

        for (found = r->repairs; found; found = found->next) {
            printf("  %s\n", found->text);
        }

        putchar('\n');
    }

    if (c->options.quiet && r->problems == 0) {
        return;
    }

    printf("%llu problems, %llu repaired, %llu notes;"
           " %lld repositories, %lld tags, %zu manifests, %zu blobs, %s\n",
           (unsigned long long) r->problems, (unsigned long long) r->repaired,
           (unsigned long long) r->notes, (long long) c->repositories,
           (long long) c->tags, c->nmanifests, c->nblobs,
           human(c->bytes, size, sizeof(size)));
}


static void
end_json(check_t *c, int status)
{
    int              i, n;
    reg_buf_t        b;
    check_pool_t     pool;
    check_report_t  *r;

    r = c->report;

    check_pool_init(&pool);
    reg_buf_init(&b, &pool.arena, 1024);

    reg_buf_text(&b, "{\"type\":\"summary\"");
    member(&b, "container", c->options.container);
    number(&b, "exit_status", status);
    number(&b, "problems", (int64_t) r->problems);
    number(&b, "repaired", (int64_t) r->repaired);
    number(&b, "planned", (int64_t) r->planned);
    number(&b, "notes", (int64_t) r->notes);
    number(&b, "repositories", c->repositories);
    number(&b, "tags", c->tags);
    number(&b, "manifests", (int64_t) c->nmanifests);
    number(&b, "blobs", (int64_t) c->nblobs);
    number(&b, "bytes", c->bytes);
    number(&b, "hashed", c->hashed);
    number(&b, "objects", c->objects);
    number(&b, "requests", (int64_t) c->requests);
    number(&b, "milliseconds", (int64_t) (now() - r->began));

    reg_buf_text(&b, ",\"kinds\":{");

    for (n = 0, i = 0; i < CHECK_NKINDS; i++) {

        if (r->counts[i] == 0) {
            continue;
        }

        reg_buf_text(&b, n++ ? ",\"" : "\"");
        reg_buf_text(&b, kinds[i].name);
        reg_buf_text(&b, "\":{\"count\":");
        reg_buf_number(&b, (int64_t) r->counts[i]);
        number(&b, "bytes", r->bytes[i]);
        reg_buf_char(&b, '}');
    }

    reg_buf_text(&b, "}}");
    put_line(&b);

    check_pool_free(&pool);
}


static void
member(reg_buf_t *b, const char *name, const char *text)
{
    reg_str_t  s;

    s = check_str(text);

    reg_buf_text(b, ",\"");
    reg_buf_text(b, name);
    reg_buf_text(b, "\":");
    reg_json_write_string(b, &s);
}


static void
number(reg_buf_t *b, const char *name, int64_t n)
{
    reg_buf_text(b, ",\"");
    reg_buf_text(b, name);
    reg_buf_text(b, "\":");
    reg_buf_number(b, n);
}


static void
put_line(reg_buf_t *b)
{
    reg_buf_char(b, '\n');
    (void) fwrite(b->data, 1, b->len, stdout);
}


void
check_progress(check_t *c)
{
    int              i, full;
    char             bar[BAR + 1], done[32], all[32];
    double           part;
    uint64_t         t;
    check_report_t  *r;

    r = c->report;

    if (r == NULL || !r->progress) {
        return;
    }

    t = now();

    if (t - r->drawn_at < 200) {
        return;
    }

    r->drawn_at = t;
    r->drawn = 1;

    if (c->hashed) {
        part = c->bytes ? (double) c->hashed / (double) c->bytes : 1;

    } else {
        part = c->objects_total > 0
               ? (double) c->objects / (double) c->objects_total : 0;
    }

    full = part >= 1 ? BAR : (int) (part * BAR);

    for (i = 0; i < BAR; i++) {
        bar[i] = i < full ? '#' : '.';
    }

    bar[BAR] = '\0';

    if (c->hashed) {
        fprintf(stderr, "\r\033[K[%s] %s of %s, %llu problems", bar,
                human(c->hashed, done, sizeof(done)),
                human(c->bytes, all, sizeof(all)),
                (unsigned long long) r->problems);
        return;
    }

    fprintf(stderr, "\r\033[K[%s] %lld of %lld objects, %lld repositories,"
            " %llu problems", bar, (long long) c->objects,
            (long long) c->objects_total, (long long) c->repositories,
            (unsigned long long) r->problems);
}


static void
clear_progress(check_t *c)
{
    if (c->report->drawn) {
        fprintf(stderr, "\r\033[K");
        c->report->drawn = 0;
    }
}


static const char *
human(int64_t bytes, char *text, size_t size)
{
    double       n;
    unsigned     i;

    static const char *const  units[] = {
        "bytes", "KiB", "MiB", "GiB", "TiB", "PiB"
    };

    n = (double) bytes;

    for (i = 0; n >= 1024 && i < 5; i++) {
        n /= 1024;
    }

    snprintf(text, size, i ? "%.1f %s" : "%.0f %s", n, units[i]);

    return text;
}


/* names of strangers may hold anything: a terminal must not obey them */

static char *
printable(const reg_str_t *s)
{
    char    *text, *p;

    p = text = check_strdup(NULL, s);

    for ( /* void */ ; *p; p++) {
        if ((unsigned char) *p < ' ' || (unsigned char) *p >= 0x7f) {
            *p = '?';
        }
    }

    return text;
}


static uint64_t
now(void)
{
    struct timespec  t;

    clock_gettime(CLOCK_MONOTONIC, &t);

    return (uint64_t) t.tv_sec * 1000 + (uint64_t) t.tv_nsec / 1000000;
}


void
check_fatal(check_t *c, const char *format, ...)
{
    char     text[2048];
    va_list  args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);

    check_report_error(c, text);
    (void) fflush(stdout);

    exit(CHECK_FAILED);
}
