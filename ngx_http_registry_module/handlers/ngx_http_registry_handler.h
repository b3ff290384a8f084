#ifndef _NGX_HTTP_REGISTRY_HANDLER_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_HANDLER_H_INCLUDED_


#include "base/ngx_http_registry_ctx.h"


/* the content handler, of the main request and of its subrequests */
ngx_int_t ngx_http_registry_handler(ngx_http_request_t *r);


#endif /* _NGX_HTTP_REGISTRY_HANDLER_H_INCLUDED_ */
