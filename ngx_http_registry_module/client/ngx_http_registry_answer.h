#ifndef _NGX_HTTP_REGISTRY_ANSWER_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_ANSWER_H_INCLUDED_


#include "base/ngx_http_registry_ctx.h"


/*
 * The flow's answer.  answer() sends it with its body; headers() fills in
 * headers_out for a body that comes of the storage; part_header() sends the
 * header of a body of ranges, once.
 */
ngx_int_t ngx_http_registry_answer_send(ngx_http_request_t *r);
ngx_int_t ngx_http_registry_answer_headers(ngx_http_request_t *r);
ngx_int_t ngx_http_registry_answer_range_header(ngx_http_request_t *r);


#endif /* _NGX_HTTP_REGISTRY_ANSWER_H_INCLUDED_ */
