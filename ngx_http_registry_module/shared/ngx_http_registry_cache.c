/*
 * An rbtree of replies in a slab, and a queue of them by last use.
 */

#include "ngx_http_registry_cache.h"

#include <ngx_http.h>
#include <openssl/sha.h>


#define NGX_HTTP_REGISTRY_CACHE_MAGIC    0x52435632

/* counters of changes: two objects may share one, which costs a miss */
#define NGX_HTTP_REGISTRY_CACHE_CHANGES  4096

/* calls under way; two that share a place are both made */
#define NGX_HTTP_REGISTRY_CACHE_CLAIMS   1024
#define NGX_HTTP_REGISTRY_CACHE_CLAIMED  2000

/* entries given up for one new one */
#define NGX_HTTP_REGISTRY_CACHE_EVICT    64


typedef struct {
    ngx_rbtree_node_t    node;
    ngx_queue_t          queue;
    u_char               key[NGX_HTTP_REGISTRY_CACHE_KEY];

    ngx_msec_t           expires;
    unsigned             forever:1;
    unsigned             status:10;

    off_t                length;
    off_t                whole;
    size_t               body;
    size_t               etag;
    size_t               object_manifest;
    size_t               meta_digest;

    u_char               data[1];       /* the three, one behind another */
} ngx_http_registry_cache_entry_t;


typedef struct {
    u_char               key[NGX_HTTP_REGISTRY_CACHE_KEY];
    ngx_atomic_uint_t    changes;
    ngx_pid_t            pid;           /* 0: free */
    ngx_msec_t           expires;
} ngx_http_registry_cache_claim_t;


typedef struct {
    ngx_uint_t           magic;
    ngx_rbtree_t         rbtree;
    ngx_rbtree_node_t    sentinel;
    ngx_queue_t          queue;         /* the head was used last */
    ngx_atomic_t         changes[NGX_HTTP_REGISTRY_CACHE_CHANGES];

    ngx_http_registry_cache_claim_t  claims[NGX_HTTP_REGISTRY_CACHE_CLAIMS];
} ngx_http_registry_cache_shared_t;


typedef struct {
    ngx_http_registry_cache_shared_t  *shared;
    ngx_slab_pool_t                   *slab;
} ngx_http_registry_cache_t;


static ngx_int_t ngx_http_registry_cache_init(ngx_shm_zone_t *zone,
    void *data);
static void ngx_http_registry_cache_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static ngx_http_registry_cache_entry_t *ngx_http_registry_cache_lookup(
    ngx_http_registry_cache_t *cache, u_char *key);
static void ngx_http_registry_cache_remove(ngx_http_registry_cache_t *cache,
    ngx_http_registry_cache_entry_t *e);
static ngx_atomic_t *ngx_http_registry_cache_changes(
    ngx_http_registry_cache_t *cache, ngx_str_t *container,
    const reg_str_t *object);


/* its address tells our zones from those of others */
static ngx_uint_t  ngx_http_registry_cache_tag;


ngx_shm_zone_t *
ngx_http_registry_cache_zone(ngx_conf_t *cf, ngx_str_t *name, size_t size)
{
    ngx_shm_zone_t             *zone;
    ngx_http_registry_cache_t  *cache;

    zone = ngx_shared_memory_add(cf, name, size,
                                 &ngx_http_registry_cache_tag);

    if (zone == NULL || zone->data) {
        return zone;
    }

    cache = ngx_pcalloc(cf->pool, sizeof(ngx_http_registry_cache_t));
    if (cache == NULL) {
        return NULL;
    }

    zone->init = ngx_http_registry_cache_init;
    zone->data = cache;

    return zone;
}


static ngx_int_t
ngx_http_registry_cache_init(ngx_shm_zone_t *zone, void *data)
{
    ngx_http_registry_cache_t  *old = data;
    ngx_http_registry_cache_t  *cache = zone->data;

    ngx_http_registry_cache_shared_t  *shared;

    if (old) {

        if (old->shared->magic != NGX_HTTP_REGISTRY_CACHE_MAGIC) {
            ngx_log_error(NGX_LOG_EMERG, zone->shm.log, 0,
                          "registry_cache zone \"%V\" is of another version"
                          " of the module: restart nginx, or give the zone"
                          " another name", &zone->shm.name);
            return NGX_ERROR;
        }

        *cache = *old;
        return NGX_OK;
    }

    cache->slab = (ngx_slab_pool_t *) zone->shm.addr;

    if (zone->shm.exists) {
        cache->shared = cache->slab->data;
        return NGX_OK;
    }

    shared = ngx_slab_calloc(cache->slab,
                             sizeof(ngx_http_registry_cache_shared_t));
    if (shared == NULL) {
        return NGX_ERROR;
    }

    shared->magic = NGX_HTTP_REGISTRY_CACHE_MAGIC;

    ngx_rbtree_init(&shared->rbtree, &shared->sentinel,
                    ngx_http_registry_cache_insert);
    ngx_queue_init(&shared->queue);

    cache->slab->data = shared;
    cache->shared = shared;

    /* a full zone is the usual state */

    cache->slab->log_nomem = 0;

    return NGX_OK;
}


