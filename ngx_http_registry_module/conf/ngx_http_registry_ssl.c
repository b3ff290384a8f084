/*
 * TLS to the storage: verified, unless it is said that it need not be.
 *
 * Connections and sessions are of the upstream {} block, which keeps them for
 * all locations, of nginx's own modules too, whatever each of them verifies.
 * So what a location that verifies is given is looked at: it must have been
 * made by the same settings.  Their mark is at what OpenSSL makes: at the
 * SSL_CTX of a connection, and at a session.
 */

#include "ngx_http_registry_ssl.h"


#if (NGX_HTTP_SSL)

/* a chain of real authorities has two or three */
#define NGX_HTTP_REGISTRY_SSL_DEPTH  9


/* an upstream {} block of a location that verifies */
typedef struct {
    ngx_http_upstream_srv_conf_t    *upstream;
    ngx_http_upstream_init_peer_pt   init;
} ngx_http_registry_ssl_upstream_t;


/* of one call: what stood in its peer */
typedef struct {
    void                            *data;
    ngx_event_get_peer_pt            get;
    ngx_event_free_peer_pt           free;
    ngx_event_set_peer_session_pt    set_session;
    ngx_event_save_peer_session_pt   save_session;
    ngx_http_registry_loc_conf_t    *conf;
} ngx_http_registry_ssl_peer_t;


static char *ngx_http_registry_ssl_trust(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf);
static char *ngx_http_registry_ssl_name(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf);
static char *ngx_http_registry_ssl_mark(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf);
static ngx_int_t ngx_http_registry_ssl_peer_init(ngx_http_request_t *r,
    ngx_http_upstream_srv_conf_t *us);
static ngx_int_t ngx_http_registry_ssl_peer_get(ngx_peer_connection_t *pc,
    void *data);
static void ngx_http_registry_ssl_peer_free(ngx_peer_connection_t *pc,
    void *data, ngx_uint_t state);
static ngx_int_t ngx_http_registry_ssl_set_session(ngx_peer_connection_t *pc,
    void *data);
static void ngx_http_registry_ssl_save_session(ngx_peer_connection_t *pc,
    void *data);
static ngx_uint_t ngx_http_registry_ssl_marked(void *mark,
    ngx_http_registry_loc_conf_t *conf);
static void ngx_http_registry_ssl_close(ngx_connection_t *c);


/* of OpenSSL's "ex_data" */
static int  ngx_http_registry_ssl_ctx_index = -1;
static int  ngx_http_registry_ssl_session_index = -1;


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
        || ngx_http_registry_ssl_trust(cf, conf) != NGX_CONF_OK
        || ngx_http_registry_ssl_name(cf, conf) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    return ngx_http_registry_ssl_mark(cf, conf);
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


