#ifndef _NGX_HTTP_REGISTRY_REDIRECT_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_REDIRECT_H_INCLUDED_


#include "base/ngx_http_registry_ctx.h"


/* f->redirect, as the location has it for this request */
void ngx_http_registry_redirect_begin(ngx_http_request_t *r, reg_flow_t *f);

/* https://, or http://, and a host */
ngx_uint_t ngx_http_registry_redirect_valid(ngx_str_t *url);


#endif /* _NGX_HTTP_REGISTRY_REDIRECT_H_INCLUDED_ */
