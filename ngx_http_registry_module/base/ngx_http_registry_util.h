#ifndef _NGX_HTTP_REGISTRY_UTIL_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_UTIL_H_INCLUDED_


#include "ngx_http_registry_ctx.h"


void *ngx_http_registry_alloc(void *ctx, size_t size);
reg_method_t ngx_http_registry_method(ngx_http_request_t *r);

/* for the log: what a client, a variable or the storage says */
ngx_str_t ngx_http_registry_visible(ngx_http_request_t *r, ngx_str_t *s);
ngx_uint_t ngx_http_registry_switched(ngx_http_request_t *r,
    ngx_http_complex_value_t *cv, const char *directive, ngx_uint_t safe);
ngx_int_t ngx_http_registry_copy_header(ngx_http_request_t *r, ngx_str_t *name,
    reg_str_t *value);
ngx_int_t ngx_http_registry_push(ngx_http_request_t *r, const char *name,
    u_char *value, size_t len);


#endif /* _NGX_HTTP_REGISTRY_UTIL_H_INCLUDED_ */
