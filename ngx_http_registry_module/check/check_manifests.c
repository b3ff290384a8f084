/*
 * Manifests: each is read once, its digest compared, and what it refers to
 * kept as numbers of blobs.
 */

#include <stdlib.h>

#include "check.h"


#define MANIFEST_MAX  (4 * 1024 * 1024)


static void on_manifest(check_t *c, check_request_t *r);
static void read_manifest(check_t *c, check_manifest_t *m,
    const reg_str_t *body);
static void add_refs(check_t *c, check_manifest_t *m, check_role_t role,
    const reg_descriptor_t *descriptors, size_t n);
static uint32_t node(check_t *c, const reg_digest_t *d);
static uint32_t *slot(check_t *c, const unsigned char *hash);
static void grow_table(check_t *c);


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


/* it is there after check_wait() */

void
check_manifest_load(check_t *c, const reg_digest_t *d)
{
    uint32_t          blob;
    reg_str_t         name;
    check_pool_t      pool;
    check_request_t  *r;
    check_manifest_t *m;

    if (d->alg != REG_SHA256) {
        return;
    }

    grow_table(c);

    if (*slot(c, d->raw) != CHECK_NONE) {
        return;
    }

    c->manifests = check_grow(c->manifests, &c->manifests_room,
                              c->nmanifests, sizeof(check_manifest_t));
    m = &c->manifests[c->nmanifests];

    memset(m, 0, sizeof(check_manifest_t));
    memcpy(m->hash, d->raw, sizeof(m->hash));
    m->subject = CHECK_NONE;
    m->state = CHECK_MANIFEST_ABSENT;

    *slot(c, d->raw) = (uint32_t) c->nmanifests++;

    blob = check_blob_find(c, d);

    if (blob != CHECK_NONE) {

        if (c->blobs[blob].flags & CHECK_BLOB_DAMAGED) {
            m->state = CHECK_MANIFEST_EMPTY;
            return;
        }

        if (c->blobs[blob].size > MANIFEST_MAX) {
            m->state = CHECK_MANIFEST_UNREADABLE;
            m->why = "it is longer than a manifest may be";
            return;
        }
    }

    check_pool_init(&pool);
    name = reg_path_blob(&pool.arena, d);

    r = check_request(c, REG_GET, &name, NULL, on_manifest);
    r->index = c->nmanifests - 1;
    r->body_max = 2 * MANIFEST_MAX;

    check_pool_free(&pool);
    check_send(c, r);
    check_throttle(c);
}


static void
on_manifest(check_t *c, check_request_t *r)
{
    reg_str_t          body;
    reg_digest_t       d;
    check_manifest_t  *m;

    if (r->status == 404) {
        return;
    }

    m = &c->manifests[r->index];

    body.data = r->body ? r->body : (unsigned char *) "";
    body.len = r->body_len;

    reg_digest_of(&d, REG_SHA256, body.data, body.len);

    m->loaded = 1;
    m->state = CHECK_MANIFEST_WRONG;

    if (memcmp(d.raw, m->hash, sizeof(m->hash)) == 0) {
        read_manifest(c, m, &body);
    }

    c->unread |= (m->state != CHECK_MANIFEST_GOOD);
}


static void
read_manifest(check_t *c, check_manifest_t *m, const reg_str_t *body)
{
    const char      *why;
    check_pool_t     pool;
    reg_manifest_t   manifest;

    check_pool_init(&pool);
    why = "";

    m->state = CHECK_MANIFEST_GOOD;
    m->first = c->nrefs;

    if (reg_manifest_parse(&pool.arena, body, REG_MEDIA_UNKNOWN, &manifest,
                           &why)
        != REG_OK)
    {
        m->state = strstr(why, "schema 1") ? CHECK_MANIFEST_SCHEMA1
                                           : CHECK_MANIFEST_UNREADABLE;
        m->why = why;
        check_pool_free(&pool);
        return;
    }

    if (manifest.has_config) {
        add_refs(c, m, CHECK_REF_CONFIG, &manifest.config, 1);
    }

    add_refs(c, m, CHECK_REF_LAYER, manifest.layers, manifest.nlayers);
    add_refs(c, m, CHECK_REF_CHILD, manifest.manifests, manifest.nmanifests);

    if (manifest.has_subject) {
        m->subject = node(c, &manifest.subject.digest);
        check_referrer_make(c, m, &manifest, body->len);
    }

    check_pool_free(&pool);
}


static void
add_refs(check_t *c, check_manifest_t *m, check_role_t role,
    const reg_descriptor_t *descriptors, size_t n)
{
    size_t        i;
    check_ref_t  *ref;

    for (i = 0; i < n; i++) {
        c->refs = check_grow(c->refs, &c->refs_room, c->nrefs,
                             sizeof(check_ref_t));
        ref = &c->refs[c->nrefs++];

        ref->node = node(c, &descriptors[i].digest);
        ref->role = (role == CHECK_REF_LAYER && descriptors[i].foreign)
                    ? CHECK_REF_FOREIGN : role;
        ref->size = descriptors[i].size;

        m->nrefs++;
    }
}


static uint32_t
node(check_t *c, const reg_digest_t *d)
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
