#ifndef _NGX_HTTP_REGISTRY_SUBREQUEST_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_SUBREQUEST_H_INCLUDED_


#include "base/ngx_http_registry_ctx.h"


/*
 * A subrequest for the call, in the call's pool if it has one, else in r's.
 * NULL: no memory, and nginx knows nothing of it.
 */
ngx_http_request_t *ngx_http_registry_subrequest_create(ngx_http_request_t *r,
    ngx_http_registry_exchange_t *ex, ngx_http_post_subrequest_t *ps,
    ngx_uint_t flags);

/*
 * In each worker, once all modules have their filters: hides replies to calls
 * with a pool of their own from them.  That pool goes with the call; what a
 * filter keeps of it would be cleaned up when the client's request ends.
 */
void ngx_http_registry_subrequest_hide(void);

/* for the content handler: the subrequest's upstream begins */
ngx_int_t ngx_http_registry_subrequest_run(ngx_http_request_t *sr);


#endif /* _NGX_HTTP_REGISTRY_SUBREQUEST_H_INCLUDED_ */