static void
ngx_http_registry_cache_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel)
{
    ngx_rbtree_node_t                **p;
    ngx_http_registry_cache_entry_t   *e, *t;

    e = (ngx_http_registry_cache_entry_t *) node;

    for ( ;; ) {

        if (node->key != temp->key) {
            p = (node->key < temp->key) ? &temp->left : &temp->right;

        } else {
            t = (ngx_http_registry_cache_entry_t *) temp;
            p = (ngx_memcmp(e->key, t->key, sizeof(e->key)) < 0)
                ? &temp->left : &temp->right;
        }

        if (*p == sentinel) {
            break;
        }

        temp = *p;
    }

    *p = node;
    node->parent = temp;
    node->left = sentinel;
    node->right = sentinel;
    ngx_rbt_red(node);
}


static ngx_rbtree_key_t
ngx_http_registry_cache_hash(u_char *key)
{
    ngx_rbtree_key_t  hash;

    ngx_memcpy(&hash, key, sizeof(ngx_rbtree_key_t));

    return hash;
}


static ngx_http_registry_cache_entry_t *
ngx_http_registry_cache_lookup(ngx_http_registry_cache_t *cache, u_char *key)
{
    ngx_int_t                         rc;
    ngx_rbtree_key_t                  hash;
    ngx_rbtree_node_t                *node, *sentinel;
    ngx_http_registry_cache_entry_t  *e;

    hash = ngx_http_registry_cache_hash(key);
    node = cache->shared->rbtree.root;
    sentinel = cache->shared->rbtree.sentinel;

    while (node != sentinel) {

        if (hash != node->key) {
            node = (hash < node->key) ? node->left : node->right;
            continue;
        }

        e = (ngx_http_registry_cache_entry_t *) node;
        rc = ngx_memcmp(key, e->key, sizeof(e->key));

        if (rc == 0) {
            return e;
        }

        node = (rc < 0) ? node->left : node->right;
    }

    return NULL;
}


static void
ngx_http_registry_cache_digest(u_char *dst, ngx_str_t *container,
    u_char method, const reg_str_t *object)
{
    SHA256_CTX  sha;

    SHA256_Init(&sha);
    SHA256_Update(&sha, container->data, container->len);
    SHA256_Update(&sha, &method, 1);
    SHA256_Update(&sha, object->data, object->len);
    SHA256_Final(dst, &sha);
}


static ngx_atomic_t *
ngx_http_registry_cache_changes(ngx_http_registry_cache_t *cache,
    ngx_str_t *container, const reg_str_t *object)
{
    ngx_uint_t  n;

    n = ngx_crc32_long(object->data, object->len)
        ^ ngx_crc32_short(container->data, container->len);

    return &cache->shared->changes[n % NGX_HTTP_REGISTRY_CACHE_CHANGES];
}


void
ngx_http_registry_cache_key(ngx_shm_zone_t *zone,
    ngx_http_registry_cache_key_t *key, ngx_str_t *container,
    const reg_call_t *call)
{
    ngx_http_registry_cache_digest(key->data, container,
                                   (u_char) call->method, &call->object);

    key->counter = ngx_http_registry_cache_changes(zone->data, container,
                                                   &call->object);
    key->changes = *key->counter;

    /* the event loop's time may be long ago on a machine with much to do */

    ngx_time_update();
    key->began = ngx_current_msec;
}


ngx_uint_t
ngx_http_registry_cache_current(ngx_http_registry_cache_key_t *key)
{
    return *key->counter == key->changes;
}


static void
ngx_http_registry_cache_part(reg_str_t *s, u_char **p, size_t len)
{
    s->data = *p;
    s->len = len;
    *p += len;
}


