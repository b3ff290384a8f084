#ifndef _NGX_HTTP_REGISTRY_SLICE_FILE_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_SLICE_FILE_H_INCLUDED_


#include "base/ngx_http_registry_ctx.h"


/*
 * The name of a slice in nginx's cache; remove() takes away all
 * slices of a blob of "size" bytes, of which the call is for one.
 */
ngx_int_t ngx_http_registry_slice_key(ngx_http_request_t *r,
    const reg_str_t *object, const reg_str_t *range, ngx_str_t *key);
void ngx_http_registry_slice_remove(ngx_http_request_t *r,
    const reg_call_t *call, off_t size);


#endif /* _NGX_HTTP_REGISTRY_SLICE_FILE_H_INCLUDED_ */
