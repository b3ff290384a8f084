#ifndef _NGX_HTTP_REGISTRY_ACCOUNT_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_ACCOUNT_H_INCLUDED_


#include "base/ngx_http_registry.h"


/* for the end of merge_loc_conf */
char *ngx_http_registry_account(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf);
extern ngx_conf_enum_t  ngx_http_registry_auth_versions[];


#endif /* _NGX_HTTP_REGISTRY_ACCOUNT_H_INCLUDED_ */
