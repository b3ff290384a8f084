#ifndef _NGX_HTTP_REGISTRY_SLICE_CONF_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_SLICE_CONF_H_INCLUDED_


#include "base/ngx_http_registry.h"


char *ngx_http_registry_set_cache_path(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_registry_set_blob_cache(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_registry_blob_cache(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf);


#endif /* _NGX_HTTP_REGISTRY_SLICE_CONF_H_INCLUDED_ */
