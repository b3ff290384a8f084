#ifndef _NGX_HTTP_REGISTRY_ERROR_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_ERROR_H_INCLUDED_


#include "base/ngx_http_registry_ctx.h"


ngx_int_t ngx_http_registry_error_filters_init(ngx_conf_t *cf);


#endif /* _NGX_HTTP_REGISTRY_ERROR_H_INCLUDED_ */
