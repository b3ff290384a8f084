/*
 * Segments of large objects: the sorted prefixes that the objects name,
 * walked along the sorted listing of the segments.
 */

#include <stdlib.h>
#include <string.h>

#include "check_segments.h"
#include "core/reg_object.h"
#include "core/reg_path.h"
#include "check_cursor.h"
#include "check_repair.h"


typedef struct {
    char           *prefix;             /* NULL: none */
    int64_t         bytes;
    int64_t         modified;
    uint32_t        n;
} orphans_t;


static void mark_shared(check_t *c);
static void walk(check_t *c, const char *prefix, size_t first, size_t last);
static int belongs(check_t *c, reg_entry_t *entry, reg_object_t *object,
    size_t first, size_t last);
static void count(check_t *c, check_head_t *head, reg_entry_t *entry,
    reg_object_t *object);
static void on_segment(check_t *c, check_request_t *r);
static void orphan(check_t *c, orphans_t *o, reg_entry_t *entry,
    reg_object_t *object);
static void orphans_end(check_t *c, orphans_t *o);
static void gaps(check_t *c);
static reg_str_t head_name(check_t *c, check_pool_t *pool,
    const check_head_t *head);
static int compare(const void *a, const void *b);


void
check_segments(check_t *c)
{
    int     last_is_segment;
    size_t  i, first, end;

    if (c->nheads) {
        qsort(c->heads, c->nheads, sizeof(check_head_t), compare);
    }

    mark_shared(c);

    /* those in the common tree are one range, others are asked one by one */

    for (i = 0, first = 0, end = 0, last_is_segment = 0; i < c->nheads; i++) {

        if (strncmp(c->heads[i].prefix, REG_PATH_ALL_SEGMENTS,
                    sizeof(REG_PATH_ALL_SEGMENTS) - 1)
            == 0)
        {
            first = last_is_segment ? first : i;
            last_is_segment = 1;
            end = i + 1;

        } else if (c->heads[i].prefix[0]) {
            walk(c, c->heads[i].prefix, i, i + 1);
        }
    }

    walk(c, REG_PATH_ALL_SEGMENTS, first, end);
    gaps(c);
}


static void
mark_shared(check_t *c)
{
    size_t         i, owner;
    reg_str_t      name, other;
    check_head_t  *a, *b;
    check_pool_t   pool;

    for (owner = 0, i = 1; i < c->nheads; i++) {

        a = &c->heads[owner];
        b = &c->heads[i];

        if (strncmp(b->prefix, a->prefix, strlen(a->prefix)) != 0) {
            owner = i;
            continue;
        }

        /* two uploads harm no blob */

        if (a->blob == CHECK_NONE && b->blob == CHECK_NONE) {
            continue;
        }

        if (b->blob == CHECK_NONE) {
            a = &c->heads[i];
            b = &c->heads[owner];
        }

        check_pool_init(&pool);
        name = head_name(c, &pool, b);
        other = head_name(c, &pool, a);

        check_suspect(c, CHECK_K_BLOB_SHARED_SEGMENTS, NULL, &name, &name,
                      NULL, NULL, "with %.*s", (int) other.len, other.data);

        check_pool_free(&pool);
    }
}


static void
walk(check_t *c, const char *prefix, size_t first, size_t last)
{
    int              common;
    orphans_t        orphans;
    reg_entry_t     *entry;
    reg_object_t     object;
    check_cursor_t   cursor;

    memset(&orphans, 0, sizeof(orphans_t));

    common = strcmp(prefix, REG_PATH_ALL_SEGMENTS) == 0;

    check_cursor_open(c, &cursor, prefix, 0);

    for ( ;; ) {
        entry = check_cursor_peek(c, &cursor);

        if (entry == NULL) {
            break;
        }

        /* heads whose segments are all behind us */

        while (first < last
               && strncmp(c->heads[first].prefix, (char *) entry->name.data,
                          strlen(c->heads[first].prefix))
                  < 0)
        {
            first++;
        }

        reg_object_parse(&entry->name, &object);

        if (!belongs(c, entry, &object, first, last) && common) {

            if (object.kind == REG_OBJECT_SEGMENT) {
                orphan(c, &orphans, entry, &object);

            } else {
                check_report(c, CHECK_K_FOREIGN, &entry->name, NULL,
                             entry->bytes, NULL);
            }
        }

        check_cursor_next(c, &cursor);
    }

    orphans_end(c, &orphans);
    check_wait(c);
    check_cursor_close(&cursor);
}


