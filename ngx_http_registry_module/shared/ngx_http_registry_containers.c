/*
 * What all workers know of the containers: a word for each location.
 */

#include "ngx_http_registry_containers.h"


static ngx_int_t ngx_http_registry_containers_init(ngx_shm_zone_t *zone,
    void *data);


ngx_int_t
ngx_http_registry_containers_zone(ngx_conf_t *cf)
{
    size_t                          size;
    ngx_str_t                       name = ngx_string("registry_containers");
    ngx_shm_zone_t                 *zone;
    ngx_http_registry_main_conf_t  *rmcf;

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_registry_module);

    if (rmcf->locations.nelts == 0) {
        return NGX_OK;
    }

    size = ngx_align(rmcf->locations.nelts * sizeof(ngx_atomic_t),
                     ngx_pagesize)
           + 8 * ngx_pagesize;

    zone = ngx_shared_memory_add(cf, &name, size, &ngx_http_registry_module);
    if (zone == NULL) {
        return NGX_ERROR;
    }

    zone->init = ngx_http_registry_containers_init;
    zone->data = rmcf;
    zone->noreuse = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_http_registry_containers_init(ngx_shm_zone_t *zone, void *data)
{
    ngx_uint_t                       i;
    ngx_atomic_t                    *known;
    ngx_slab_pool_t                 *slab;
    ngx_http_registry_loc_conf_t   **rlcf;
    ngx_http_registry_main_conf_t   *rmcf;

    rmcf = zone->data;
    slab = (ngx_slab_pool_t *) zone->shm.addr;
    rlcf = rmcf->locations.elts;

    known = ngx_slab_calloc(slab,
                            rmcf->locations.nelts * sizeof(ngx_atomic_t));
    if (known == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < rmcf->locations.nelts; i++) {
        rlcf[i]->container_known = &known[i];
    }

    return NGX_OK;
}
