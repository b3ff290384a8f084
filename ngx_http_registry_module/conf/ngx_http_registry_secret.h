#ifndef _NGX_HTTP_REGISTRY_SECRET_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_SECRET_H_INCLUDED_


#include "base/ngx_http_registry.h"


/*
 * Makes conf->secrets of registry_secret_file, of the storage's key
 * or of random bytes.  Once all locations are known, former() adds those that
 * older releases made, where they open one place only.
 */
ngx_int_t ngx_http_registry_secrets(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf);
ngx_int_t ngx_http_registry_secrets_former(ngx_conf_t *cf);


#endif /* _NGX_HTTP_REGISTRY_SECRET_H_INCLUDED_ */
