#ifndef _NGX_HTTP_REGISTRY_UPSTREAM_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_UPSTREAM_H_INCLUDED_


#include "base/ngx_http_registry_ctx.h"


/*
 * One call on an upstream of nginx: made, and its reply read by the call's
 * table.  NGX_ERROR: there is no memory.
 */
ngx_int_t ngx_http_registry_upstream_create(ngx_http_request_t *r,
    ngx_http_registry_exchange_t *ex);

/* the reply is read from its beginning, and what was read of it forgotten */
void ngx_http_registry_upstream_reset(ngx_http_request_t *r,
    ngx_http_registry_exchange_t *ex);

/* for a table's upstream() and filter_init(): the body goes through a pipe */
ngx_int_t ngx_http_registry_upstream_pipe(ngx_http_request_t *r);
ngx_int_t ngx_http_registry_upstream_pipe_init(ngx_http_request_t *r,
    ngx_http_registry_exchange_t *ex);

/*
 * For the log of the request: the call, its status or that there is none, and
 * the last transaction.
 */
void ngx_http_registry_upstream_remember(ngx_http_request_t *r,
    const reg_call_t *call);

/*
 * For a table's header().  expected(): what goes to the client is what it was
 * told, or nothing; told_length(): 0 is logged.
 */
ngx_uint_t ngx_http_registry_upstream_expected(ngx_http_request_t *r,
    ngx_http_registry_exchange_t *ex);
ngx_uint_t ngx_http_registry_upstream_told_length(ngx_http_request_t *r,
    ngx_http_registry_exchange_t *ex);


#endif /* _NGX_HTTP_REGISTRY_UPSTREAM_H_INCLUDED_ */
