#ifndef _NGX_HTTP_REGISTRY_LOG_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_LOG_H_INCLUDED_


#include "base/ngx_http_registry_ctx.h"


/* for the log phase */
ngx_int_t ngx_http_registry_log_handler(ngx_http_request_t *r);

/* f->damage, once: what is wrong in the container */
void ngx_http_registry_log_damage(ngx_http_request_t *r, reg_flow_t *f);


#endif /* _NGX_HTTP_REGISTRY_LOG_H_INCLUDED_ */
