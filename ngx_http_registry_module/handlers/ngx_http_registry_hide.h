#ifndef _NGX_HTTP_REGISTRY_HIDE_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_HIDE_H_INCLUDED_


#include "base/ngx_http_registry_ctx.h"


/* after whoever else adds a handler of the log */
ngx_int_t ngx_http_registry_hide_init(ngx_conf_t *cf);


#endif /* _NGX_HTTP_REGISTRY_HIDE_H_INCLUDED_ */
