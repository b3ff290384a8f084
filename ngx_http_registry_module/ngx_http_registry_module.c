/*
 * Directives and configuration.
 */

#include "base/ngx_http_registry.h"
#include "ops/reg_flow.h"
#include "shared/ngx_http_registry_cache.h"
#include "shared/ngx_http_registry_containers.h"
#include "shared/ngx_http_registry_places.h"
#include "shared/ngx_http_registry_stat.h"
#include "storage/ngx_http_registry_health.h"
#include "storage/ngx_http_registry_subrequest.h"
#include "storage/ngx_http_registry_token.h"
#include "handlers/ngx_http_registry_access.h"
#include "handlers/ngx_http_registry_error.h"
#include "handlers/ngx_http_registry_handler.h"
#include "handlers/ngx_http_registry_hide.h"
#include "handlers/ngx_http_registry_log.h"
#include "handlers/ngx_http_registry_variables.h"
#include "conf/ngx_http_registry_account.h"
#include "conf/ngx_http_registry_conf.h"
#include "conf/ngx_http_registry_secret.h"
#include "conf/ngx_http_registry_slice_conf.h"
#include "conf/ngx_http_registry_ssl.h"


#define NGX_HTTP_REGISTRY_CACHE_SIZE      (32 * 1024 * 1024)


static void *ngx_http_registry_create_main_conf(ngx_conf_t *cf);
static void *ngx_http_registry_create_srv_conf(ngx_conf_t *cf);
static void *ngx_http_registry_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_registry_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static char *ngx_http_registry_location(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf, ngx_http_core_loc_conf_t *clcf);
static ngx_int_t ngx_http_registry_init(ngx_conf_t *cf);
static ngx_int_t ngx_http_registry_init_process(ngx_cycle_t *cycle);


static ngx_conf_enum_t  ngx_http_registry_sparse[] = {
    { ngx_string("off"), REG_SPARSE_OFF },
    { ngx_string("index"), REG_SPARSE_INDEX },
    { ngx_string("all"), REG_SPARSE_ALL },
    { ngx_null_string, 0 }
};


