#ifndef _NGX_HTTP_REGISTRY_UTIL_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_UTIL_H_INCLUDED_


#include "ngx_http_registry_ctx.h"


/* for reg_arena_t: ctx is a pool */
void *ngx_http_registry_alloc(void *ctx, size_t size);
reg_method_t ngx_http_registry_method(ngx_http_request_t *r);

/*
 * For the log: what a client, a variable or the storage says; names of objects
 * are of listings, too.  In the request's pool; no memory is no text.
 */
ngx_str_t ngx_http_registry_visible(ngx_http_request_t *r, ngx_str_t *s);
ngx_str_t ngx_http_registry_visible_name(ngx_http_request_t *r,
    const reg_str_t *name);

/* a value that a variable decides; what is neither on nor off is "safe" */
ngx_uint_t ngx_http_registry_switched(ngx_http_request_t *r,
    ngx_http_complex_value_t *cv, const char *directive, ngx_uint_t safe);

/*
 * All lines of one header of the client as one list, RFC 9110, 5.3; value is
 * left alone when there is none.  NGX_ERROR, or 431.
 */
ngx_int_t ngx_http_registry_copy_header(ngx_http_request_t *r, ngx_str_t *name,
    reg_str_t *value);

/* a header of the answer; nothing is copied */
ngx_int_t ngx_http_registry_push(ngx_http_request_t *r, const char *name,
    u_char *value, size_t len);


#endif /* _NGX_HTTP_REGISTRY_UTIL_H_INCLUDED_ */
