/*
 * The lists in pages, against a store in memory that lists as RGW does: of
 * random names that are prefixes of each other, each page from each place has
 * what a sorted list of all has there.  TEST_SEED repeats a run.
 */

#include <time.h>

#include "tap.h"
#include "ops/reg_ops.h"
#include "core/reg_path.h"


#define KEYS_MAX   50000
#define NAMES_MAX  12000
#define TAGS       "files/docker/registry/v2/repositories/app/_manifests/tags/"


static char      *keys[KEYS_MAX];       /* the store, sorted */
static size_t     nkeys;
static char      *names[NAMES_MAX];     /* what the API has, sorted */
static size_t     nnames;
static int        catalog;
static int        miserly;              /* listings have less than asked for */
static int        swift;                /* and folders behind a marker in them */

static unsigned   calls;
static uint32_t   seed;


static unsigned
chance(unsigned n)
{
    seed = seed * 1664525u + 1013904223u;

    return (seed >> 8) % n;
}


static char *
copy(const char *s)
{
    char  *p;

    p = malloc(strlen(s) + 1);
    if (p == NULL) {
        abort();
    }

    return strcpy(p, s);
}


static void
clear(void)
{
    while (nkeys) {
        free(keys[--nkeys]);
    }

    while (nnames) {
        free(names[--nnames]);
    }
}


static void
put(const char *prefix, const char *name, const char *rest)
{
    char  key[1000];

    (void) sprintf(key, "%s%s%s", prefix, name, rest);
    keys[nkeys++] = copy(key);
}


/* repositories: '/' before all else, which no name has less than that */

static int
order(const char *a, const char *b)
{
    int  x, y;

    for ( /* void */ ; *a && *a == *b; a++, b++) { /* void */ }

    x = (catalog && *a == '/') ? 1 : (unsigned char) *a;
    y = (catalog && *b == '/') ? 1 : (unsigned char) *b;

    return x - y;
}


static int
by_key(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}


static int
by_order(const void *a, const void *b)
{
    return order(*(char *const *) a, *(char *const *) b);
}


static void
sort_all(void)
{
    size_t  i, n;

    qsort(keys, nkeys, sizeof(char *), by_key);
    qsort(names, nnames, sizeof(char *), by_order);

    for (i = 0, n = 0; i < nnames; i++) {
        if (n && strcmp(names[n - 1], names[i]) == 0) {
            free(names[i]);
        } else {
            names[n++] = names[i];
        }
    }

    nnames = n;
}


/* the store */

static char *
argument(const char *query, const char *name, char *value)
{
    char        *p;
    unsigned     c;
    const char  *q;

    p = value;
    q = strstr(query, name);

    for (q = q ? q + strlen(name) : ""; *q && *q != '&'; q++) {
        if (*q == '%') {
            (void) sscanf(q + 1, "%2x", &c);
            *p++ = (char) c;
            q += 2;
        } else {
            *p++ = *q;
        }
    }

    *p = '\0';

    return value;
}


