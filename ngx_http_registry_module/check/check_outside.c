/* What is no registry's, and parts of uploads that are ours. */

#include <stdlib.h>
#include <string.h>

#include "check_outside.h"
#include "core/reg_object.h"
#include "core/reg_path.h"
#include "check_cursor.h"
#include "check_repair.h"


typedef struct pending_s  pending_t;

struct pending_s {
    pending_t      *next;
    char           *name;
    int64_t         bytes;
};


typedef struct {
    char           *prefix;
    char           *repository;
    int64_t         bytes;
    uint32_t        n;
    uint32_t        forever;
} upload_t;


typedef struct {
    upload_t       *uploads;
    size_t          n;
    size_t          room;
} uploads_t;


static void strange(check_t *c, reg_entry_t *entry);
static int marker(check_t *c, reg_entry_t *entry);
static int walkable(const reg_str_t *name);
static void on_part(check_t *c, check_request_t *r);
static void look(check_t *c, check_cursor_t *cursor,
    const char *const *known);


/* objects that may turn out to be in the place of a directory */

static pending_t  *pending;


void
check_foreign(check_t *c, reg_entry_t *entry, int foreign)
{
    size_t      len;
    reg_str_t   name;
    pending_t  *p, **last;

    for (last = &pending; *last; /* void */) {

        p = *last;
        len = strlen(p->name);
        name = check_str(p->name);

        if (entry->name.len > len
            && memcmp(entry->name.data, p->name, len) == 0)
        {
            if (entry->name.data[len] < '/') {
                last = &p->next;
                continue;
            }

            check_report(c, entry->name.data[len] == '/'
                            ? CHECK_K_DIRECTORY_OBJECT : CHECK_K_FOREIGN,
                         &name, NULL, p->bytes, NULL);

        } else {
            check_report(c, CHECK_K_FOREIGN, &name, NULL, p->bytes, NULL);
        }

        *last = p->next;
        free(p->name);
        free(p);
    }

    if (foreign) {
        strange(c, entry);
    }
}


void
check_foreign_end(check_t *c)
{
    reg_str_t   name;
    pending_t  *p;

    while (pending) {
        p = pending;
        pending = p->next;
        name = check_str(p->name);

        check_report(c, CHECK_K_FOREIGN, &name, NULL, p->bytes, NULL);

        free(p->name);
        free(p);
    }
}


static void
strange(check_t *c, reg_entry_t *entry)
{
    pending_t  *p;

    if (marker(c, entry)) {
        return;
    }

    if (!walkable(&entry->name)) {
        check_report(c, CHECK_K_FOREIGN_NAME, &entry->name, NULL,
                     entry->bytes, NULL);
        return;
    }

    p = malloc(sizeof(pending_t));
    if (p == NULL) {
        check_fatal(c, "out of memory");
    }

    p->name = check_strdup(NULL, &entry->name);
    p->bytes = entry->bytes;
    p->next = pending;
    pending = p;
}


static int
marker(check_t *c, reg_entry_t *entry)
{
    check_action_t  *action;

    if (entry->subdir || entry->name.data[entry->name.len - 1] != '/') {
        return 0;
    }

    action = NULL;

    if (entry->bytes == 0) {
        action = check_action(c, CHECK_MARKERS, CHECK_K_MARKER, REG_DELETE,
                              &entry->name, NULL);
    }

    if (action) {
        action->empty = 1;
    }

    check_suspect(c, CHECK_K_MARKER, NULL, &entry->name, &entry->name, NULL,
                  action, "%lld bytes", (long long) entry->bytes);

    return 1;
}


/* registry:2: components of [A-Za-z0-9._-]+ */

static int
walkable(const reg_str_t *name)
{
    size_t         i;
    unsigned char  c, last;

    for (i = 0, last = '/'; i < name->len; last = c, i++) {
        c = name->data[i];

        if (c == '/' && last == '/') {
            return 0;
        }

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
              || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-'
              || c == '/'))
        {
            return 0;
        }
    }

    return 1;
}


/* parts expire by themselves; one that does not was written by a stranger */

