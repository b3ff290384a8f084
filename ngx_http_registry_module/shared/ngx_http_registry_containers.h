#ifndef _NGX_HTTP_REGISTRY_CONTAINERS_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_CONTAINERS_H_INCLUDED_


#include "base/ngx_http_registry.h"


/* of rlcf->container_known */
#define NGX_HTTP_REGISTRY_CONTAINER_UNKNOWN  0
#define NGX_HTTP_REGISTRY_CONTAINER_FOUND    1
#define NGX_HTTP_REGISTRY_CONTAINER_LOST     2      /* it was there */


/*
 * For the end of the configuration: gives each location what all workers know
 * of its container; a reload forgets it.
 */
ngx_int_t ngx_http_registry_containers_zone(ngx_conf_t *cf);


#endif /* _NGX_HTTP_REGISTRY_CONTAINERS_H_INCLUDED_ */
