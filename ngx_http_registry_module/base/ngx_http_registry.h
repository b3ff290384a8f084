/*
 * The module, and the configuration of its locations.
 */

#ifndef _NGX_HTTP_REGISTRY_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/reg_keystone.h"

#define NGX_HTTP_REGISTRY_VERSION  "0.1.0"


/* RGW takes 5 GiB in one PUT; smaller parts than 1 MiB are many */
#define NGX_HTTP_REGISTRY_PART_MIN  ((off_t) 1024 * 1024)
#define NGX_HTTP_REGISTRY_PART_MAX  ((off_t) 5 * 1024 * 1024 * 1024)

#define NGX_HTTP_REGISTRY_SLICE_MIN  (256 * 1024)


/* formats of registry_status */
#define NGX_HTTP_REGISTRY_PROMETHEUS  1
#define NGX_HTTP_REGISTRY_JSON        2
#define NGX_HTTP_REGISTRY_HEALTH      3

/* a status that nginx has no name for */
#define NGX_HTTP_REGISTRY_HEADER_TOO_LARGE  431

/* of a container, and of a prefix in it */
#define NGX_HTTP_REGISTRY_NAME_MAX    255


typedef struct ngx_http_registry_account_s  ngx_http_registry_account_t;
typedef struct ngx_http_registry_health_s   ngx_http_registry_health_t;


/* embedded by who waits for a token, zeroed before its first use */

typedef struct {
    ngx_queue_t    queue;
    /* NGX_OK: a token is there; NGX_ERROR: none, why was logged */
    void         (*handler)(void *data, ngx_int_t rc);
    void          *data;
} ngx_http_registry_token_wait_t;


typedef struct {
    ngx_array_t                    accounts;    /* of account_t pointers */
    ngx_array_t                    caches;      /* of file caches of nginx */
    ngx_array_t                    checks;      /* of health_t pointers */
    ngx_array_t                    locations;   /* of loc_conf_t pointers */
    ngx_array_t                    upstreams;   /* of ssl.c */
} ngx_http_registry_main_conf_t;


typedef struct {
    ngx_uint_t                     registry;    /* one of its locations is */
} ngx_http_registry_srv_conf_t;


typedef struct {
    ngx_http_upstream_conf_t       upstream;
    ngx_str_t                      host;        /* of registry_pass */
    ngx_str_t                      host_set;    /* by registry_host */
    ngx_str_t                      host_told;   /* to the storage */
    ngx_str_t                      file;        /* it stands in, for people */
    ngx_uint_t                     line;

    ngx_str_t                      auth_url;
    ngx_str_t                      user;
    ngx_uint_t                     auth_version;    /* unset: by the URL */
    reg_keystone_t                 keystone;
    ngx_str_t                      key_file;
    ngx_str_t                      secret_file;
    ngx_str_t                      container;
    ngx_str_t                      prefix;
    ngx_str_t                      prefix_slash;    /* or empty */
    ngx_str_t                      root;        /* container[/prefix] */
    ngx_http_complex_value_t      *external_url;
    ngx_http_complex_value_t      *redirect;    /* NULL: off */
    ngx_str_t                      redirect_key_file;
    ngx_str_t                      redirect_key;
    time_t                         redirect_expires;
    ngx_http_complex_value_t      *delete;      /* NULL: off */
    ngx_http_complex_value_t      *anonymous_mount;
    ngx_http_complex_value_t      *read_only;
    ngx_http_complex_value_t      *immutable;
    ngx_http_complex_value_t      *verify;      /* NULL: of what is kept */
    ngx_uint_t                     sparse;      /* reg_sparse_t */
    size_t                         manifest_max;
    off_t                          part_size;
    time_t                         upload_expires;
    time_t                         upload_authorize;    /* 0: off */
    ngx_flag_t                     single_node;
    ngx_shm_zone_t                *places;      /* of a single node */

    ngx_http_registry_account_t   *account;
    ngx_atomic_t                  *container_known;     /* shared */
    ngx_msec_t                     health_interval;     /* 0: off */
    ngx_uint_t                     health_threshold;
    ngx_http_registry_health_t    *health;      /* NULL: off */
    ngx_uint_t                     status;      /* of registry_status */

    ngx_http_upstream_conf_t       blobs;       /* with nginx's cache */
    ngx_shm_zone_t                *blob_cache;  /* NULL: off */
    ngx_str_t                      blob_cache_id;   /* whose slices */
    off_t                          slice;
    ngx_flag_t                     blob_fill;   /* by pushes, too */

    ngx_str_t                      ssl_trusted;
    ngx_str_t                      ssl_name;
    ngx_flag_t                     ssl_verify;
    ngx_uint_t                     ssl;         /* unsigned  ssl:1; */
    u_char                         ssl_mark[32];    /* of what verifies */

    ngx_str_t                      container_id;    /* account.c: where it is */
    ngx_shm_zone_t                *cache_zone;      /* NULL: off */
    ngx_msec_t                     cache_valid;
    ngx_flag_t                     cache_use_stale;
    u_char                        *secrets;     /* the first one signs */
    ngx_uint_t                     nsecrets;
    u_char                        *former;      /* as 0.1.0 had them */
    ngx_uint_t                     nformer;
} ngx_http_registry_loc_conf_t;


extern ngx_module_t  ngx_http_registry_module;


#endif /* _NGX_HTTP_REGISTRY_H_INCLUDED_ */
