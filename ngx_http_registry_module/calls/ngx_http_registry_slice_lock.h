/*
 * The lock that lets one request fetch a slice into nginx's cache, while the
 * others wait for its file.
 */

#ifndef _NGX_HTTP_REGISTRY_SLICE_LOCK_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_SLICE_LOCK_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/* milliseconds: a lock that its owner does not renew is nobody's */
#define NGX_HTTP_REGISTRY_LOCK_AGE  1800


typedef struct {
    ngx_queue_t                  queue;
    ngx_http_request_t          *request;
    unsigned                     queued:1;
} ngx_http_registry_slice_lock_t;


/*
 * To be called when the upstream of r, which has the cache, was started; lock
 * is zeroed, and r's.  1: another request fetches the slice, r waits for it.
 */
ngx_uint_t ngx_http_registry_slice_lock(ngx_http_registry_slice_lock_t *lock,
    ngx_http_request_t *r);

/* r is at its end */
void ngx_http_registry_slice_unlock(ngx_http_registry_slice_lock_t *lock);

/* who waits in this worker looks now; others do so within 10 ms */
void ngx_http_registry_slice_locks_look(void);


#endif /* _NGX_HTTP_REGISTRY_SLICE_LOCK_H_INCLUDED_ */
