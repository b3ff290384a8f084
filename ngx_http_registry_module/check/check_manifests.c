/*
 * Manifests: each is read once, its digest compared, and what it refers to
 * kept as numbers of blobs.
 */

#include <stdlib.h>
#include <string.h>

#include "check_manifests.h"
#include "core/reg_path.h"
#include "core/reg_referrer.h"
#include "check_store.h"


#define MANIFEST_MAX  (4 * 1024 * 1024)


static void on_manifest(check_t *c, check_request_t *r);
static void read_manifest(check_t *c, check_manifest_t *m,
    const reg_str_t *body);
static void referrer_make(check_t *c, check_manifest_t *m,
    const reg_manifest_t *manifest, size_t size);
static void add_refs(check_t *c, check_manifest_t *m, check_role_t role,
    const reg_descriptor_t *descriptors, size_t n);


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

    m = check_manifest_add(c, d);

    if (m == NULL) {
        return;
    }

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
        m->subject = check_node(c, &manifest.subject.digest);
        referrer_make(c, m, &manifest, body->len);
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

        ref->node = check_node(c, &descriptors[i].digest);
        ref->role = (role == CHECK_REF_LAYER && descriptors[i].foreign)
                    ? CHECK_REF_FOREIGN : role;
        ref->size = descriptors[i].size;

        m->nrefs++;
    }
}


/* m->referrer, what its entry holds */

static void
referrer_make(check_t *c, check_manifest_t *m,
    const reg_manifest_t *manifest, size_t size)
{
    reg_digest_t  d;

    if (!(c->options.repair & CHECK_REFERRERS)) {
        return;
    }

    memset(&d, 0, sizeof(reg_digest_t));
    d.alg = REG_SHA256;
    memcpy(d.raw, m->hash, sizeof(m->hash));

    m->referrer = reg_referrer_text(&c->pool.arena, manifest, &d, size);
}
