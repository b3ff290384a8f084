#ifndef _NGX_HTTP_REGISTRY_SSL_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_SSL_H_INCLUDED_


#include "base/ngx_http_registry.h"


/*
 * For registry_pass with https.  Once all locations are known, watch()
 * keeps connections of other settings from those that verify.
 */
char *ngx_http_registry_ssl(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf);
ngx_int_t ngx_http_registry_ssl_watch(ngx_conf_t *cf);


#endif /* _NGX_HTTP_REGISTRY_SSL_H_INCLUDED_ */
