#ifndef _NGX_HTTP_REGISTRY_SLICE_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_SLICE_H_INCLUDED_


#include "base/ngx_http_registry_ctx.h"


/* what waits for a slice looks whether it has come */
void ngx_http_registry_slice_come(ngx_http_request_t *sr,
    ngx_http_registry_exchange_t *ex);

/* a part whose bytes stay on disk */
extern const ngx_http_registry_reply_t  ngx_http_registry_reply_slice;

/* 1: its file could not be written, the flow goes on past the cache */
ngx_uint_t ngx_http_registry_slice_failed(ngx_http_request_t *sr,
    ngx_http_registry_exchange_t *ex);


#endif /* _NGX_HTTP_REGISTRY_SLICE_H_INCLUDED_ */
