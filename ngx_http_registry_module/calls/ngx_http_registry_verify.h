#ifndef _NGX_HTTP_REGISTRY_VERIFY_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_VERIFY_H_INCLUDED_


#include "base/ngx_http_registry_ctx.h"


/*
 * begin() makes ctx->verify, if it is wanted; then verify() is told
 * of all of the blob's bytes, in their order, before they are let through.
 * NGX_ERROR: with these all have come, and they are not the digest's.
 */
ngx_int_t ngx_http_registry_verify_begin(ngx_http_request_t *r,
    const reg_digest_t *digest, int64_t size);
ngx_int_t ngx_http_registry_verify_bytes(ngx_http_request_t *r,
    const reg_call_t *call, u_char *p, size_t len);
ngx_uint_t ngx_http_registry_verify_failed(ngx_http_registry_ctx_t *ctx);

/*
 * Of slices: whole() begins with the first one, if the storage sends it;
 * slice() takes one that is on disk.
 */
ngx_int_t ngx_http_registry_verify_whole(ngx_http_request_t *sr,
    ngx_http_registry_exchange_t *ex);
ngx_int_t ngx_http_registry_verify_slice(ngx_http_request_t *sr,
    ngx_http_registry_exchange_t *ex);


#endif /* _NGX_HTTP_REGISTRY_VERIFY_H_INCLUDED_ */