static ngx_command_t  ngx_http_registry_commands[] = {

    { ngx_string("registry_pass"),
      NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF|NGX_CONF_TAKE1,
      ngx_http_registry_set_pass,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("registry_host"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, host_set),
      NULL },

    { ngx_string("registry_auth_url"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, auth_url),
      NULL },

    { ngx_string("registry_auth_user"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, user),
      NULL },

    { ngx_string("registry_auth_version"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, auth_version),
      &ngx_http_registry_auth_versions },

    { ngx_string("registry_auth_domain"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, keystone.domain),
      NULL },

    { ngx_string("registry_auth_project"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, keystone.project),
      NULL },

    { ngx_string("registry_auth_project_domain"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, keystone.project_domain),
      NULL },

    { ngx_string("registry_auth_application_credential"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, keystone.credential),
      NULL },

    { ngx_string("registry_auth_trust"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, keystone.trust),
      NULL },

    { ngx_string("registry_auth_region"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, keystone.region),
      NULL },

    { ngx_string("registry_auth_interface"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, keystone.interface),
      NULL },

    { ngx_string("registry_auth_key_file"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, key_file),
      NULL },

    { ngx_string("registry_container"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, container),
      NULL },

    { ngx_string("registry_prefix"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, prefix),
      NULL },

    { ngx_string("registry_external_url"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_registry_set_external_url,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("registry_delete"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_registry_set_switch,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, delete),
      NULL },

    { ngx_string("registry_anonymous_mount"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_registry_set_switch,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, anonymous_mount),
      NULL },

    { ngx_string("registry_read_only"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_registry_set_switch,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, read_only),
      NULL },

    { ngx_string("registry_immutable_tags"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_registry_set_switch,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, immutable),
      NULL },

    { ngx_string("registry_verify"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_registry_set_switch,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, verify),
      NULL },

    { ngx_string("registry_sparse"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, sparse),
      &ngx_http_registry_sparse },

    { ngx_string("registry_max_manifest_size"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, manifest_max),
      NULL },

    { ngx_string("registry_part_size"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_off_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, part_size),
      NULL },

    { ngx_string("registry_upload_expires"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_sec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, upload_expires),
      NULL },

    { ngx_string("registry_single_node"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, single_node),
      NULL },

    { ngx_string("registry_redirect"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_registry_set_redirect,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("registry_redirect_key_file"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, redirect_key_file),
      NULL },

    { ngx_string("registry_redirect_expires"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_sec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, redirect_expires),
      NULL },

    { ngx_string("registry_health"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      ngx_http_registry_set_health,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("registry_status"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_registry_set_status,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("registry_upload_authorize"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_registry_set_authorize,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("registry_secret_file"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, secret_file),
      NULL },

    { ngx_string("registry_cache"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_registry_set_cache,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("registry_cache_path"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_2MORE,
      ngx_http_registry_set_cache_path,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_registry_main_conf_t, caches),
      &ngx_http_registry_module },

    { ngx_string("registry_blob_cache"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_registry_set_blob_cache,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("registry_blob_cache_fill"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, blob_fill),
      NULL },

    { ngx_string("registry_blob_cache_slice"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_off_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, slice),
      NULL },

    { ngx_string("registry_cache_valid"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, cache_valid),
      NULL },

    { ngx_string("registry_cache_use_stale"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, cache_use_stale),
      NULL },

    { ngx_string("registry_ssl_trusted_certificate"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, ssl_trusted),
      NULL },

    { ngx_string("registry_ssl_name"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, ssl_name),
      NULL },

    { ngx_string("registry_ssl_verify"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, ssl_verify),
      NULL },

    { ngx_string("registry_connect_timeout"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, upstream.connect_timeout),
      NULL },

    { ngx_string("registry_send_timeout"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, upstream.send_timeout),
      NULL },

    { ngx_string("registry_read_timeout"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_registry_loc_conf_t, upstream.read_timeout),
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_registry_module_ctx = {
    ngx_http_registry_variables_add,          /* preconfiguration */
    ngx_http_registry_init,                   /* postconfiguration */

    ngx_http_registry_create_main_conf,    /* create main configuration */
    NULL,                                  /* init main configuration */

    ngx_http_registry_create_srv_conf,     /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_registry_create_loc_conf,     /* create location configuration */
    ngx_http_registry_merge_loc_conf       /* merge location configuration */
};


ngx_module_t  ngx_http_registry_module = {
    NGX_MODULE_V1,
    &ngx_http_registry_module_ctx,         /* module context */
    ngx_http_registry_commands,            /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_http_registry_init_process,        /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_http_upstream_conf_t  ngx_http_registry_upstream_defaults = {
    .buffering = 1,
    .buffer_size = 16 * 1024,
    .bufs = { 16, 64 * 1024 },
    .busy_buffers_size = 512 * 1024,
    .pass_request_headers = 0,
    .pass_request_body = 0,
    .ignore_client_abort = 0
};


static void *
ngx_http_registry_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_registry_main_conf_t  *rmcf;

    rmcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_registry_main_conf_t));
    if (rmcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&rmcf->accounts, cf->pool, 1,
                       sizeof(ngx_http_registry_account_t *))
        != NGX_OK)
    {
        return NULL;
    }

    if (ngx_array_init(&rmcf->locations, cf->pool, 4,
                       sizeof(ngx_http_registry_loc_conf_t *))
        != NGX_OK)
    {
        return NULL;
    }

    if (ngx_array_init(&rmcf->checks, cf->pool, 1,
                       sizeof(ngx_http_registry_health_t *))
        != NGX_OK)
    {
        return NULL;
    }

#if (NGX_HTTP_CACHE)

    if (ngx_array_init(&rmcf->caches, cf->pool, 1,
                       sizeof(ngx_http_file_cache_t *))
        != NGX_OK)
    {
        return NULL;
    }

#endif

    return rmcf;
}


static void *
ngx_http_registry_create_srv_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_registry_srv_conf_t));
}


static void *
ngx_http_registry_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_registry_loc_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_registry_loc_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     conf->host, host_set, file, auth_url, user, key_file = { 0, NULL };
     *     conf->container = { 0, NULL };
     *     conf->line = 0;
     *     conf->secret_file, prefix, root = { 0, NULL };
     *     conf->keystone = { 0 };
     *     conf->account = NULL;
     *     conf->places, container_known = NULL;
     *     conf->secrets = NULL;
     *     conf->nsecrets = 0;
     *     conf->former = NULL;
     *     conf->nformer = 0;
     */

    conf->upstream = ngx_http_registry_upstream_defaults;

    conf->upstream.connect_timeout = NGX_CONF_UNSET_MSEC;
    conf->upstream.send_timeout = NGX_CONF_UNSET_MSEC;
    conf->upstream.read_timeout = NGX_CONF_UNSET_MSEC;
    conf->upstream.hide_headers = NGX_CONF_UNSET_PTR;
    conf->upstream.pass_headers = NGX_CONF_UNSET_PTR;
    ngx_str_set(&conf->upstream.module, "registry");

    conf->auth_version = NGX_CONF_UNSET_UINT;
    conf->external_url = NGX_CONF_UNSET_PTR;
    conf->redirect = NGX_CONF_UNSET_PTR;
    conf->redirect_expires = NGX_CONF_UNSET;
    conf->delete = NGX_CONF_UNSET_PTR;
    conf->anonymous_mount = NGX_CONF_UNSET_PTR;
    conf->read_only = NGX_CONF_UNSET_PTR;
    conf->immutable = NGX_CONF_UNSET_PTR;
    conf->verify = NGX_CONF_UNSET_PTR;
    conf->sparse = NGX_CONF_UNSET_UINT;
    conf->manifest_max = NGX_CONF_UNSET_SIZE;
    conf->part_size = NGX_CONF_UNSET;
    conf->upload_expires = NGX_CONF_UNSET;
    conf->upload_authorize = NGX_CONF_UNSET;
    conf->single_node = NGX_CONF_UNSET;

    conf->health_interval = NGX_CONF_UNSET_MSEC;
    conf->health_threshold = NGX_CONF_UNSET_UINT;
    conf->ssl_verify = NGX_CONF_UNSET;
    conf->cache_zone = NGX_CONF_UNSET_PTR;
    conf->blob_cache = NGX_CONF_UNSET_PTR;
    conf->slice = NGX_CONF_UNSET;
    conf->blob_fill = NGX_CONF_UNSET;
    conf->cache_valid = NGX_CONF_UNSET_MSEC;
    conf->cache_use_stale = NGX_CONF_UNSET;

    return conf;
}


/* where the data is, and how it is reached */

static void
ngx_http_registry_merge_storage(ngx_http_registry_loc_conf_t *conf,
    ngx_http_registry_loc_conf_t *prev)
{
    ngx_conf_merge_str_value(conf->host_set, prev->host_set, "");
    ngx_conf_merge_str_value(conf->auth_url, prev->auth_url, "");
    ngx_conf_merge_str_value(conf->user, prev->user, "");
    ngx_conf_merge_str_value(conf->key_file, prev->key_file, "");
    ngx_conf_merge_str_value(conf->container, prev->container, "");
    ngx_conf_merge_str_value(conf->prefix, prev->prefix, "");

    ngx_conf_merge_str_value(conf->keystone.domain, prev->keystone.domain, "");
    ngx_conf_merge_str_value(conf->keystone.project, prev->keystone.project,
                             "");
    ngx_conf_merge_str_value(conf->keystone.project_domain,
                             prev->keystone.project_domain, "");
    ngx_conf_merge_str_value(conf->keystone.credential,
                             prev->keystone.credential, "");
    ngx_conf_merge_str_value(conf->keystone.trust, prev->keystone.trust, "");
    ngx_conf_merge_str_value(conf->keystone.region, prev->keystone.region,
                             "");
    ngx_conf_merge_str_value(conf->keystone.interface,
                             prev->keystone.interface, "public");

    if (conf->auth_version == NGX_CONF_UNSET_UINT) {
        conf->auth_version = prev->auth_version;
    }

    ngx_conf_merge_str_value(conf->ssl_trusted, prev->ssl_trusted, "");
    ngx_conf_merge_str_value(conf->ssl_name, prev->ssl_name, "");
    ngx_conf_merge_value(conf->ssl_verify, prev->ssl_verify, 1);

    ngx_conf_merge_msec_value(conf->upstream.connect_timeout,
                              prev->upstream.connect_timeout, 10000);
    ngx_conf_merge_msec_value(conf->upstream.send_timeout,
                              prev->upstream.send_timeout, 60000);
    ngx_conf_merge_msec_value(conf->upstream.read_timeout,
                              prev->upstream.read_timeout, 60000);

    conf->upstream.next_upstream = NGX_CONF_BITMASK_SET
                                   |NGX_HTTP_UPSTREAM_FT_ERROR
                                   |NGX_HTTP_UPSTREAM_FT_TIMEOUT;

    ngx_conf_merge_msec_value(conf->health_interval, prev->health_interval,
                              0);
    ngx_conf_merge_uint_value(conf->health_threshold, prev->health_threshold,
                              0);
}


/* what is allowed, and what is told to clients */

static void
ngx_http_registry_merge_rules(ngx_http_registry_loc_conf_t *conf,
    ngx_http_registry_loc_conf_t *prev)
{
    ngx_conf_merge_ptr_value(conf->external_url, prev->external_url, NULL);
    ngx_conf_merge_ptr_value(conf->redirect, prev->redirect, NULL);
    ngx_conf_merge_str_value(conf->redirect_key_file,
                             prev->redirect_key_file, "");
    ngx_conf_merge_value(conf->redirect_expires, prev->redirect_expires,
                         20 * 60);
    ngx_conf_merge_ptr_value(conf->delete, prev->delete, NULL);
    ngx_conf_merge_ptr_value(conf->anonymous_mount, prev->anonymous_mount,
                             NULL);
    ngx_conf_merge_ptr_value(conf->read_only, prev->read_only, NULL);
    ngx_conf_merge_ptr_value(conf->immutable, prev->immutable, NULL);
    ngx_conf_merge_ptr_value(conf->verify, prev->verify, NULL);
    ngx_conf_merge_uint_value(conf->sparse, prev->sparse, REG_SPARSE_INDEX);
    ngx_conf_merge_size_value(conf->manifest_max, prev->manifest_max,
                              4 * 1024 * 1024);
}


static void
ngx_http_registry_merge_uploads(ngx_http_registry_loc_conf_t *conf,
    ngx_http_registry_loc_conf_t *prev)
{
    ngx_conf_merge_str_value(conf->secret_file, prev->secret_file, "");
    ngx_conf_merge_off_value(conf->part_size, prev->part_size,
                             NGX_HTTP_REGISTRY_PART_MAX);
    ngx_conf_merge_value(conf->upload_expires, prev->upload_expires,
                         7 * 24 * 60 * 60);
    ngx_conf_merge_value(conf->upload_authorize, prev->upload_authorize, 0);
    ngx_conf_merge_value(conf->single_node, prev->single_node, 0);
}


static void
ngx_http_registry_merge_caches(ngx_http_registry_loc_conf_t *conf,
    ngx_http_registry_loc_conf_t *prev)
{
    ngx_conf_merge_msec_value(conf->cache_valid, prev->cache_valid, 1000);
    ngx_conf_merge_value(conf->cache_use_stale, prev->cache_use_stale, 0);

    ngx_conf_merge_ptr_value(conf->blob_cache, prev->blob_cache, NULL);
    ngx_conf_merge_off_value(conf->slice, prev->slice, 8 * 1024 * 1024);
    ngx_conf_merge_value(conf->blob_fill, prev->blob_fill, 0);

    if (conf->cache_zone == NGX_CONF_UNSET_PTR) {
        conf->cache_zone = prev->cache_zone;
    }
}


static char *
ngx_http_registry_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_registry_loc_conf_t  *prev = parent;
    ngx_http_registry_loc_conf_t  *conf = child;

    ngx_http_core_loc_conf_t  *clcf;

    ngx_http_registry_merge_storage(conf, prev);
    ngx_http_registry_merge_rules(conf, prev);
    ngx_http_registry_merge_uploads(conf, prev);
    ngx_http_registry_merge_caches(conf, prev);

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    /* "if" and "limit_except" are of the location that they stand in */

    if (clcf->noname && conf->upstream.upstream == NULL) {
        conf->upstream.upstream = prev->upstream.upstream;
        conf->host = prev->host;
        conf->ssl = prev->ssl;
        conf->file = prev->file;
        conf->line = prev->line;
    }

    if (conf->upstream.upstream == NULL) {
        return NGX_CONF_OK;
    }

    if (clcf->lmt_excpt && clcf->handler == NULL) {
        clcf->handler = ngx_http_registry_handler;
    }

    return ngx_http_registry_location(cf, conf, clcf);
}


/* of a registry: all that it needs */

static char *
ngx_http_registry_location(ngx_conf_t *cf, ngx_http_registry_loc_conf_t *conf,
    ngx_http_core_loc_conf_t *clcf)
{
    ngx_str_t  zone = ngx_string("registry_cache");

    if (ngx_http_registry_conf_check(cf, conf, clcf) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    /* nginx's default for forms, which no layer fits in */

    if (clcf->client_max_body_size == 1 * 1024 * 1024) {
        clcf->client_max_body_size = 0;
    }

    if (clcf->client_body_buffer_size < 512 * 1024) {
        clcf->client_body_buffer_size = 512 * 1024;
    }

    if (conf->ssl_trusted.len
        && ngx_conf_full_name(cf->cycle, &conf->ssl_trusted, 1) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (conf->ssl && ngx_http_registry_ssl(cf, conf) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    if (conf->cache_zone == NGX_CONF_UNSET_PTR) {
        conf->cache_zone = ngx_http_registry_cache_zone(cf, &zone,
                                          NGX_HTTP_REGISTRY_CACHE_SIZE);
        if (conf->cache_zone == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    if (conf->single_node) {
        conf->places = ngx_http_registry_places_zone(cf);
        if (conf->places == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    if (ngx_http_registry_redirect_init(cf, conf) != NGX_CONF_OK
        || ngx_http_registry_account(cf, conf) != NGX_CONF_OK
        || ngx_http_registry_blob_cache(cf, conf) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    return ngx_http_registry_health_init(cf, conf);
}


static ngx_int_t
ngx_http_registry_init(ngx_conf_t *cf)
{
    ngx_http_handler_pt        *log;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    log = ngx_array_push(&cmcf->phases[NGX_HTTP_LOG_PHASE].handlers);
    if (log == NULL) {
        return NGX_ERROR;
    }

    *log = ngx_http_registry_log_handler;

    if (ngx_http_registry_containers_zone(cf) != NGX_OK
        || ngx_http_registry_secrets_former(cf) != NGX_OK
        || ngx_http_registry_error_filters_init(cf) != NGX_OK
        || ngx_http_registry_variables_init(cf) != NGX_OK
        || ngx_http_registry_ssl_watch(cf) != NGX_OK
        || ngx_http_registry_access_init(cf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_registry_hide_init(cf);
}


static ngx_int_t
ngx_http_registry_init_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                      i;
    ngx_http_conf_ctx_t            *http;
    ngx_http_registry_account_t   **accounts;
    ngx_http_registry_main_conf_t  *rmcf;

    http = (ngx_http_conf_ctx_t *) cycle->conf_ctx[ngx_http_module.index];

    if (http == NULL
        || (ngx_process != NGX_PROCESS_WORKER
            && ngx_process != NGX_PROCESS_SINGLE))
    {
        return NGX_OK;
    }

    ngx_http_registry_stat_init_worker();
    ngx_http_registry_subrequest_hide();

    rmcf = http->main_conf[ngx_http_registry_module.ctx_index];
    accounts = rmcf->accounts.elts;

    for (i = 0; i < rmcf->accounts.nelts; i++) {
        if (ngx_http_registry_token_init_worker(cycle, accounts[i])
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return ngx_http_registry_health_init_worker(cycle, &rmcf->checks);
}
