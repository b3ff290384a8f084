/*
 * The servers that registry_pass means, one by one.
 */

#ifndef _NGX_HTTP_REGISTRY_SERVERS_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_SERVERS_H_INCLUDED_


#include "base/ngx_http_registry.h"


/* 1 or more */
ngx_uint_t ngx_http_registry_servers_count(ngx_http_registry_loc_conf_t *conf);

/*
 * Of an upstream {} block, or a socket; n is less than the count.  Empty: it
 * is the host of registry_pass.
 */
ngx_str_t ngx_http_registry_servers_address(ngx_http_registry_loc_conf_t *conf,
    ngx_uint_t n);


#endif /* _NGX_HTTP_REGISTRY_SERVERS_H_INCLUDED_ */
