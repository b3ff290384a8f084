#ifndef _NGX_HTTP_REGISTRY_SWIFT_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_SWIFT_H_INCLUDED_


#include "base/ngx_http_registry_ctx.h"


/* for the upstream */
ngx_int_t ngx_http_registry_swift_create_request(ngx_http_request_t *r);

/* one line of the reply's header, as nginx has parsed it */
ngx_int_t ngx_http_registry_swift_take_header(ngx_http_request_t *r,
    ngx_http_registry_exchange_t *ex);


#endif /* _NGX_HTTP_REGISTRY_SWIFT_H_INCLUDED_ */