static size_t
find(const char *key)
{
    size_t  low, high, mid;

    for (low = 0, high = nkeys; low < high; /* void */) {
        mid = (low + high) / 2;

        if (strcmp(keys[mid], key) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }

    return low;
}


static void
list(reg_flow_t *f, reg_call_t *call)
{
    char       query[4000], prefix[1000], marker[1100], to[1000], delim[10],
               limit[20], name[1100];
    char      *p;
    size_t     i, n, max;
    reg_buf_t  b;

    (void) sprintf(query, "&%.*s", (int) call->query.len,
                   (char *) call->query.data);

    argument(query, "&prefix=", prefix);
    argument(query, "&marker=", marker);
    argument(query, "&end_marker=", to);
    argument(query, "&delimiter=", delim);
    max = (size_t) atoi(argument(query, "&limit=", limit));
    max = max > 1000 ? 1000 : max;

    if (miserly) {
        max -= chance((unsigned) max / 2 + 1);
    }

    /* to RGW a marker in a folder is behind all of the folder */

    if (*delim && !swift && strncmp(marker, prefix, strlen(prefix)) == 0) {
        p = strstr(marker + strlen(prefix), delim);
        if (p) {
            (void) strcpy(p + strlen(delim), "\xff");
        }
    }

    reg_buf_init(&b, f->arena, 1024);
    reg_buf_char(&b, '[');

    i = find(strcmp(marker, prefix) > 0 ? marker : prefix);

    for (n = 0; i < nkeys && n < max; /* void */) {

        if (strncmp(keys[i], prefix, strlen(prefix))
            || (*to && strcmp(keys[i], to) >= 0))
        {
            break;
        }

        if (strcmp(keys[i], marker) <= 0) {
            i++;
            continue;
        }

        (void) strcpy(name, keys[i]);
        p = *delim ? strstr(name + strlen(prefix), delim) : NULL;

        if (n++) {
            reg_buf_char(&b, ',');
        }

        if (p) {
            p[strlen(delim)] = '\0';
            reg_buf_text(&b, "{\"subdir\":\"");
            reg_buf_text(&b, name);
            reg_buf_text(&b, "\"}");

            (void) strcat(name, "\xff");
            i = find(name);
            continue;
        }

        reg_buf_text(&b, "{\"name\":\"");
        reg_buf_text(&b, name);
        reg_buf_text(&b, "\",\"hash\":\"\",\"bytes\":1}");
        i++;
    }

    reg_buf_char(&b, ']');

    call->reply.status = 200;
    call->reply.body = reg_buf_str(&b);
}


/* f->answer; the arena is the caller's to free */

static void
get(reg_flow_t *f, tap_arena_t *arena, const char *uri, const char *args)
{
    unsigned     i;
    reg_str_t    text, detail;
    reg_error_t  e;

    memset(f, 0, sizeof(reg_flow_t));

    f->arena = &arena->arena;
    f->args.data = (unsigned char *) args;
    f->args.len = strlen(args);

    text.data = (unsigned char *) uri;
    text.len = strlen(uri);

    (void) reg_route_parse(&text, &f->route, &e, &detail);

    reg_flow_start(f);
    calls = 0;

    while (f->step && reg_flow_run(f) == REG_CALL) {
        for (i = 0; i < f->ncalls; i++) {
            memset(&f->calls[i].reply, 0, sizeof(reg_reply_t));

            if (f->calls[i].failed) {
                f->answer.status = 500;
                return;
            }

            list(f, &f->calls[i]);
            calls++;
        }
    }
}


static int
has_link(const reg_flow_t *f, const char *last, size_t n)
{
    char         want[1000], escaped[600];
    unsigned     i;
    char        *p = escaped;

    for ( /* void */ ; *last; last++) {
        p += sprintf(p, *last == '/' ? "%%2F" : "%c", *last);
    }

    *p = '\0';

    (void) sprintf(want, "</v2/%s?last=%s&n=%zu>; rel=\"next\"",
                   catalog ? "_catalog" : "app/tags/list", escaped, n);

    for (i = 0; i < f->answer.nheaders; i++) {
        if (strcmp(f->answer.headers[i].name, "Link") == 0) {
            return tap_is(&f->answer.headers[i].value, want);
        }
    }

    return 0;
}


/* the page of "n" behind "last" is what the sorted list of all has there */

static int
page_is_right(const char *last, int64_t n)
{
    char         args[2000], want[200000], *p;
    int          right;
    size_t       i, first, end;
    reg_flow_t   f;
    tap_arena_t  arena;

    p = args;

    if (n >= 0) {
        p += sprintf(p, "n=%d&", (int) n);
    }

    p += sprintf(p, "last=");

    for (i = 0; last[i]; i++) {
        p += sprintf(p, "%%%02x", (unsigned char) last[i]);
    }

    tap_arena_init(&arena, (size_t) -1);
    get(&f, &arena, catalog ? "/v2/_catalog" : "/v2/app/tags/list", args);

    for (first = 0; first < nnames && order(names[first], last) <= 0;
         first++) { /* void */ }

    end = (n >= 0 && (size_t) n < nnames - first) ? first + (size_t) n
                                                  : nnames;

    p = want;
    p += sprintf(p, catalog ? "{\"repositories\":["
                            : "{\"name\":\"app\",\"tags\":[");

    for (i = first; i < end; i++) {
        p += sprintf(p, "%s\"%s\"", i > first ? "," : "", names[i]);
    }

    (void) sprintf(p, "]}\n");

    right = (f.answer.status == 200 && tap_is(&f.answer.body, want)
             && (n <= 0 || end == nnames ? f.answer.nheaders == 0
                                  : has_link(&f, names[end - 1], (size_t) n)));

    if (!right) {
        printf("# n=%d behind \"%s\": status %u, %u headers\n# %.*s# %s",
               (int) n, last, f.answer.status, f.answer.nheaders,
               (int) f.answer.body.len, (char *) f.answer.body.data, want);
    }

    tap_arena_free(&arena);

    return right;
}


static int
pages_are_right(const char *last)
{
    size_t   i;
    int64_t  sizes[] = { 0, 1, 2, 3, (int64_t) nnames - 1,
                         (int64_t) nnames, (int64_t) nnames + 1 };

    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        if (sizes[i] >= 0 && !page_is_right(last, sizes[i])) {
            return 0;
        }
    }

    return catalog || page_is_right(last, -1);
}


