#ifndef _NGX_HTTP_REGISTRY_DRIVE_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_DRIVE_H_INCLUDED_


#include "base/ngx_http_registry_ctx.h"


/*
 * drive() runs the flow until it waits or the request has its end; wake() is
 * the request's write_event_handler; fail() ends it by an HTTP status, or
 * NGX_ERROR.  The request may be gone after each of them.
 */
void ngx_http_registry_drive(ngx_http_request_t *r);
void ngx_http_registry_drive_wake(ngx_http_request_t *r);
void ngx_http_registry_drive_fail(ngx_http_request_t *r, ngx_int_t rc);


#endif /* _NGX_HTTP_REGISTRY_DRIVE_H_INCLUDED_ */
