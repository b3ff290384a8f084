#ifndef _NGX_HTTP_REGISTRY_READY_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_READY_H_INCLUDED_


#include "base/ngx_http_registry_ctx.h"


ngx_int_t ngx_http_registry_token(ngx_http_request_t *r);
void ngx_http_registry_token_ready(void *data, ngx_int_t rc);
void ngx_http_registry_busy(ngx_http_registry_ctx_t *ctx, ngx_uint_t busy);
ngx_uint_t ngx_http_registry_container_ready(ngx_http_request_t *r);
void ngx_http_registry_container_found(ngx_http_request_t *r);


#endif /* _NGX_HTTP_REGISTRY_READY_H_INCLUDED_ */
