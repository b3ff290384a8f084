#ifndef _NGX_HTTP_REGISTRY_CALL_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_CALL_H_INCLUDED_


#include "base/ngx_http_registry_ctx.h"


/*
 * Clears the replies of f->calls and fills in what the cache has.
 * NGX_OK: all of them; NGX_DECLINED: calls_start() is to be called.
 */
ngx_int_t ngx_http_registry_calls_recall(ngx_http_request_t *r);

/*
 * Runs what is left of f->calls.  NGX_AGAIN: the request is woken when all
 * have their replies; NGX_OK: they have; NGX_ERROR, or an HTTP status to
 * finalize with.
 */
ngx_int_t ngx_http_registry_calls_start(ngx_http_request_t *r);

/*
 * For f->row and f->judged: memory of a row, in a pool of the request's
 * context; and the end of it and of the pools of the calls that are done.
 */
void *ngx_http_registry_row_alloc(void *ctx, size_t size);
void ngx_http_registry_calls_free(void *ctx);

/* gives up the call that is fed, as if it had ended; returns as above */
ngx_int_t ngx_http_registry_calls_stop(ngx_http_request_t *r);


#endif /* _NGX_HTTP_REGISTRY_CALL_H_INCLUDED_ */
