#ifndef _NGX_HTTP_REGISTRY_UPSTREAM_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_UPSTREAM_H_INCLUDED_


#include "base/ngx_http_registry_ctx.h"


void ngx_http_registry_reset_reply(ngx_http_request_t *r,
    ngx_http_registry_call_t *rc);
ngx_int_t ngx_http_registry_upstream(ngx_http_request_t *r,
    ngx_http_registry_call_t *rc);
ngx_int_t ngx_http_registry_pipe(ngx_http_request_t *r);
ngx_int_t ngx_http_registry_pipe_init(ngx_http_request_t *r,
    ngx_http_registry_call_t *rc);
ngx_uint_t ngx_http_registry_expected(ngx_http_request_t *r,
    ngx_http_registry_call_t *rc);
ngx_uint_t ngx_http_registry_told_length(ngx_http_request_t *r,
    ngx_http_registry_call_t *rc);


#endif /* _NGX_HTTP_REGISTRY_UPSTREAM_H_INCLUDED_ */
