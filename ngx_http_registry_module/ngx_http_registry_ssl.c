/*
 * TLS to the storage: verified, unless it is said that it need not be.
 */

#include "ngx_http_registry_module.h"


#if (NGX_HTTP_SSL)

/* a chain of real authorities has two or three */
#define NGX_HTTP_REGISTRY_SSL_DEPTH  9


static char *ngx_http_registry_ssl_trust(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf);
static char *ngx_http_registry_ssl_name(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf);


char *
ngx_http_registry_ssl(ngx_conf_t *cf, ngx_http_registry_loc_conf_t *conf)
{
    ngx_ssl_t           *ssl;
    ngx_str_t            ciphers = ngx_string("DEFAULT");
    ngx_pool_cleanup_t  *cln;

    ssl = ngx_pcalloc(cf->pool, sizeof(ngx_ssl_t));
    cln = ngx_pool_cleanup_add(cf->pool, 0);

    if (ssl == NULL || cln == NULL) {
        return NGX_CONF_ERROR;
    }

    ssl->log = cf->log;

    if (ngx_ssl_create(ssl, NGX_SSL_TLSv1_2|NGX_SSL_TLSv1_3, NULL)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_ssl_cleanup_ctx;
    cln->data = ssl;

    conf->upstream.ssl = ssl;
    conf->upstream.ssl_session_reuse = 1;
    conf->upstream.ssl_server_name = 1;
    conf->upstream.ssl_verify = conf->ssl_verify;

    if (ngx_ssl_ciphers(cf, ssl, &ciphers, 0) != NGX_OK
        || ngx_ssl_client_session_cache(cf, ssl, 1) != NGX_OK
        || ngx_http_registry_ssl_trust(cf, conf) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    return ngx_http_registry_ssl_name(cf, conf);
}


static char *
ngx_http_registry_ssl_trust(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf)
{
    ngx_ssl_t  *ssl = conf->upstream.ssl;

    if (!conf->ssl_verify) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "\"registry_ssl_verify off\": whoever is between"
                           " nginx and the storage can read its token");
        return NGX_CONF_OK;
    }

    if (conf->ssl_trusted.len) {
        return ngx_ssl_trusted_certificate(cf, ssl, &conf->ssl_trusted,
                                           NGX_HTTP_REGISTRY_SSL_DEPTH)
               == NGX_OK ? NGX_CONF_OK : NGX_CONF_ERROR;
    }

    if (SSL_CTX_set_default_verify_paths(ssl->ctx) == 0) {
        ngx_ssl_error(NGX_LOG_EMERG, cf->log, 0,
                      "SSL_CTX_set_default_verify_paths() failed");
        return NGX_CONF_ERROR;
    }

    SSL_CTX_set_verify_depth(ssl->ctx, NGX_HTTP_REGISTRY_SSL_DEPTH);

    return NGX_CONF_OK;
}


/* else nginx takes the name of the upstream {} block */

static char *
ngx_http_registry_ssl_name(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf)
{
    ngx_http_compile_complex_value_t   ccv;

    if (conf->ssl_name.len == 0) {
        return NGX_CONF_OK;
    }

    conf->upstream.ssl_name = ngx_pcalloc(cf->pool,
                                          sizeof(ngx_http_complex_value_t));
    if (conf->upstream.ssl_name == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &conf->ssl_name;
    ccv.complex_value = conf->upstream.ssl_name;

    return ngx_http_compile_complex_value(&ccv) == NGX_OK ? NGX_CONF_OK
                                                          : NGX_CONF_ERROR;
}

#else

char *
ngx_http_registry_ssl(ngx_conf_t *cf, ngx_http_registry_loc_conf_t *conf)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"registry_pass\" with \"https://\" needs an nginx"
                       " with the http SSL module");

    return NGX_CONF_ERROR;
}

#endif