static char *
ngx_http_registry_ssl_mark(ngx_conf_t *cf, ngx_http_registry_loc_conf_t *conf)
{
    size_t      len;
    u_char     *p, *text;
    ngx_str_t  *name;

    if (!conf->ssl_verify) {
        return NGX_CONF_OK;
    }

    name = conf->ssl_name.len ? &conf->ssl_name : &conf->host;
    len = conf->ssl_trusted.len + 1 + name->len;

    text = ngx_pnalloc(cf->pool, len);
    if (text == NULL) {
        return NGX_CONF_ERROR;
    }

    p = ngx_cpymem(text, conf->ssl_trusted.data, conf->ssl_trusted.len);
    *p++ = '\0';
    ngx_memcpy(p, name->data, name->len);

    if (ngx_http_registry_ssl_ctx_index == -1) {
        ngx_http_registry_ssl_ctx_index =
            SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    }

    if (ngx_http_registry_ssl_session_index == -1) {
        ngx_http_registry_ssl_session_index =
            SSL_SESSION_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    }

    if (ngx_http_registry_ssl_ctx_index == -1
        || ngx_http_registry_ssl_session_index == -1
        || EVP_Digest(text, len, conf->ssl_mark, NULL, EVP_sha256(), NULL)
           == 0
        || SSL_CTX_set_ex_data(conf->upstream.ssl->ctx,
                               ngx_http_registry_ssl_ctx_index,
                               conf->ssl_mark)
           == 0)
    {
        ngx_ssl_error(NGX_LOG_EMERG, cf->log, 0,
                      "SSL_CTX_set_ex_data() failed");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_registry_ssl_watch(ngx_conf_t *cf)
{
    ngx_uint_t                          i;
    ngx_http_upstream_srv_conf_t       *us;
    ngx_http_registry_loc_conf_t      **locations;
    ngx_http_registry_main_conf_t      *rmcf;
    ngx_http_registry_ssl_upstream_t   *upstream;

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_registry_module);
    locations = rmcf->locations.elts;

    if (ngx_array_init(&rmcf->upstreams, cf->pool, 1,
                       sizeof(ngx_http_registry_ssl_upstream_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < rmcf->locations.nelts; i++) {

        us = locations[i]->upstream.upstream;

        if (!locations[i]->ssl || !locations[i]->ssl_verify
            || us->peer.init == ngx_http_registry_ssl_peer_init)
        {
            continue;
        }

        upstream = ngx_array_push(&rmcf->upstreams);
        if (upstream == NULL) {
            return NGX_ERROR;
        }

        upstream->upstream = us;
        upstream->init = us->peer.init;

        us->peer.init = ngx_http_registry_ssl_peer_init;
    }

    return NGX_OK;
}


/* requests of other modules come here, too */

static ngx_int_t
ngx_http_registry_ssl_peer_init(ngx_http_request_t *r,
    ngx_http_upstream_srv_conf_t *us)
{
    ngx_int_t                          rc;
    ngx_uint_t                         i;
    ngx_http_upstream_t               *u;
    ngx_http_registry_ssl_peer_t      *peer;
    ngx_http_registry_loc_conf_t      *rlcf;
    ngx_http_registry_main_conf_t     *rmcf;
    ngx_http_registry_ssl_upstream_t  *upstream;

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_registry_module);
    upstream = rmcf->upstreams.elts;

    for (i = 0; upstream[i].upstream != us; i++) { /* void */ }

    rc = upstream[i].init(r, us);

    u = r->upstream;
    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    if (rc != NGX_OK || !u->ssl || !rlcf->ssl_verify
        || (u->conf != &rlcf->upstream && u->conf != &rlcf->blobs))
    {
        return rc;
    }

    peer = ngx_palloc(r->pool, sizeof(ngx_http_registry_ssl_peer_t));
    if (peer == NULL) {
        return NGX_ERROR;
    }

    peer->data = u->peer.data;
    peer->get = u->peer.get;
    peer->free = u->peer.free;
    peer->set_session = u->peer.set_session;
    peer->save_session = u->peer.save_session;
    peer->conf = rlcf;

    u->peer.data = peer;
    u->peer.get = ngx_http_registry_ssl_peer_get;
    u->peer.free = ngx_http_registry_ssl_peer_free;
    u->peer.set_session = ngx_http_registry_ssl_set_session;
    u->peer.save_session = ngx_http_registry_ssl_save_session;

    return NGX_OK;
}


static ngx_int_t
ngx_http_registry_ssl_peer_get(ngx_peer_connection_t *pc, void *data)
{
    ngx_http_registry_ssl_peer_t *peer = data;

    ngx_int_t          rc;
    ngx_connection_t  *c;

    rc = peer->get(pc, peer->data);

    if (rc != NGX_DONE || !pc->cached) {
        return rc;
    }

    c = pc->connection;

    /* what has no TLS yet is about to get it, and is looked at then */

    if (c->ssl == NULL
        || ngx_http_registry_ssl_marked(
               SSL_CTX_get_ex_data(SSL_get_SSL_CTX(c->ssl->connection),
                                   ngx_http_registry_ssl_ctx_index),
               peer->conf))
    {
        return NGX_DONE;
    }

    /* the address stands: a connection of our own is made to it */

    ngx_log_error(NGX_LOG_INFO, pc->log, 0,
                  "registry: a connection to %V that was made with other"
                  " TLS settings is not used", pc->name);

    ngx_http_registry_ssl_close(c);

    pc->connection = NULL;
    pc->cached = 0;

    return NGX_OK;
}


static void
ngx_http_registry_ssl_peer_free(ngx_peer_connection_t *pc, void *data,
    ngx_uint_t state)
{
    ngx_http_registry_ssl_peer_t *peer = data;

    peer->free(pc, peer->data, state);
}


static ngx_int_t
ngx_http_registry_ssl_set_session(ngx_peer_connection_t *pc, void *data)
{
    ngx_http_registry_ssl_peer_t *peer = data;

    SSL_SESSION     *session;
    ngx_ssl_conn_t  *ssl;

    if (peer->set_session(pc, peer->data) != NGX_OK) {
        return NGX_ERROR;
    }

    ssl = pc->connection->ssl->connection;
    session = SSL_get_session(ssl);

    if (session
        && !ngx_http_registry_ssl_marked(
               SSL_SESSION_get_ex_data(session,
                                       ngx_http_registry_ssl_session_index),
               peer->conf)
        && SSL_set_session(ssl, NULL) == 0)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_http_registry_ssl_save_session(ngx_peer_connection_t *pc, void *data)
{
    ngx_http_registry_ssl_peer_t *peer = data;

    SSL_SESSION  *session;

    session = ngx_ssl_get0_session(pc->connection);

    if (session) {
        (void) SSL_SESSION_set_ex_data(session,
                                       ngx_http_registry_ssl_session_index,
                                       peer->conf->ssl_mark);
    }

    peer->save_session(pc, peer->data);
}


static ngx_uint_t
ngx_http_registry_ssl_marked(void *mark, ngx_http_registry_loc_conf_t *conf)
{
    return mark
           && ngx_memcmp(mark, conf->ssl_mark, sizeof(conf->ssl_mark)) == 0;
}


static void
ngx_http_registry_ssl_close(ngx_connection_t *c)
{
    if (c->ssl) {
        c->ssl->no_wait_shutdown = 1;
        c->ssl->no_send_shutdown = 1;
        (void) ngx_ssl_shutdown(c);
    }

    ngx_destroy_pool(c->pool);
    ngx_close_connection(c);
}

#else

ngx_int_t
ngx_http_registry_ssl_watch(ngx_conf_t *cf)
{
    return NGX_OK;
}


char *
ngx_http_registry_ssl(ngx_conf_t *cf, ngx_http_registry_loc_conf_t *conf)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"registry_pass\" with \"https://\" needs an nginx"
                       " with the http SSL module");

    return NGX_CONF_ERROR;
}

#endif
