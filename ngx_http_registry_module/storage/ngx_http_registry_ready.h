#ifndef _NGX_HTTP_REGISTRY_READY_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_READY_H_INCLUDED_


#include "base/ngx_http_registry_ctx.h"


/*
 * NGX_OK: the context has a token and the storage's path; NGX_AGAIN: the
 * request is woken to do what its row asks once more; NGX_ERROR: the storage
 * is not to be asked, ctx->last_error says why.
 */
ngx_int_t ngx_http_registry_ready_token(ngx_http_request_t *r);
void ngx_http_registry_ready_come(void *data, ngx_int_t rc);

/* from here on the request waits for the storage, or no more: for the log */
void ngx_http_registry_ready_busy(ngx_http_registry_ctx_t *ctx,
    ngx_uint_t busy);

/*
 * Whether the request need not look for the container of its location first,
 * and make it: it is known to be there.  One that was lost is made
 * by uploads alone; in an empty one all that others ask for would be unknown.
 */
ngx_uint_t ngx_http_registry_ready_container(ngx_http_request_t *r);
void ngx_http_registry_ready_container_is(ngx_http_request_t *r,
    ngx_uint_t known);

/* the storage refused to make it */
void ngx_http_registry_ready_container_unmade(ngx_http_request_t *r);


#endif /* _NGX_HTTP_REGISTRY_READY_H_INCLUDED_ */
