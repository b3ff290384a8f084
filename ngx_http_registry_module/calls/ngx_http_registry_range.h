#ifndef _NGX_HTTP_REGISTRY_RANGE_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_RANGE_H_INCLUDED_


#include "base/ngx_http_registry_ctx.h"


/*
 * Calls[0]'s reply goes to the client as a range of its own; returns
 * as calls_start().
 */
ngx_int_t ngx_http_registry_range_begin(ngx_http_request_t *r);


#endif /* _NGX_HTTP_REGISTRY_RANGE_H_INCLUDED_ */
