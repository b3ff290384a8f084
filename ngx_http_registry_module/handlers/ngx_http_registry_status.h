#ifndef _NGX_HTTP_REGISTRY_STATUS_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_STATUS_H_INCLUDED_


#include "base/ngx_http_registry_ctx.h"


ngx_int_t ngx_http_registry_status_handler(ngx_http_request_t *r);


#endif /* _NGX_HTTP_REGISTRY_STATUS_H_INCLUDED_ */