/* behind each name, a part of it, more than it, and what no name is */

static int
all_pages_are_right(void)
{
    char         last[600];
    size_t       i, j;
    const char  *s;

    static const char *const  more[] = {
        "", "-", ".", "/", "0", "_", "a", "/0", "//", "/_layers", "/_", "~",
        "!", "\xff", " ", "-/"
    };
    static const char *const  odd[] = {
        "", "/", "-", ".", "~", "A", "!", "\xc3\xa9", "zzz", "0"
    };

    for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        if (!pages_are_right(odd[i])) {
            return 0;
        }
    }

    for (i = 0; i < nnames; i++) {
        s = names[i];

        (void) sprintf(last, "%s%s", s,
                       more[chance(sizeof(more) / sizeof(more[0]))]);

        if (!pages_are_right(s) || !pages_are_right(last)) {
            return 0;
        }

        j = chance((unsigned) strlen(s)) + 1;
        (void) sprintf(last, "%.*s", (int) j, s);

        if (!pages_are_right(last)) {
            return 0;
        }
    }

    return 1;
}


static void
random_tags(size_t n)
{
    char    tag[200];
    size_t  i, len;

    static const char  alphabet[] = "--..a0_aZ";

    while (n--) {
        len = chance(6) + 1;

        for (i = 0; i < len; i++) {
            tag[i] = alphabet[i ? chance(sizeof(alphabet) - 1)
                                : 4 + chance(5)];
        }

        tag[len] = '\0';
        names[nnames++] = copy(tag);

        if (chance(4)) {
            put(TAGS, tag, "/current/link");
        }

        put(TAGS, tag, "/index/sha256/00/link");
    }

    put(TAGS, "", "");
    put(TAGS, "", "/x");
    put(TAGS, "a", "");
    put(TAGS, "a~", "/current/link");
    put("", "files/docker/registry/v2/repositories/app/_layers/x", "");
}


static void
random_repositories(size_t n)
{
    char         name[300], digest[100];
    size_t       parts;
    unsigned     kind, i;
    const char  *p;

    static const char *const  parts_of[] = {
        "a", "a-b", "a.b", "a--b", "a_b", "a0", "0", "0-a", "9.z", "b", "z",
        "a-b-c", "a.b-c"
    };

    p = REG_PATH_REPOSITORIES;

    while (n--) {
        *name = '\0';

        for (parts = chance(3) + 1; parts; parts--) {
            (void) strcat(name, *name ? "/" : "");
            (void) strcat(name, parts_of[chance(13)]);
        }

        kind = chance(8);

        for (i = 0; kind && i < chance(20); i++) {
            (void) sprintf(digest, "/_layers/sha256/%02x/link", i);
            put(p, name, digest);
        }

        if (kind) {
            names[nnames++] = copy(name);
            put(p, name, kind == 1 ? "/_manifests/revisions/sha256/00/link"
                                   : "/_layers/sha256/xx/link");
        }

        if (kind < 3) {
            put(p, name, "/_uploads/00/startedat");
        }
    }

    put(p, "", "");
    put(p, "a", "");
    put(p, "a/", "");
    put(p, "A", "/_layers/sha256/00/link");
    put(p, "/a", "/_layers/sha256/00/link");
    put(p, "0/README", "");
}


