#ifndef _NGX_HTTP_REGISTRY_FLIGHT_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_FLIGHT_H_INCLUDED_


#include "base/ngx_http_registry_ctx.h"


/* NGX_OK: the cache had the reply; NGX_DECLINED: ask for it */
ngx_int_t ngx_http_registry_flight_recall(ngx_http_request_t *r,
    reg_call_t *call);

/*
 * NGX_OK: another request is at it, arrived() is called later;
 * NGX_DECLINED: make the call, and if *own is set, flight_end() then.
 */
ngx_int_t ngx_http_registry_flight_join(ngx_http_request_t *r,
    reg_call_t *call, ngx_http_registry_arrived_pt arrived,
    ngx_http_registry_flight_t **own);
void ngx_http_registry_flight_end(ngx_http_request_t *r, reg_call_t *call,
    ngx_http_registry_flight_t *flight);

/* after a call that may have changed its object */
void ngx_http_registry_flight_changed(ngx_http_request_t *r,
    const reg_call_t *call);


#endif /* _NGX_HTTP_REGISTRY_FLIGHT_H_INCLUDED_ */
