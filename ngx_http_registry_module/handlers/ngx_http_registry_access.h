#ifndef _NGX_HTTP_REGISTRY_ACCESS_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_ACCESS_H_INCLUDED_


#include "base/ngx_http_registry_ctx.h"


/*
 * A signed Location that authorises.
 * by_state() tells whether it is looked at here; foreign() logs who signed.
 */
ngx_int_t ngx_http_registry_access_init(ngx_conf_t *cf);
ngx_uint_t ngx_http_registry_access_by_state(ngx_http_request_t *r);
void ngx_http_registry_access_foreign(ngx_http_request_t *r,
    const unsigned char *key_id);


#endif /* _NGX_HTTP_REGISTRY_ACCESS_H_INCLUDED_ */
