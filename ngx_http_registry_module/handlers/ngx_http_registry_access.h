#ifndef _NGX_HTTP_REGISTRY_ACCESS_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_ACCESS_H_INCLUDED_


#include "base/ngx_http_registry_ctx.h"


/*
 * A signed Location that authorises.  foreign() logs who signed one that is of
 * another secret: as an error, once a minute in each worker, only of a request
 * that the access phase has allowed.
 */
ngx_int_t ngx_http_registry_access_init(ngx_conf_t *cf);
void ngx_http_registry_access_foreign(ngx_http_request_t *r,
    const unsigned char *key_id, ngx_uint_t allowed);


#endif /* _NGX_HTTP_REGISTRY_ACCESS_H_INCLUDED_ */
