#ifndef _NGX_HTTP_REGISTRY_HANDLER_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_HANDLER_H_INCLUDED_


#include "base/ngx_http_registry_ctx.h"


/*
 * Who has ended what a request waits for says by next() what is to
 * be done, then wakes it: by r->write_event_handler(r), or, within a
 * subrequest or a row that is being started, by ngx_http_post_request().
 */
ngx_int_t ngx_http_registry_handler(ngx_http_request_t *r);


#endif /* _NGX_HTTP_REGISTRY_HANDLER_H_INCLUDED_ */