ngx_int_t
ngx_http_registry_cache_fetch(ngx_shm_zone_t *zone,
    ngx_http_registry_cache_key_t *key, reg_reply_t *reply,
    ngx_pool_t *pool)
{
    u_char                           *p;
    size_t                            len;
    ngx_int_t                         rc;
    ngx_http_registry_cache_t        *cache = zone->data;
    ngx_http_registry_cache_entry_t  *e;

    ngx_shmtx_lock(&cache->slab->mutex);

    e = ngx_http_registry_cache_lookup(cache, key->data);

    if (e == NULL) {
        ngx_shmtx_unlock(&cache->slab->mutex);
        return NGX_DECLINED;
    }

    len = e->body + e->etag + e->object_manifest + e->meta_digest;

    p = ngx_pnalloc(pool, len + 1);
    if (p == NULL) {
        ngx_shmtx_unlock(&cache->slab->mutex);
        return NGX_ERROR;
    }

    ngx_memcpy(p, e->data, len);

    ngx_memzero(reply, sizeof(reg_reply_t));

    reply->status = e->status;
    reply->length = e->length;
    reply->whole = e->whole;
    reply->cached = 1;

    ngx_http_registry_cache_part(&reply->body, &p, e->body);
    ngx_http_registry_cache_part(&reply->etag, &p, e->etag);
    ngx_http_registry_cache_part(&reply->object_manifest, &p,
                                 e->object_manifest);
    ngx_http_registry_cache_part(&reply->meta_digest, &p, e->meta_digest);

    rc = (e->forever || (ngx_msec_int_t) (e->expires - key->began) > 0)
         ? NGX_OK : NGX_HTTP_REGISTRY_CACHE_STALE;

    ngx_queue_remove(&e->queue);
    ngx_queue_insert_head(&cache->shared->queue, &e->queue);

    ngx_shmtx_unlock(&cache->slab->mutex);

    return rc;
}


static void
ngx_http_registry_cache_remove(ngx_http_registry_cache_t *cache,
    ngx_http_registry_cache_entry_t *e)
{
    ngx_queue_remove(&e->queue);
    ngx_rbtree_delete(&cache->shared->rbtree, &e->node);
    ngx_slab_free_locked(cache->slab, e);
}


static void *
ngx_http_registry_cache_alloc(ngx_http_registry_cache_t *cache, size_t size)
{
    void         *p;
    ngx_uint_t    i;
    ngx_queue_t  *q;

    for (i = 0; i < NGX_HTTP_REGISTRY_CACHE_EVICT; i++) {

        p = ngx_slab_alloc_locked(cache->slab, size);

        if (p || ngx_queue_empty(&cache->shared->queue)) {
            return p;
        }

        q = ngx_queue_last(&cache->shared->queue);

        ngx_http_registry_cache_remove(cache,
                ngx_queue_data(q, ngx_http_registry_cache_entry_t, queue));
    }

    return NULL;
}


void
ngx_http_registry_cache_store(ngx_shm_zone_t *zone,
    ngx_http_registry_cache_key_t *key, const reg_reply_t *reply,
    ngx_msec_t valid)
{
    u_char                           *p;
    size_t                            len;
    ngx_http_registry_cache_t        *cache = zone->data;
    ngx_http_registry_cache_entry_t  *e;

    len = reply->body.len + reply->etag.len + reply->object_manifest.len
          + reply->meta_digest.len;

    /* one reply must not drive out all others */

    if (len > zone->shm.size / 8) {
        return;
    }

    ngx_shmtx_lock(&cache->slab->mutex);

    e = ngx_http_registry_cache_lookup(cache, key->data);

    if (e) {
        ngx_http_registry_cache_remove(cache, e);
    }

    /* under the mutex, which purge() takes after it has counted */

    if (!ngx_http_registry_cache_current(key)) {
        goto done;
    }

    e = ngx_http_registry_cache_alloc(cache,
                   offsetof(ngx_http_registry_cache_entry_t, data) + len);
    if (e == NULL) {
        goto done;
    }

    ngx_memcpy(e->key, key->data, sizeof(e->key));
    e->node.key = ngx_http_registry_cache_hash(key->data);

    e->forever = (valid == 0);
    e->expires = key->began + valid;
    e->status = reply->status;
    e->length = reply->length;
    e->whole = reply->whole;
    e->body = reply->body.len;
    e->etag = reply->etag.len;
    e->object_manifest = reply->object_manifest.len;
    e->meta_digest = reply->meta_digest.len;

    p = ngx_cpymem(e->data, reply->body.data, reply->body.len);
    p = ngx_cpymem(p, reply->etag.data, reply->etag.len);
    p = ngx_cpymem(p, reply->object_manifest.data,
                   reply->object_manifest.len);
    (void) ngx_cpymem(p, reply->meta_digest.data, reply->meta_digest.len);

    ngx_rbtree_insert(&cache->shared->rbtree, &e->node);
    ngx_queue_insert_head(&cache->shared->queue, &e->queue);

done:

    ngx_shmtx_unlock(&cache->slab->mutex);
}


