#ifndef _NGX_HTTP_REGISTRY_MEMORY_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_MEMORY_H_INCLUDED_


#include "base/ngx_http_registry_ctx.h"


/* into call->reply.body, or to call->sink() */
extern const ngx_http_registry_reply_t  ngx_http_registry_reply_memory;

/* the next bytes of it; NGX_ERROR: more than reply_max */
ngx_int_t ngx_http_registry_memory_keep(ngx_http_request_t *r,
    ngx_http_registry_exchange_t *ex, u_char *p, size_t len);


#endif /* _NGX_HTTP_REGISTRY_MEMORY_H_INCLUDED_ */
