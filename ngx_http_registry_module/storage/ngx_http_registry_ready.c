/*
 * Whether the storage can be asked now: its health, a token, the container.
 */

#include "ngx_http_registry_ready.h"
#include "shared/ngx_http_registry_containers.h"
#include "ngx_http_registry_health.h"
#include "ngx_http_registry_token.h"


ngx_int_t
ngx_http_registry_ready_token(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    ngx_http_registry_ctx_t       *ctx;
    ngx_http_registry_loc_conf_t  *rlcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    /* what has waited in vain goes on as what need not wait to know */

    if (ctx->tokenless) {
        ctx->tokenless = 0;
        ngx_str_set(&ctx->last_error, "no token to be had");
        return NGX_ERROR;
    }

    /* a write that has begun is not given up */

    if ((r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))
        && !ngx_http_registry_healthy(rlcf->health))
    {
        ngx_str_set(&ctx->last_error, "its health check has failed");
        return NGX_ERROR;
    }

    ctx->wait.handler = ngx_http_registry_ready_come;
    ctx->wait.data = r;

    rc = ngx_http_registry_token_get(rlcf->account, r->pool, &ctx->token,
                                     &ctx->storage, &ctx->wait);

    if (rc == NGX_ERROR) {
        ngx_str_set(&ctx->last_error, "no token to be had");
    }

    return rc;
}


void
ngx_http_registry_ready_come(void *data, ngx_int_t rc)
{
    ngx_http_request_t  *r = data;

    ngx_connection_t         *c;
    ngx_http_registry_ctx_t  *ctx;

    c = r->connection;
    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    ctx->tokenless = (rc != NGX_OK);

    ngx_http_registry_next(r, NGX_HTTP_REGISTRY_AGAIN);

    r->write_event_handler(r);

    ngx_http_run_posted_requests(c);
}


/* how long the request has to wait for the storage */

void
ngx_http_registry_ready_busy(ngx_http_registry_ctx_t *ctx, ngx_uint_t busy)
{
    if (ctx->storage_busy) {
        ctx->storage_time += ngx_current_msec - ctx->storage_since;
    }

    ctx->storage_busy = busy;
    ctx->storage_since = ngx_current_msec;
}


ngx_uint_t
ngx_http_registry_ready_container(ngx_http_request_t *r)
{
    reg_route_kind_t               kind;
    ngx_http_registry_ctx_t       *ctx;
    ngx_http_registry_loc_conf_t  *rlcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);
    kind = ctx->operation->route.kind;

    switch (*rlcf->container_known) {

    case NGX_HTTP_REGISTRY_CONTAINER_FOUND:
        return 1;

    case NGX_HTTP_REGISTRY_CONTAINER_LOST:
        return kind != REG_ROUTE_UPLOADS && kind != REG_ROUTE_UPLOAD;

    default: /* NGX_HTTP_REGISTRY_CONTAINER_UNKNOWN */
        return 0;
    }
}


void
ngx_http_registry_ready_container_is(ngx_http_request_t *r, ngx_uint_t known)
{
    ngx_http_registry_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    /* what was never there is not lost: whoever comes first makes it */

    if (known == NGX_HTTP_REGISTRY_CONTAINER_LOST
        && *rlcf->container_known == NGX_HTTP_REGISTRY_CONTAINER_UNKNOWN)
    {
        return;
    }

    *rlcf->container_known = known;

    if (known == NGX_HTTP_REGISTRY_CONTAINER_FOUND) {
        ngx_http_registry_health_container(rlcf->health, 1);
    }
}


void
ngx_http_registry_ready_container_unmade(ngx_http_request_t *r)
{
    ngx_http_registry_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    *rlcf->container_known = NGX_HTTP_REGISTRY_CONTAINER_UNKNOWN;

    ngx_http_registry_health_container(rlcf->health, 0);
}
