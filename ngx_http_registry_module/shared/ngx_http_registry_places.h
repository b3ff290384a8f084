#ifndef _NGX_HTTP_REGISTRY_PLACES_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_PLACES_H_INCLUDED_


#include "base/ngx_http_registry.h"
#include "ops/reg_flow.h"


/* for f->place; "data" is the zone, whose entries survive a reload */
ngx_shm_zone_t *ngx_http_registry_places_zone(ngx_conf_t *cf);
int ngx_http_registry_places_at(void *data, reg_place_t what,
    const reg_str_t *id, uint64_t tip);


#endif /* _NGX_HTTP_REGISTRY_PLACES_H_INCLUDED_ */
