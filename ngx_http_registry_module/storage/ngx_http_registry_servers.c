/*
 * The servers that registry_pass means, one by one.
 */

#include "ngx_http_registry_servers.h"


ngx_uint_t
ngx_http_registry_servers_count(ngx_http_registry_loc_conf_t *conf)
{
    ngx_uint_t                   i, n;
    ngx_array_t                 *servers;
    ngx_http_upstream_server_t  *server;

    servers = conf->upstream.upstream->servers;

    if (servers == NULL) {
        return 1;
    }

    server = servers->elts;
    n = 0;

    for (i = 0; i < servers->nelts; i++) {
        n += ngx_max(server[i].naddrs, 1);
    }

    return n;
}


ngx_str_t
ngx_http_registry_servers_address(ngx_http_registry_loc_conf_t *conf,
    ngx_uint_t n)
{
    ngx_str_t                    none = ngx_null_string;
    ngx_uint_t                   i;
    ngx_array_t                 *servers;
    ngx_http_upstream_server_t  *server;

    servers = conf->upstream.upstream->servers;

    if (servers == NULL) {
        return ngx_strncmp(conf->host.data, "unix:", 5) == 0 ? conf->host
                                                             : none;
    }

    server = servers->elts;

    for (i = 0; i < servers->nelts; i++) {

        if (n < server[i].naddrs) {
            return server[i].addrs[n].name;
        }

        /* a name that is looked up while nginx runs */

        if (n == 0 && server[i].naddrs == 0) {
            return server[i].name;
        }

        n -= ngx_max(server[i].naddrs, 1);
    }

    return none;
}