void
check_parts(check_t *c)
{
    size_t            i;
    upload_t         *u;
    reg_str_t         prefix;
    uploads_t         all;
    reg_entry_t      *entry;
    reg_object_t      object;
    check_cursor_t    cursor;
    check_request_t  *r;

    memset(&all, 0, sizeof(uploads_t));

    check_cursor_open(c, &cursor, REG_PATH_UPLOADS, 0);

    for ( ;; check_cursor_next(c, &cursor)) {

        entry = check_cursor_peek(c, &cursor);
        if (entry == NULL) {
            break;
        }

        reg_object_parse(&entry->name, &object);

        if (object.kind != REG_OBJECT_PART) {
            check_report(c, CHECK_K_FOREIGN, &entry->name, NULL,
                         entry->bytes, NULL);
            continue;
        }

        if (check_young(c, entry->modified)) {
            continue;
        }

        prefix = entry->name;
        prefix.len = (size_t) (object.id.data + object.id.len - prefix.data)
                     + 1;

        u = all.n ? &all.uploads[all.n - 1] : NULL;

        if (u == NULL || strlen(u->prefix) != prefix.len
            || memcmp(u->prefix, prefix.data, prefix.len) != 0)
        {
            all.uploads = check_grow(all.uploads, &all.room, all.n,
                                     sizeof(upload_t));
            u = &all.uploads[all.n++];

            memset(u, 0, sizeof(upload_t));
            u->prefix = check_strdup(&c->pool, &prefix);
            u->repository = check_strdup(&c->pool, &object.name);
        }

        r = check_request(c, REG_HEAD, &entry->name, NULL, on_part);
        r->index = all.n - 1;
        r->data = &all;
        check_send(c, r);
        check_throttle(c);
    }

    check_wait(c);
    check_cursor_close(&cursor);

    for (i = 0; i < all.n; i++) {
        u = &all.uploads[i];
        prefix = check_str(u->prefix);

        if (u->forever) {
            check_report(c, CHECK_K_PART_NO_EXPIRY, &prefix, u->repository,
                         u->bytes, "%u of %u parts", (unsigned) u->forever,
                         (unsigned) u->n);

        } else if (u->n) {
            check_report(c, CHECK_K_PARTS_LEFTOVER, &prefix, u->repository,
                         u->bytes, "%u parts", (unsigned) u->n);
        }
    }

    free(all.uploads);
}


static void
on_part(check_t *c, check_request_t *r)
{
    upload_t   *u;
    uploads_t  *all = r->data;

    (void) c;

    if (r->status == 404) {
        return;
    }

    u = &all->uploads[r->index];

    u->n++;
    reg_size_add(&u->bytes, r->length);
    u->forever += !r->expires;
}


static const struct {
    const char         *prefix;
    const char *const   known[6];
} levels[] = {
    { "", { "files/", REG_PATH_ALL_SEGMENTS, REG_PATH_UPLOADS,
            REG_PATH_REFERRERS, REG_PATH_ALIASES, NULL } },
    { "files/", { "files/docker/", NULL } },
    { "files/docker/", { "files/docker/registry/", NULL } },
    { "files/docker/registry/", { REG_PATH_REGISTRY, NULL } },
    { REG_PATH_REGISTRY, { REG_PATH_BLOBS, REG_PATH_REPOSITORIES, NULL } }
};

#define NLEVELS  (sizeof(levels) / sizeof(levels[0]))


void
check_outside(check_t *c)
{
    size_t          i;
    check_cursor_t  cursors[NLEVELS];

    for (i = 0; i < NLEVELS; i++) {
        check_cursor_open(c, &cursors[i], levels[i].prefix, '/');
    }

    for (i = 0; i < NLEVELS; i++) {
        look(c, &cursors[i], levels[i].known);
        check_cursor_close(&cursors[i]);
    }

    check_wait(c);
}


static void
look(check_t *c, check_cursor_t *cursor, const char *const *known)
{
    int                 below, is_known;
    reg_str_t           name;
    reg_entry_t        *entry;
    check_kind_t        kind;
    const char *const  *p;

    below = cursor->prefix.len != 0;

    for ( ;; check_cursor_next(c, cursor)) {

        entry = check_cursor_peek(c, cursor);
        if (entry == NULL) {
            break;
        }

        c->objects--;                   /* it was listed, or is none */
        is_known = 0;
        kind = CHECK_K_FOREIGN;

        for (p = known; *p; p++) {
            name = check_str(*p);

            if (entry->subdir && reg_str_equal(&entry->name, &name)) {
                is_known = 1;
            }

            name.len--;

            if (!entry->subdir && below
                && reg_str_equal(&entry->name, &name))
            {
                kind = CHECK_K_DIRECTORY_OBJECT;
            }
        }

        if (!is_known && !(below && marker(c, entry))) {
            check_report(c, kind, &entry->name, NULL, entry->bytes, NULL);
        }
    }
}
