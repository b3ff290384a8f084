#ifndef _NGX_HTTP_REGISTRY_PASS_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_PASS_H_INCLUDED_


#include "base/ngx_http_registry_ctx.h"


/* calls[0]'s reply is the client's, whole; returns as calls_start() */
ngx_int_t ngx_http_registry_pass_begin(ngx_http_request_t *r);

extern const ngx_http_registry_reply_t  ngx_http_registry_reply_pass;


#endif /* _NGX_HTTP_REGISTRY_PASS_H_INCLUDED_ */
