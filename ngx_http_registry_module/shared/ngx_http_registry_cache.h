/*
 * Replies of the storage in shared memory, by the name of their object.
 *
 * The bytes of a digest cannot change and stay until room is needed.  What
 * can change (a link, that something is missing, a size) is believed for a
 * short time, and forgotten at once when a change goes through this node.
 */

#ifndef _NGX_HTTP_REGISTRY_CACHE_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_CACHE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ops/reg_flow.h"


#define NGX_HTTP_REGISTRY_CACHE_KEY  32


/* which reply: of a container, a method and an object */
typedef struct {
    u_char          data[NGX_HTTP_REGISTRY_CACHE_KEY];

    /* of the object, in shared memory, and what it was at key() */
    ngx_atomic_t   *counter;
    ngx_atomic_uint_t  changes;

    /* the time of key(): a call that is made then tells no later changes */
    ngx_msec_t      began;
} ngx_http_registry_cache_key_t;


/* the zone of that name, made once; its entries survive a reload */
ngx_shm_zone_t *ngx_http_registry_cache_zone(ngx_conf_t *cf, ngx_str_t *name,
    size_t size);

/* "container" tells apart containers that share a zone */
void ngx_http_registry_cache_key(ngx_shm_zone_t *zone,
    ngx_http_registry_cache_key_t *key, ngx_str_t *container,
    const reg_call_t *call);

/* 1 when nothing of the object changed through this node since key() */
ngx_uint_t ngx_http_registry_cache_current(
    ngx_http_registry_cache_key_t *key);

/*
 * NGX_OK: the reply, copied to the pool; CACHE_STALE: the same, but older
 * than it may be at key->began; NGX_DECLINED: none; NGX_ERROR: no memory.
 */
#define NGX_HTTP_REGISTRY_CACHE_STALE  1

ngx_int_t ngx_http_registry_cache_fetch(ngx_shm_zone_t *zone,
    ngx_http_registry_cache_key_t *key, reg_reply_t *reply,
    ngx_pool_t *pool);

/*
 * Keeps a reply of 200 or 404, "valid" milliseconds from key->began on, 0:
 * for ever.  A reply to a call that began before a change is not kept.
 */
void ngx_http_registry_cache_store(ngx_shm_zone_t *zone,
    ngx_http_registry_cache_key_t *key, const reg_reply_t *reply,
    ngx_msec_t valid);

/*
 * Who asks the storage, so that the other workers need not.  NGX_OK: the
 * caller, until release(); NGX_BUSY: another worker; NGX_DECLINED: it is not
 * known, ask.  A claim ends by itself after two seconds.
 */
ngx_int_t ngx_http_registry_cache_claim(ngx_shm_zone_t *zone,
    ngx_http_registry_cache_key_t *key);
void ngx_http_registry_cache_release(ngx_shm_zone_t *zone,
    ngx_http_registry_cache_key_t *key);

/* 1 while another worker asks for just this */
ngx_uint_t ngx_http_registry_cache_claimed(ngx_shm_zone_t *zone,
    ngx_http_registry_cache_key_t *key);

/* the object is changed, or may be: what is known of it is forgotten */
void ngx_http_registry_cache_purge(ngx_shm_zone_t *zone,
    ngx_str_t *container, const reg_str_t *object);


#endif /* _NGX_HTTP_REGISTRY_CACHE_H_INCLUDED_ */
