#ifndef _NGX_HTTP_REGISTRY_CONF_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_CONF_H_INCLUDED_


#include "base/ngx_http_registry.h"


/* setters; check() reads a location's values when they are merged */
char *ngx_http_registry_set_pass(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_registry_set_external_url(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_registry_set_health(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_registry_set_switch(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_registry_set_cache(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_registry_conf_check(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf, ngx_http_core_loc_conf_t *clcf);
char *ngx_http_registry_set_redirect(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_registry_redirect_init(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf);
char *ngx_http_registry_set_status(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_registry_set_authorize(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


#endif /* _NGX_HTTP_REGISTRY_CONF_H_INCLUDED_ */
