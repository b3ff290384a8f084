#ifndef _NGX_HTTP_REGISTRY_KEY_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_KEY_H_INCLUDED_


#include "base/ngx_http_registry.h"


/* a file with a key, which others must not be able to read */
ngx_int_t ngx_http_registry_key_read(ngx_conf_t *cf, const char *directive,
    ngx_str_t *name, ngx_str_t *key);


#endif /* _NGX_HTTP_REGISTRY_KEY_H_INCLUDED_ */
