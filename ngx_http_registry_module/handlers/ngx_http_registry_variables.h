#ifndef _NGX_HTTP_REGISTRY_VARIABLES_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_VARIABLES_H_INCLUDED_


#include "base/ngx_http_registry_ctx.h"


ngx_int_t ngx_http_registry_variables_add(ngx_conf_t *cf);
ngx_int_t ngx_http_registry_variables_init(ngx_conf_t *cf);


#endif /* _NGX_HTTP_REGISTRY_VARIABLES_H_INCLUDED_ */
