/*
 * The directives of the cache of blobs on disk: nginx's own, under our names.
 */

#include "ngx_http_registry_slice_conf.h"
#include "calls/ngx_http_registry_slice_lock.h"

#include <openssl/sha.h>


#if (NGX_HTTP_CACHE)

char *
ngx_http_registry_set_blob_cache(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_registry_loc_conf_t  *rlcf = conf;

    ngx_str_t  *value;

    if (rlcf->blob_cache != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        rlcf->blob_cache = NULL;
        return NGX_CONF_OK;
    }

    rlcf->blob_cache = ngx_shared_memory_add(cf, &value[1], 0,
                                             &ngx_http_registry_module);

    return rlcf->blob_cache ? NGX_CONF_OK : NGX_CONF_ERROR;
}


char *
ngx_http_registry_set_cache_path(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    char                           *rc;
    ngx_http_file_cache_t         **caches;
    ngx_http_registry_main_conf_t  *rmcf = conf;

    rc = ngx_http_file_cache_set_slot(cf, cmd, conf);

    if (rc == NGX_CONF_OK) {

        /* files are written where they stay */

        caches = rmcf->caches.elts;
        caches[rmcf->caches.nelts - 1]->use_temp_path = 0;
    }

    return rc;
}


/* which storage, and where in it: a hash, as it becomes a part of each key */

static ngx_int_t
ngx_http_registry_blob_cache_id(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf)
{
    u_char  hash[SHA256_DIGEST_LENGTH];

    conf->blob_cache_id.len = 2 * sizeof(hash);

    conf->blob_cache_id.data = ngx_pnalloc(cf->pool, 2 * sizeof(hash));
    if (conf->blob_cache_id.data == NULL) {
        return NGX_ERROR;
    }

    SHA256(conf->container_id.data, conf->container_id.len, hash);
    (void) ngx_hex_dump(conf->blob_cache_id.data, hash, sizeof(hash));

    return NGX_OK;
}


/* a copy of the upstream of small calls, with nginx's cache switched on */

char *
ngx_http_registry_blob_cache(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf)
{
    ngx_http_upstream_conf_t  *u = &conf->blobs;

    if (conf->blob_cache == NULL) {
        conf->slice = 0;
        return NGX_CONF_OK;
    }

    if (conf->blob_cache->data == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry_blob_cache\" zone \"%V\" is made by no"
                           " \"registry_cache_path\"",
                           &conf->blob_cache->shm.name);
        return NGX_CONF_ERROR;
    }

    if (conf->slice < NGX_HTTP_REGISTRY_SLICE_MIN) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry_blob_cache_slice\" must be 256k or"
                           " more: each slice is a file");
        return NGX_CONF_ERROR;
    }

    if (ngx_http_registry_blob_cache_id(cf, conf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    *u = conf->upstream;

    u->cache = 1;
    u->cache_zone = conf->blob_cache;
    u->cache_methods = NGX_HTTP_GET|NGX_HTTP_HEAD;
    u->cache_min_uses = 1;
    u->cache_lock = 1;
    u->cache_lock_timeout = 60000;
    u->cache_lock_age = NGX_HTTP_REGISTRY_LOCK_AGE;
    u->cache_max_range_offset = NGX_MAX_OFF_T_VALUE;

    /* of the reply's header, and of the file's before it */
    u->buffer_size = 8 * 1024;

    u->max_temp_file_size = NGX_MAX_OFF_T_VALUE;
    u->temp_file_write_size = 512 * 1024;

    return NGX_CONF_OK;
}

#else

char *
ngx_http_registry_set_blob_cache(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    return "needs an nginx with the http cache";
}


char *
ngx_http_registry_set_cache_path(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    return "needs an nginx with the http cache";
}


char *
ngx_http_registry_blob_cache(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf)
{
    conf->slice = 0;

    return NGX_CONF_OK;
}

#endif
