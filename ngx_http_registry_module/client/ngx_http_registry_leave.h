#ifndef _NGX_HTTP_REGISTRY_LEAVE_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_LEAVE_H_INCLUDED_


#include "base/ngx_http_registry_ctx.h"


/*
 * A client that leaves.  Between hold() and release() it ends nothing: the
 * flow runs to its end, as nginx has it for HTTP/1.1.  left() is whether it has
 * left; release() tells nginx so, and is called before the request is answered
 * or finalized, also when nothing is held.
 */
void ngx_http_registry_leave_hold(ngx_http_request_t *r);
ngx_uint_t ngx_http_registry_leave_left(ngx_http_request_t *r);
void ngx_http_registry_leave_release(ngx_http_request_t *r);


#endif /* _NGX_HTTP_REGISTRY_LEAVE_H_INCLUDED_ */