static int
belongs(check_t *c, reg_entry_t *entry, reg_object_t *object, size_t first,
    size_t last)
{
    int               rc, found, blob;
    size_t            i;
    check_head_t     *head;
    check_request_t  *r;

    found = 0;
    blob = 0;

    for (i = first; i < last; i++) {
        head = &c->heads[i];
        rc = strncmp(head->prefix, (char *) entry->name.data,
                     strlen(head->prefix));

        if (rc > 0) {
            break;
        }

        if (rc == 0) {
            found = 1;
            blob |= head->blob != CHECK_NONE;
            count(c, head, entry, object);
        }
    }

    if (blob) {
        r = check_request(c, REG_HEAD, &entry->name, NULL, on_segment);
        check_send(c, r);
        check_throttle(c);
    }

    return found;
}


/*
 * registry:2 counts from 1, or from 0 and then 2 when the upload was a plain
 * object once; ours are named by their offsets.
 */

static void
count(check_t *c, check_head_t *head, reg_entry_t *entry,
    reg_object_t *object)
{
    int64_t  n;

    if (object->kind == REG_OBJECT_SEGMENT && !head->gap) {

        n = object->number;

        if (object->own) {
            head->gap = (n != head->bytes);
            head->next = head->gap ? head->bytes : n;

        } else if (head->next == -1) {
            head->gap = (n > 1);
            head->next = head->gap ? 1 : n + 1;

        } else {
            head->gap = (n != head->next && !(head->next == 1 && n == 2));
            head->next = head->gap ? head->next : n + 1;
        }
    }

    reg_size_add(&head->bytes, entry->bytes);
    head->segments++;

    if (head->upload != CHECK_NONE) {
        reg_size_add(&c->uploads[head->upload].bytes, entry->bytes);
    }
}


static void
on_segment(check_t *c, check_request_t *r)
{
    reg_str_t  name;

    name = check_str(r->object);

    if (r->status != 404 && r->expires && !check_young(c, r->modified)) {
        check_report(c, CHECK_K_BLOB_EXPIRES, &name, NULL, r->length,
                     "a segment of a blob");
    }
}


static void
orphan(check_t *c, orphans_t *o, reg_entry_t *entry, reg_object_t *object)
{
    reg_str_t  prefix;

    prefix = object->id;

    if (o->prefix
        && (strlen(o->prefix) != prefix.len
            || memcmp(o->prefix, prefix.data, prefix.len) != 0))
    {
        orphans_end(c, o);
    }

    if (o->prefix == NULL) {
        o->prefix = check_strdup(NULL, &prefix);
    }

    o->n++;
    reg_size_add(&o->bytes, entry->bytes);

    if (entry->modified > o->modified) {
        o->modified = entry->modified;
    }
}


static void
orphans_end(check_t *c, orphans_t *o)
{
    reg_str_t  name;

    if (o->prefix && !check_young(c, o->modified)) {
        name = check_str(o->prefix);
        check_report(c, CHECK_K_SEGMENT_ORPHAN, &name, NULL, o->bytes,
                     "%u segments", (unsigned) o->n);
    }

    free(o->prefix);
    memset(o, 0, sizeof(orphans_t));
}


static void
gaps(check_t *c)
{
    size_t         i;
    reg_str_t      name;
    check_head_t  *head;
    check_blob_t  *b;
    check_pool_t   pool;

    for (i = 0; i < c->nheads; i++) {
        head = &c->heads[i];

        if (head->blob == CHECK_NONE || !head->gap) {
            continue;
        }

        b = &c->blobs[head->blob];

        if (b->flags & CHECK_BLOB_DAMAGED) {
            continue;
        }

        b->flags |= CHECK_BLOB_DAMAGED;

        check_pool_init(&pool);
        name = head_name(c, &pool, head);

        check_suspect(c, CHECK_K_BLOB_SEGMENT_MISSING, NULL, &name, &name,
                      NULL, NULL, "number %lld of %s", (long long) head->next,
                      head->prefix);

        check_pool_free(&pool);
    }

    check_wait(c);
}


static reg_str_t
head_name(check_t *c, check_pool_t *pool, const check_head_t *head)
{
    reg_buf_t  b;

    if (head->blob != CHECK_NONE) {
        return check_blob_name(c, pool, head->blob);
    }

    reg_buf_init(&b, &pool->arena, 512);
    reg_buf_text(&b, c->uploads[head->upload].object);
    reg_buf_text(&b, "data");

    return reg_buf_str(&b);
}


static int
compare(const void *a, const void *b)
{
    const check_head_t  *x = a, *y = b;

    return strcmp(x->prefix, y->prefix);
}
