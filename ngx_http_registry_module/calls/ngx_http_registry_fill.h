#ifndef _NGX_HTTP_REGISTRY_FILL_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_FILL_H_INCLUDED_


#include "base/ngx_http_registry_ctx.h"


/* the blob that the request wrote, after its answer */
void ngx_http_registry_fill_begin(ngx_http_request_t *r);


#endif /* _NGX_HTTP_REGISTRY_FILL_H_INCLUDED_ */
