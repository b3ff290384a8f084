/*
 * What the run has seen, in tables: who reads a kind of objects fills them in,
 * and all others look here.
 */

#include <stdlib.h>
#include <string.h>

#include "check_index.h"
#include "core/reg_path.h"
#include "check_report.h"


static int compare(const void *key, const void *blob);
static uint32_t *slot(check_t *c, const unsigned char *hash);
static void grow_table(check_t *c);


int
check_young(check_t *c, int64_t modified)
{
    /* Swift rounds Last-Modified up to the second, RGW down */

    return modified > c->now - c->options.grace + 1;
}


uint32_t
check_blob_find(check_t *c, const reg_digest_t *d)
{
    check_blob_t  *b;

    if (d->alg != REG_SHA256 || c->nblobs == 0) {
        return CHECK_NONE;
    }

    b = bsearch(d->raw, c->blobs, c->nblobs, sizeof(check_blob_t), compare);

    return b ? (uint32_t) (b - c->blobs) : CHECK_NONE;
}


static int
compare(const void *key, const void *blob)
{
    return memcmp(key, ((const check_blob_t *) blob)->hash, 32);
}


reg_str_t
check_blob_name(check_t *c, check_pool_t *pool, uint32_t blob)
{
    reg_digest_t  d;

    d = check_node_digest(c, blob);

    return reg_path_blob(&pool->arena, &d);
}


uint32_t
check_node(check_t *c, const reg_digest_t *d)
{
    uint32_t  blob;

    blob = check_blob_find(c, d);

    if (blob != CHECK_NONE) {
        return blob;
    }

    c->others = check_grow(c->others, &c->others_room, c->nothers,
                           sizeof(reg_digest_t));
    c->others[c->nothers] = *d;

    return (uint32_t) (c->nblobs + c->nothers++);
}


reg_digest_t
check_node_digest(check_t *c, uint32_t n)
{
    reg_digest_t  d;

    if (n >= c->nblobs) {
        return c->others[n - c->nblobs];
    }

    memset(&d, 0, sizeof(reg_digest_t));
    d.alg = REG_SHA256;
    memcpy(d.raw, c->blobs[n].hash, sizeof(c->blobs[n].hash));

    return d;
}


check_manifest_t *
check_manifest_find(check_t *c, const reg_digest_t *d)
{
    uint32_t  *n;

    if (c->nmanifests == 0 || d->alg != REG_SHA256) {
        return NULL;
    }

    n = slot(c, d->raw);

    return *n == CHECK_NONE ? NULL : &c->manifests[*n];
}


check_manifest_t *
check_manifest_add(check_t *c, const reg_digest_t *d)
{
    uint32_t          *n;
    check_manifest_t  *m;

    grow_table(c);

    n = slot(c, d->raw);

    if (*n != CHECK_NONE) {
        return NULL;
    }

    c->manifests = check_grow(c->manifests, &c->manifests_room,
                              c->nmanifests, sizeof(check_manifest_t));
    m = &c->manifests[c->nmanifests];

    memset(m, 0, sizeof(check_manifest_t));
    memcpy(m->hash, d->raw, sizeof(m->hash));
    m->subject = CHECK_NONE;
    m->state = CHECK_MANIFEST_ABSENT;

    *n = (uint32_t) c->nmanifests++;

    return m;
}


/* open addressing; a digest is as good as a hash of itself */

static uint32_t *
slot(check_t *c, const unsigned char *hash)
{
    size_t    i;
    uint32_t  n;

    memcpy(&i, hash, sizeof(size_t));

    for (i &= c->manifests_mask; /* void */; i = (i + 1) & c->manifests_mask) {

        n = c->hashed_manifests[i];

        if (n == CHECK_NONE
            || memcmp(c->manifests[n].hash, hash,
                      sizeof(c->manifests[n].hash))
               == 0)
        {
            return &c->hashed_manifests[i];
        }
    }
}


static void
grow_table(check_t *c)
{
    size_t     i, size;
    uint32_t  *table;

    if (c->hashed_manifests && 2 * c->nmanifests < c->manifests_mask) {
        return;
    }

    size = c->hashed_manifests ? 2 * (c->manifests_mask + 1) : 1024;

    table = malloc(size * sizeof(uint32_t));
    if (table == NULL) {
        check_fatal(c, "out of memory");
    }

    memset(table, 0xff, size * sizeof(uint32_t));

    free(c->hashed_manifests);
    c->hashed_manifests = table;
    c->manifests_mask = size - 1;

    for (i = 0; i < c->nmanifests; i++) {
        *slot(c, c->manifests[i].hash) = (uint32_t) i;
    }
}


void
check_head_add(check_t *c, const char *object_manifest, uint32_t blob,
    uint32_t upload)
{
    reg_str_t      prefix;
    const char    *slash;
    check_head_t  *head;

    /* registry:2 and this module keep segments in the same container */

    slash = strchr(object_manifest, '/');
    prefix = check_str(slash ? slash + 1 : "");

    if (c->options.prefix.len
        && prefix.len >= c->options.prefix.len
        && memcmp(prefix.data, c->options.prefix.data, c->options.prefix.len)
           == 0)
    {
        prefix.data += c->options.prefix.len;
        prefix.len -= c->options.prefix.len;
    }

    c->heads = check_grow(c->heads, &c->heads_room, c->nheads,
                          sizeof(check_head_t));
    head = &c->heads[c->nheads++];

    memset(head, 0, sizeof(check_head_t));
    head->prefix = check_strdup(&c->pool, &prefix);
    head->blob = blob;
    head->upload = upload;
    head->next = -1;
}
