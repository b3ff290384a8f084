/* What the manifests of a repository need: data, and links in it. */

#include "check_refs.h"
#include "core/reg_path.h"
#include "check_repair.h"


static void check_blob_ref(check_t *c, check_batch_t *batch,
    check_repo_t *repo, const check_ref_t *ref, const reg_str_t *holder);
static int check_child(check_t *c, check_batch_t *batch, check_repo_t *repo,
    const check_ref_t *ref);
static void missing_layer_link(check_t *c, check_repo_t *repo,
    const reg_digest_t *d, uint32_t blob, const reg_str_t *holder);
static void wrong_size(check_t *c, check_repo_t *repo,
    const check_ref_t *ref, uint32_t blob, const reg_str_t *holder);


void
check_refs(check_t *c, check_batch_t *batch, check_repo_t *repo,
    check_manifest_t *m, const reg_str_t *holder)
{
    uint32_t      i, absent;
    check_ref_t  *ref;

    for (i = 0, absent = 0; i < m->nrefs; i++) {
        ref = &c->refs[m->first + i];

        if (ref->role == CHECK_REF_CHILD) {
            absent += !check_child(c, batch, repo, ref);

        } else {
            check_blob_ref(c, batch, repo, ref, holder);
        }
    }

    if (absent) {
        check_report(c, CHECK_K_INDEX_SPARSE, holder, repo->name, -1,
                     "%u of %u manifests are not there", (unsigned) absent,
                     (unsigned) m->nrefs);
    }
}


static void
check_blob_ref(check_t *c, check_batch_t *batch, check_repo_t *repo,
    const check_ref_t *ref, const reg_str_t *holder)
{
    uint32_t       blob;
    reg_str_t      name;
    check_link_t  *link;
    check_pool_t   pool;
    reg_digest_t   d, target;

    d = check_node_digest(c, ref->node);
    link = check_link_find(batch, &repo->layers, &d);
    blob = ref->node < c->nblobs ? ref->node : CHECK_NONE;

    if (link) {
        link->needed = 1;

        if (d.alg != REG_SHA256 && check_link_target(link, &target)) {
            d = target;
            blob = check_blob_find(c, &d);
        }
    }

    if (blob != CHECK_NONE) {
        c->blobs[blob].flags |= CHECK_BLOB_NEEDED;
    }

    /* what is elsewhere need not be here */

    if (ref->role == CHECK_REF_FOREIGN) {
        return;
    }

    if (blob == CHECK_NONE || c->blobs[blob].size < 0) {

        if (link && link->needed == 2) {
            return;
        }

        check_pool_init(&pool);
        name = reg_path_blob(&pool.arena, &d);

        check_suspect(c, CHECK_K_BLOB_MISSING, &name, holder, &name,
                      repo->name, NULL, "needed by %.*s", (int) holder->len,
                      holder->data);

        if (link) {
            link->needed = 2;           /* once for all manifests */
        }

        check_pool_free(&pool);
        return;
    }

    if (c->blobs[blob].size != ref->size) {
        wrong_size(c, repo, ref, blob, holder);
    }

    if (link == NULL) {
        missing_layer_link(c, repo, &d, blob, holder);
    }
}


/* an index may name layers, too: caches of buildkit do */

static int
check_child(check_t *c, check_batch_t *batch, check_repo_t *repo,
    const check_ref_t *ref)
{
    reg_digest_t   d;
    check_link_t  *link;

    d = check_node_digest(c, ref->node);

    if (ref->node < c->nblobs) {
        c->blobs[ref->node].flags |= CHECK_BLOB_NEEDED;
    }

    if (check_link_find(batch, &repo->revisions, &d)) {
        return 1;
    }

    link = check_link_find(batch, &repo->layers, &d);

    if (link == NULL) {
        return 0;
    }

    link->needed = 1;

    return 1;
}


static void
missing_layer_link(check_t *c, check_repo_t *repo, const reg_digest_t *d,
    uint32_t blob, const reg_str_t *holder)
{
    reg_str_t        name, repository, needs;
    check_pool_t     pool;
    check_action_t  *action;

    check_pool_init(&pool);

    repository = check_str(repo->name);
    name = reg_path_layer_link(&pool.arena, &repository, d);

    action = NULL;

    if (!(c->blobs[blob].flags & CHECK_BLOB_DAMAGED)) {
        action = check_action(c, CHECK_LAYERS, CHECK_K_LAYER_LINK_MISSING,
                              REG_PUT, &name, repo->name);
    }

    if (action) {
        needs = check_blob_name(c, &pool, blob);
        action->body = reg_digest_text(&c->pool.arena, d);
        action->needs = check_strdup(&c->pool, &needs);
    }

    check_suspect(c, CHECK_K_LAYER_LINK_MISSING, &name, holder, &name,
                  repo->name, action, "needed by %.*s", (int) holder->len,
                  holder->data);

    check_pool_free(&pool);
}


static void
wrong_size(check_t *c, check_repo_t *repo, const check_ref_t *ref,
    uint32_t blob, const reg_str_t *holder)
{
    reg_str_t      name;
    check_size_t  *s;

    if (c->blobs[blob].flags & (CHECK_BLOB_WRONG_SIZE|CHECK_BLOB_DAMAGED)) {
        return;
    }

    c->blobs[blob].flags |= CHECK_BLOB_WRONG_SIZE;

    c->sizes = check_grow(c->sizes, &c->sizes_room, c->nsizes,
                          sizeof(check_size_t));
    s = &c->sizes[c->nsizes++];
    name = check_str(repo->name);

    s->blob = blob;
    s->size = ref->size;
    s->holder = check_strdup(&c->pool, holder);
    s->repository = check_strdup(&c->pool, &name);
}


/* nothing that the manifest needs is missing or damaged */

int
check_refs_whole(check_t *c, const check_manifest_t *m)
{
    uint32_t       i;
    check_ref_t   *ref;
    check_blob_t  *b;

    if (m->state != CHECK_MANIFEST_GOOD) {
        return 0;
    }

    for (i = 0; i < m->nrefs; i++) {
        ref = &c->refs[m->first + i];

        if (ref->role == CHECK_REF_FOREIGN) {
            continue;
        }

        if (ref->node >= c->nblobs) {
            return 0;
        }

        b = &c->blobs[ref->node];

        if (b->flags & CHECK_BLOB_DAMAGED || b->size != ref->size) {
            return 0;
        }
    }

    return 1;
}
