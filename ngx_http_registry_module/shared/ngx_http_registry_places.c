/*
 * Where the uploads of this node end, in shared memory, for when no other
 * node serves them (registry_single_node).
 *
 * Nothing depends on an entry: without one a request asks the storage.  So
 * one that is used seldom makes room, and one that was taken by a worker that
 * died is never given back.
 */

#include "ngx_http_registry_places.h"


#define NGX_HTTP_REGISTRY_PLACE_MAGIC   0x52504c31

#define NGX_HTTP_REGISTRY_PLACE_ID      36
#define NGX_HTTP_REGISTRY_PLACE_ROWS    4096
#define NGX_HTTP_REGISTRY_PLACE_WAYS    4


typedef struct {
    u_char        id[NGX_HTTP_REGISTRY_PLACE_ID];
    unsigned      used:1;
    unsigned      taken:1;
    ngx_msec_t    touched;
    uint64_t      tip;                  /* id of the upload's last part */
} ngx_http_registry_place_t;


typedef struct {
    ngx_uint_t                 magic;
    ngx_http_registry_place_t  rows[NGX_HTTP_REGISTRY_PLACE_ROWS]
                                   [NGX_HTTP_REGISTRY_PLACE_WAYS];
} ngx_http_registry_places_t;


static ngx_int_t ngx_http_registry_places_init(ngx_shm_zone_t *zone,
    void *data);
static ngx_http_registry_place_t *ngx_http_registry_place_find(
    ngx_http_registry_places_t *places, const reg_str_t *id);
static void ngx_http_registry_place_begin(ngx_http_registry_places_t *places,
    const reg_str_t *id);


/* its address tells our zone from those of others */
static ngx_uint_t  ngx_http_registry_places_tag;


ngx_shm_zone_t *
ngx_http_registry_places_zone(ngx_conf_t *cf)
{
    size_t           size;
    ngx_str_t        name = ngx_string("registry_places");
    ngx_shm_zone_t  *zone;

    size = ngx_align(sizeof(ngx_http_registry_places_t), ngx_pagesize)
           + 16 * ngx_pagesize;

    zone = ngx_shared_memory_add(cf, &name, size,
                                 &ngx_http_registry_places_tag);
    if (zone) {
        zone->init = ngx_http_registry_places_init;
    }

    return zone;
}


static ngx_int_t
ngx_http_registry_places_init(ngx_shm_zone_t *zone, void *data)
{
    ngx_slab_pool_t             *slab;
    ngx_http_registry_places_t  *places;

    slab = (ngx_slab_pool_t *) zone->shm.addr;
    places = data ? data : slab->data;

    if (places == NULL || places->magic != NGX_HTTP_REGISTRY_PLACE_MAGIC) {

        places = ngx_slab_calloc(slab, sizeof(ngx_http_registry_places_t));
        if (places == NULL) {
            return NGX_ERROR;
        }

        places->magic = NGX_HTTP_REGISTRY_PLACE_MAGIC;
        slab->data = places;
    }

    zone->data = places;

    return NGX_OK;
}


int
ngx_http_registry_places_at(void *data, reg_place_t what, const reg_str_t *id,
    uint64_t tip)
{
    int                          held;
    ngx_shm_zone_t              *zone = data;
    ngx_slab_pool_t             *slab;
    ngx_http_registry_place_t   *place;
    ngx_http_registry_places_t  *places = zone->data;

    if (id->len != NGX_HTTP_REGISTRY_PLACE_ID) {
        return 0;
    }

    held = 0;
    slab = (ngx_slab_pool_t *) zone->shm.addr;

    ngx_shmtx_lock(&slab->mutex);

    place = ngx_http_registry_place_find(places, id);

    switch (what) {

    case REG_PLACE_BEGIN:
        ngx_http_registry_place_begin(places, id);
        break;

    case REG_PLACE_TAKE:
        if (place && !place->taken && place->tip == tip) {
            place->taken = 1;
            place->touched = ngx_current_msec;
            held = 1;
        }

        break;

    case REG_PLACE_LEAVE:
        if (place) {
            place->taken = 0;
            place->tip = tip;
            place->touched = ngx_current_msec;
            held = 1;
        }

        break;

    default: /* REG_PLACE_LOSE */
        if (place) {
            place->used = 0;
        }
    }

    ngx_shmtx_unlock(&slab->mutex);

    return held;
}


static ngx_http_registry_place_t *
ngx_http_registry_place_row(ngx_http_registry_places_t *places,
    const reg_str_t *id)
{
    return places->rows[ngx_crc32_short(id->data, id->len)
                        % NGX_HTTP_REGISTRY_PLACE_ROWS];
}


static ngx_http_registry_place_t *
ngx_http_registry_place_find(ngx_http_registry_places_t *places,
    const reg_str_t *id)
{
    ngx_uint_t                  i;
    ngx_http_registry_place_t  *row;

    row = ngx_http_registry_place_row(places, id);

    for (i = 0; i < NGX_HTTP_REGISTRY_PLACE_WAYS; i++) {
        if (row[i].used && ngx_memcmp(row[i].id, id->data, id->len) == 0) {
            return &row[i];
        }
    }

    return NULL;
}


/* a free entry, or that which was not touched for longest */

static void
ngx_http_registry_place_begin(ngx_http_registry_places_t *places,
    const reg_str_t *id)
{
    ngx_uint_t                  i;
    ngx_http_registry_place_t  *row, *place;

    row = ngx_http_registry_place_row(places, id);
    place = &row[0];

    for (i = 0; i < NGX_HTTP_REGISTRY_PLACE_WAYS; i++) {

        if (!row[i].used) {
            place = &row[i];
            break;
        }

        if ((ngx_msec_int_t) (row[i].touched - place->touched) < 0) {
            place = &row[i];
        }
    }

    ngx_memcpy(place->id, id->data, id->len);
    place->used = 1;
    place->taken = 0;
    place->tip = 0;
    place->touched = ngx_current_msec;
}
