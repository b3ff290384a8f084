#ifndef _NGX_HTTP_REGISTRY_FEED_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_FEED_H_INCLUDED_


#include "base/ngx_http_registry_ctx.h"


/*
 * How a call takes the client's body.  begin() sets *length, -1 for
 * chunked framing, and *bufs to what has come whole, or the upstream's output
 * filter; NGX_ERROR: it is not to be sent.  event() is the main request's.
 * end() tells the flow what was taken.
 */
ngx_int_t ngx_http_registry_feed_begin(ngx_http_request_t *sr,
    ngx_http_registry_exchange_t *ex, off_t *length, ngx_chain_t **bufs);
void ngx_http_registry_feed_event(ngx_http_request_t *r);
void ngx_http_registry_feed_end(ngx_http_request_t *sr,
    ngx_http_registry_exchange_t *ex);


#endif /* _NGX_HTTP_REGISTRY_FEED_H_INCLUDED_ */
