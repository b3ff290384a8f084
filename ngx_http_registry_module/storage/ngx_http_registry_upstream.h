#ifndef _NGX_HTTP_REGISTRY_UPSTREAM_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_UPSTREAM_H_INCLUDED_


#include "base/ngx_http_registry_ctx.h"


/*
 * One call on an upstream of nginx: made, and its reply read by the call's
 * table.  NGX_ERROR: there is no memory.
 */
ngx_int_t ngx_http_registry_upstream(ngx_http_request_t *r,
    ngx_http_registry_call_t *rc);

/* the reply is read from its beginning, and what was read of it forgotten */
void ngx_http_registry_reset_reply(ngx_http_request_t *r,
    ngx_http_registry_call_t *rc);

/* for a table's upstream() and filter_init(): the body goes through a pipe */
ngx_int_t ngx_http_registry_pipe(ngx_http_request_t *r);
ngx_int_t ngx_http_registry_pipe_init(ngx_http_request_t *r,
    ngx_http_registry_call_t *rc);

/*
 * For a table's header().  expected(): what goes to the client is what it was
 * told, or nothing; told_length(): 0 is logged.
 */
ngx_uint_t ngx_http_registry_expected(ngx_http_request_t *r,
    ngx_http_registry_call_t *rc);
ngx_uint_t ngx_http_registry_told_length(ngx_http_request_t *r,
    ngx_http_registry_call_t *rc);


#endif /* _NGX_HTTP_REGISTRY_UPSTREAM_H_INCLUDED_ */