static ngx_http_registry_cache_claim_t *
ngx_http_registry_cache_claim_of(ngx_http_registry_cache_t *cache,
    ngx_http_registry_cache_key_t *key)
{
    ngx_rbtree_key_t  hash;

    hash = ngx_http_registry_cache_hash(key->data);

    return &cache->shared->claims[hash % NGX_HTTP_REGISTRY_CACHE_CLAIMS];
}


/* under the mutex: the claim is held, for this key as it is now */

static ngx_uint_t
ngx_http_registry_cache_held(ngx_http_registry_cache_claim_t *claim,
    ngx_http_registry_cache_key_t *key)
{
    return claim->pid
           && (ngx_msec_int_t) (claim->expires - ngx_current_msec) > 0
           && claim->changes == key->changes
           && ngx_memcmp(claim->key, key->data, sizeof(claim->key)) == 0;
}


ngx_int_t
ngx_http_registry_cache_claim(ngx_shm_zone_t *zone,
    ngx_http_registry_cache_key_t *key)
{
    ngx_int_t                         rc;
    ngx_http_registry_cache_t        *cache = zone->data;
    ngx_http_registry_cache_claim_t  *claim;

    claim = ngx_http_registry_cache_claim_of(cache, key);

    ngx_shmtx_lock(&cache->slab->mutex);

    if (ngx_http_registry_cache_held(claim, key)) {
        rc = (claim->pid == ngx_pid) ? NGX_DECLINED : NGX_BUSY;

    } else if (claim->pid
               && (ngx_msec_int_t) (claim->expires - ngx_current_msec) > 0)
    {
        rc = NGX_DECLINED;

    } else {
        ngx_memcpy(claim->key, key->data, sizeof(claim->key));
        claim->changes = key->changes;
        claim->pid = ngx_pid;
        claim->expires = ngx_current_msec + NGX_HTTP_REGISTRY_CACHE_CLAIMED;
        rc = NGX_OK;
    }

    ngx_shmtx_unlock(&cache->slab->mutex);

    return rc;
}


void
ngx_http_registry_cache_release(ngx_shm_zone_t *zone,
    ngx_http_registry_cache_key_t *key)
{
    ngx_http_registry_cache_t        *cache = zone->data;
    ngx_http_registry_cache_claim_t  *claim;

    claim = ngx_http_registry_cache_claim_of(cache, key);

    ngx_shmtx_lock(&cache->slab->mutex);

    if (claim->pid == ngx_pid
        && ngx_memcmp(claim->key, key->data, sizeof(claim->key)) == 0)
    {
        claim->pid = 0;
    }

    ngx_shmtx_unlock(&cache->slab->mutex);
}


ngx_uint_t
ngx_http_registry_cache_claimed(ngx_shm_zone_t *zone,
    ngx_http_registry_cache_key_t *key)
{
    ngx_uint_t                        held;
    ngx_http_registry_cache_t        *cache = zone->data;
    ngx_http_registry_cache_claim_t  *claim;

    claim = ngx_http_registry_cache_claim_of(cache, key);

    ngx_shmtx_lock(&cache->slab->mutex);

    held = ngx_http_registry_cache_held(claim, key) && claim->pid != ngx_pid;

    ngx_shmtx_unlock(&cache->slab->mutex);

    return held;
}


void
ngx_http_registry_cache_purge(ngx_shm_zone_t *zone, ngx_str_t *container,
    const reg_str_t *object)
{
    u_char                            key[NGX_HTTP_REGISTRY_CACHE_KEY];
    ngx_uint_t                        i;
    ngx_http_registry_cache_t        *cache = zone->data;
    ngx_http_registry_cache_entry_t  *e;

    static const u_char  methods[] = { REG_GET, REG_HEAD };

    (void) ngx_atomic_fetch_add(
               ngx_http_registry_cache_changes(cache, container, object), 1);

    for (i = 0; i < sizeof(methods); i++) {

        ngx_http_registry_cache_digest(key, container, methods[i], object);

        ngx_shmtx_lock(&cache->slab->mutex);

        e = ngx_http_registry_cache_lookup(cache, key);

        if (e) {
            ngx_http_registry_cache_remove(cache, e);
        }

        ngx_shmtx_unlock(&cache->slab->mutex);
    }
}