static void
test_random(int is_catalog)
{
    unsigned  round, first;

    catalog = is_catalog;

    for (round = 0; round < 16; round++) {
        clear();
        miserly = round % 4 == 3;
        first = seed;

        if (catalog) {
            random_repositories(2 + 4 * round);
        } else {
            random_tags(2 + 4 * round);
        }

        sort_all();

        ok(all_pages_are_right(),
           catalog ? "pages of the catalog" : "pages of tags", first);
    }

    miserly = 0;
}


/* walks by Link: what it costs, and that all is there */

static void
walk(const char *what, size_t n, unsigned limit)
{
    char         last[300];
    int          right;
    size_t       i;
    unsigned     pages, worst, total;

    right = 1;
    *last = '\0';
    worst = total = pages = 0;

    for (i = 0; i < nnames && right; i += n) {
        right = page_is_right(last, (int64_t) n);
        (void) strcpy(last, names[i + n < nnames ? i + n - 1 : nnames - 1]);

        worst = calls > worst ? calls : worst;
        total += calls;
        pages++;
    }

    printf("# %s: %zu by %zu: %u pages, %u calls, at most %u for a page\n",
           what, nnames, n, pages, total, worst);
    ok(right, what, n);
    ok(worst <= limit, "calls for a page", worst);
}


static void
test_cost(void)
{
    char    name[100];
    size_t  i, j;

    catalog = 0;
    clear();

    for (i = 0; i < 10000; i++) {
        (void) sprintf(name, "v%zu.%zu.%zu-rc", i / 1000, i / 10 % 100,
                       i % 10);
        names[nnames++] = copy(name);
        put(TAGS, name, "/current/link");
        put(TAGS, name, "/index/sha256/00/link");
    }

    sort_all();

    walk("tags", 100, 2);
    walk("tags", 1000, 3);

    catalog = 1;
    clear();

    for (i = 0; i < 2000; i++) {
        (void) sprintf(name, "team-%zu/app-%zu", i / 40, i % 40);
        names[nnames++] = copy(name);

        for (j = 0; j < (i == 7 ? 10000 : 3); j++) {
            (void) sprintf(name, "team-%zu/app-%zu/_layers/sha256/%zu/link",
                           i / 40, i % 40, j);
            put(REG_PATH_REPOSITORIES, name, "");
        }
    }

    sort_all();

    walk("repositories", 1, 10);
    walk("repositories", 100, 110);
    walk("repositories", 1000, 1020);

    /* much that the API has before "last", and the store behind it */

    clear();

    for (i = 0; i < 3000; i++) {
        (void) sprintf(name, i < 10 ? "my-%zu" : "my/%zu", i);
        names[nnames++] = copy(name);
        put(REG_PATH_REPOSITORIES, name, "/_layers/sha256/00/link");
    }

    sort_all();

    ok(page_is_right("my-1", 2), "a page behind a name with '-'", 0);
    ok(calls < 12, "skips what is below the name without it", calls);
}


/* names of as many cuts as they can have, made up or there, cost no more */

static void
test_made_up(void)
{
    int     right;
    char    deep[256];
    size_t  i, j, k, worst;

    static const char *const  cuts[] = { "a-", "a.", "a/", "0/", "0-", "0/0-",
                                         "a-b/" };

    catalog = 1;
    right = 1;
    worst = 0;

    for (i = 0; i < 2 * (sizeof(cuts) / sizeof(cuts[0])); i++) {
        clear();

        for (j = 0; j < 250; j += k) {
            k = strlen(cuts[i / 2]);
            (void) strcpy(deep + j, cuts[i / 2]);
        }

        (void) strcpy(deep + j, "a");

        names[nnames++] = copy("b/c");

        if (i % 2) {
            names[nnames++] = copy(deep);
        }

        for (j = 0; j < nnames; j++) {
            put(REG_PATH_REPOSITORIES, names[j], "/_layers/sha256/00/link");
        }

        sort_all();

        for (j = 0; j < 3; j++) {
            right &= page_is_right(j == 0 ? "" : j == 1 ? deep : "zz", 1);
            worst = calls > worst ? calls : worst;
        }
    }

    ok(right, "pages behind names of many cuts", 0);
    ok(worst <= 24, "what they cost", worst);
}


