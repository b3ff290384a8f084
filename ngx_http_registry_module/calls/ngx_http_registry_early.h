#ifndef _NGX_HTTP_REGISTRY_EARLY_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_EARLY_H_INCLUDED_


#include "base/ngx_http_registry_ctx.h"


/*
 * A GET of the main request's upstream instead of a HEAD.
 * NGX_DECLINED: it is not to be had, or is not this call's; take() fills in
 * the reply of a small one, pass() ends the request by it and has its body
 * go by that table, drop() gives it up.
 * The request may be gone once early() or pass() has returned NGX_OK.
 */
ngx_int_t ngx_http_registry_early_begin(ngx_http_request_t *r, reg_call_t *call,
    ngx_http_registry_flight_t *flight,
    ngx_http_registry_arrived_pt arrived);
ngx_int_t ngx_http_registry_early_take(ngx_http_request_t *r,
    reg_call_t *call);
ngx_int_t ngx_http_registry_early_pass(ngx_http_request_t *r,
    reg_call_t *call, const ngx_http_registry_reply_t *reply);
void ngx_http_registry_early_drop(ngx_http_request_t *r);


#endif /* _NGX_HTTP_REGISTRY_EARLY_H_INCLUDED_ */
