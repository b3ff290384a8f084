#ifndef _NGX_HTTP_REGISTRY_BODY_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_BODY_H_INCLUDED_


#include "base/ngx_http_registry_ctx.h"


/*
 * The client's body.  length() is -1 when it is not told; discard() is for
 * one that nobody takes: NGX_OK, or an HTTP status.  begin() has nginx read it,
 * or takes what it has read already.  read() puts what has come behind
 * ctx->body, in memory; NGX_OK: that was the end of it; NGX_AGAIN: there may
 * be more; else an HTTP status.  gather() reads all: NGX_AGAIN: the
 * request is woken when it is in f->body; NGX_OK: it is; else an HTTP status
 * to finalize with.  failed() is told of such a status while the request
 * waits.
 */
off_t ngx_http_registry_body_length(ngx_http_request_t *r);
ngx_int_t ngx_http_registry_body_discard(ngx_http_request_t *r);
ngx_int_t ngx_http_registry_body_begin(ngx_http_request_t *r);
ngx_int_t ngx_http_registry_body_read(ngx_http_request_t *r);
ngx_int_t ngx_http_registry_body_gather(ngx_http_request_t *r);
void ngx_http_registry_body_failed(ngx_http_request_t *r, ngx_int_t rc);
ngx_int_t ngx_http_registry_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
extern ngx_http_request_body_filter_pt
    ngx_http_registry_next_request_body_filter;


#endif /* _NGX_HTTP_REGISTRY_BODY_H_INCLUDED_ */