/* behind what is below a name */

static void
test_folders(void)
{
    static const char *const  rests[] = { "", "/", "/a", "/current/a", "/zz",
                                          "/~", "/~~" };
    static const char *const  below[] = { "/_", "/_layers/a", "/_m",
                                          "/_manifests/zz" };
    char                      last[100];
    size_t                    i;

    catalog = 0;
    clear();

    for (i = 0; i < 5; i++) {
        (void) sprintf(last, "v%zu", i);
        names[nnames++] = copy(last);
        put(TAGS, last, "/current/link");
        put(TAGS, last, "/index/sha256/00/link");
    }

    sort_all();

    for (i = 0; i < sizeof(rests) / sizeof(rests[0]); i++) {
        (void) sprintf(last, "v2%s", rests[i]);
        ok(page_is_right(last, 2), "tags behind what is below one", i);
    }

    catalog = 1;
    clear();

    for (i = 0; i < 5; i++) {
        (void) sprintf(last, "r%zu", i);
        names[nnames++] = copy(last);
        put(REG_PATH_REPOSITORIES, last, "/_layers/sha256/00/link");
        put(REG_PATH_REPOSITORIES, last, "/_manifests/tags/x/current/link");
    }

    sort_all();

    for (i = 0; i < sizeof(below) / sizeof(below[0]); i++) {
        (void) sprintf(last, "r2%s", below[i]);
        ok(page_is_right(last, 2), "repositories behind what is below one",
           i);
    }
}


static void
test_unknown(void)
{
    size_t       i;
    reg_flow_t   f;
    tap_arena_t  arena;

    static const char *const  args[] = { "", "n=5", "n=0", "last=a",
                                         "n=1&last=zz" };

    catalog = 0;
    clear();
    put(TAGS, "", "");

    for (i = 0; i < sizeof(args) / sizeof(args[0]); i++) {
        tap_arena_init(&arena, (size_t) -1);
        get(&f, &arena, "/v2/app/tags/list", args[i]);
        ok(f.answer.status == 404, "an unknown repository", i);
        tap_arena_free(&arena);
    }
}


static void
test_memory(int is_catalog)
{
    int          done, wrong;
    size_t       left;
    reg_flow_t   f;
    tap_arena_t  arena;

    wrong = 0;
    catalog = is_catalog;
    clear();
    seed = 1;

    if (catalog) {
        random_repositories(20);
    } else {
        random_tags(20);
    }

    sort_all();

    for (left = 0, done = 0; !done && left < 10000; left++) {
        tap_arena_init(&arena, left);
        get(&f, &arena, catalog ? "/v2/_catalog" : "/v2/app/tags/list",
            "n=5&last=a");
        done = !arena.failed;

        /* a header that could not be made makes it a 500, too */

        wrong += (!done && f.step && f.answer.status == 200
                  && (f.answer.nheaders == 0
                      || f.answer.headers[0].value.data));

        tap_arena_free(&arena);
    }

    ok(!wrong && done && left > 20, "each allocation failing in turn", left);
}


int
main(void)
{
    const char  *s;

    s = getenv("TEST_SEED");
    seed = s ? (uint32_t) strtoul(s, NULL, 10) : (uint32_t) time(NULL);
    printf("# TEST_SEED=%u\n", seed);

    for (swift = 0; swift < 2; swift++) {
        test_random(0);
        test_random(1);
        test_folders();
    }

    swift = 0;
    test_cost();
    test_made_up();
    test_unknown();
    test_memory(0);
    test_memory(1);

    clear();

    return tap_end();
}
