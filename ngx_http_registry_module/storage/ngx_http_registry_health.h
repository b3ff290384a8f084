
/*
 * Whether a container can be used: one worker of the node asks the storage
 * for it now and then, all know the outcome.
 */

#ifndef _NGX_HTTP_REGISTRY_HEALTH_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_HEALTH_H_INCLUDED_


#include "base/ngx_http_registry.h"


typedef struct {
    ngx_str_t      container;
    ngx_str_t      user;
    ngx_str_t      upstream;
    ngx_uint_t     healthy;     /* unsigned  healthy:1; */
    ngx_uint_t     passed;      /* checks */
    ngx_uint_t     failed;
    const char    *why;         /* the last one failed; or "" */
    ngx_uint_t     status;      /* of the storage; 0: none */
    time_t         checked;     /* when the last one ended; 0: none has */
} ngx_http_registry_health_state_t;


/* for init_process: of ngx_http_registry_health_t pointers */
ngx_int_t ngx_http_registry_health_init_worker(ngx_cycle_t *cycle,
    ngx_array_t *checks);

/*
 * A request found the container, or could not make it: that is told by
 * health_state() until one can, but keeps nobody from trying.  NULL: no check.
 */
void ngx_http_registry_health_container(ngx_http_registry_health_t *health,
    ngx_uint_t found);

ngx_uint_t ngx_http_registry_healthy(ngx_http_registry_health_t *health);
void ngx_http_registry_health_state(ngx_http_registry_health_t *health,
    ngx_http_registry_health_state_t *state);

char *ngx_http_registry_health_init(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf);


#endif /* _NGX_HTTP_REGISTRY_HEALTH_H_INCLUDED_ */
