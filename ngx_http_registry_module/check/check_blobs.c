/*
 * The blobs: a table sorted by digest, as the listing brings them, with the
 * size that HEAD says; and the reading of all of them.
 */

#include <stdlib.h>
#include <string.h>

#include "check_blobs.h"
#include "core/reg_object.h"
#include "core/reg_path.h"
#include "check_cursor.h"
#include "check_outside.h"
#include "check_repair.h"


static void on_head(check_t *c, check_request_t *r);
static void unreferenced(check_t *c);
static void on_read(check_t *c, check_request_t *r);


static const unsigned char  empty[] = {
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8,
    0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c,
    0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55
};


void
check_blobs(check_t *c)
{
    int               known;
    check_blob_t     *b;
    reg_entry_t      *entry;
    reg_object_t      object;
    check_cursor_t    cursor;
    check_request_t  *r;

    check_cursor_open(c, &cursor, REG_PATH_BLOBS, 0);

    for ( ;; ) {
        entry = check_cursor_peek(c, &cursor);

        if (entry == NULL) {
            break;
        }

        reg_object_parse(&entry->name, &object);

        known = object.kind == REG_OBJECT_BLOB
                && object.digest.alg == REG_SHA256;

        check_foreign(c, entry, !known);

        if (known) {
            c->blobs = check_grow(c->blobs, &c->blobs_room, c->nblobs,
                                  sizeof(check_blob_t));
            b = &c->blobs[c->nblobs];

            memcpy(b->hash, object.digest.raw, sizeof(b->hash));
            b->size = -1;
            b->flags = 0;

            r = check_request(c, REG_HEAD, &entry->name, NULL, on_head);
            r->index = c->nblobs++;

            if (c->nblobs == CHECK_NONE) {
                check_fatal(c, "there are more blobs than this can count");
            }

            check_send(c, r);
            check_throttle(c);
        }

        check_cursor_next(c, &cursor);
    }

    check_wait(c);
    check_cursor_close(&cursor);
    check_foreign_end(c);
}


static void
on_head(check_t *c, check_request_t *r)
{
    int            young;
    reg_str_t      name;
    check_blob_t  *b;

    if (r->status == 404) {

        /* deleted since, or expired and still listed */
        return;
    }

    b = &c->blobs[r->index];
    name = check_str(r->object);
    young = check_young(c, r->modified);

    b->size = r->length;
    b->flags |= young ? CHECK_BLOB_YOUNG : 0;
    reg_size_add(&c->bytes, r->length);

    if (r->object_manifest) {
        b->flags |= CHECK_BLOB_LARGE;
        check_head_add(c, r->object_manifest, (uint32_t) r->index, CHECK_NONE);
    }

    if (r->expires && !young) {
        check_report(c, CHECK_K_BLOB_EXPIRES, &name, NULL, r->length, NULL);
    }

    if (r->length <= 0 && memcmp(b->hash, empty, sizeof(empty)) != 0) {

        b->flags |= CHECK_BLOB_DAMAGED;

        if (!young) {
            check_report(c, r->object_manifest ? CHECK_K_BLOB_NO_SEGMENTS
                                               : CHECK_K_BLOB_EMPTY,
                         &name, NULL, -1,
                         r->object_manifest ? "no object %s..." : NULL,
                         r->object_manifest);
        }
    }
}


/* what can be said of them when all the rest was read */

void
check_blobs_end(check_t *c)
{
    size_t         i;
    reg_str_t      name, holder;
    check_blob_t  *b;
    check_size_t  *s;
    check_pool_t   pool;

    check_pool_init(&pool);

    for (i = 0; i < c->nsizes; i++) {
        s = &c->sizes[i];
        b = &c->blobs[s->blob];

        if (!(b->flags & CHECK_BLOB_DAMAGED)) {
            name = check_blob_name(c, &pool, s->blob);
            holder = check_str(s->holder);

            check_suspect(c, CHECK_K_BLOB_SIZE, NULL, &name, &name,
                          s->repository, NULL, "%lld bytes, not %lld as %.*s"
                          " says", (long long) b->size, (long long) s->size,
                          (int) holder.len, holder.data);
        }
    }

    check_wait(c);
    check_pool_free(&pool);

    unreferenced(c);
}


static void
unreferenced(check_t *c)
{
    size_t         i;
    reg_str_t      name;
    check_blob_t  *b;
    check_pool_t   pool;

    for (i = 0; i < c->nblobs; i++) {
        b = &c->blobs[i];

        if (b->size < 0 || b->flags & (CHECK_BLOB_NEEDED|CHECK_BLOB_YOUNG)) {
            continue;
        }

        check_pool_init(&pool);
        name = check_blob_name(c, &pool, (uint32_t) i);

        check_report(c, CHECK_K_BLOB_UNREFERENCED, &name, NULL, b->size,
                     c->unread ? "perhaps by one that could not be read"
                     : b->flags & CHECK_BLOB_LINKED ? "linked in a repository"
                     : "linked nowhere");

        check_pool_free(&pool);
    }
}


/* every blob whose bytes were not read and compared yet */

void
check_blobs_deep(check_t *c)
{
    size_t             i;
    reg_str_t          name;
    reg_digest_t       d;
    check_blob_t      *b;
    check_pool_t       pool;
    check_manifest_t  *m;
    check_request_t   *r;

    for (i = 0; i < c->nblobs; i++) {
        b = &c->blobs[i];

        if (b->size < 0 || b->flags & CHECK_BLOB_DAMAGED) {
            continue;
        }

        d = check_node_digest(c, (uint32_t) i);
        m = check_manifest_find(c, &d);

        if (m && m->loaded) {
            reg_size_add(&c->hashed, b->size);
            continue;
        }

        check_pool_init(&pool);
        name = check_blob_name(c, &pool, (uint32_t) i);

        r = check_request(c, REG_GET, &name, NULL, on_read);
        r->index = i;
        r->hash = calloc(1, sizeof(reg_hash_t));

        if (r->hash == NULL) {
            check_fatal(c, "out of memory");
        }

        r->hash->alg = REG_SHA256;

        check_pool_free(&pool);
        check_send(c, r);
        check_throttle(c);
    }

    check_wait(c);

    /* a broken read is the blob's fault only if the storage is well */

    check_store_head_container(c);
}


static void
on_read(check_t *c, check_request_t *r)
{
    reg_str_t      name;
    reg_digest_t   d;
    check_blob_t  *b;

    b = &c->blobs[r->index];
    name = check_str(r->object);

    reg_size_add(&c->hashed, b->size);

    reg_hash_final(r->hash, &d);
    free(r->hash);
    r->hash = NULL;

    if (r->status == 404) {
        return;
    }

    if (r->broken) {
        check_report(c, CHECK_K_BLOB_UNREADABLE, &name, NULL, b->size, "%s",
                     r->error[0] ? r->error : "the storage fails");

    } else if (memcmp(d.raw, b->hash, sizeof(b->hash)) != 0) {
        check_report(c, CHECK_K_BLOB_DIGEST, &name, NULL, b->size, NULL);
    }
}
