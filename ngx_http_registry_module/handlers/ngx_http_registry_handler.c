/*
 * The content handler: makes a flow of the request and drives it.
 */

#include "ngx_http_registry_handler.h"
#include "base/ngx_http_registry_util.h"
#include "core/reg_name.h"
#include "ops/reg_ops.h"
#include "ops/reg_store.h"
#include "shared/ngx_http_registry_places.h"
#include "shared/ngx_http_registry_stat.h"
#include "client/ngx_http_registry_body.h"
#include "client/ngx_http_registry_leave.h"
#include "storage/ngx_http_registry_health.h"
#include "storage/ngx_http_registry_subrequest.h"
#include "storage/ngx_http_registry_token.h"
#include "calls/ngx_http_registry_call.h"
#include "ngx_http_registry_access.h"
#include "ngx_http_registry_drive.h"
#include "ngx_http_registry_immutable.h"
#include "ngx_http_registry_redirect.h"

#include <openssl/rand.h>


static ngx_int_t ngx_http_registry_begin(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static void ngx_http_registry_cleanup(void *data);


ngx_int_t
ngx_http_registry_handler(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    ngx_pool_cleanup_t       *cln;
    ngx_http_registry_ctx_t  *ctx;

    if (r != r->main) {
        return ngx_http_registry_subrequest_run(r);
    }

    /* a variable that a rule stands on could not be told */

    if (r->connection->error) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_registry_ctx_t));
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->operation = ngx_pcalloc(r->pool, sizeof(reg_flow_t));
    if (ctx->operation == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_http_registry_cleanup;
    cln->data = ctx;

    ngx_http_set_ctx(r, ctx, ngx_http_registry_module);

    rc = ngx_http_registry_begin(r, ctx);

    if (rc != NGX_OK) {
        return rc == NGX_ERROR ? NGX_HTTP_INTERNAL_SERVER_ERROR : rc;
    }

    ctx->counted = 1;
    ngx_http_registry_count_running(ctx->operation->route.kind, 1);

    r->write_event_handler = ngx_http_registry_drive_wake;

    /* what only reads is not worth its end */

    if (ctx->operation->method != REG_GET
        && ctx->operation->method != REG_HEAD)
    {
        ngx_http_registry_leave_hold(r);
    }

    /* held until the flow is at its end */

    r->main->count++;

    ngx_http_registry_drive(r);

    return NGX_DONE;
}


static ngx_int_t
ngx_http_registry_copy_headers(ngx_http_request_t *r, reg_flow_t *f)
{
    ngx_int_t   rc;
    ngx_uint_t  i;

    static const struct {
        ngx_str_t   name;
        size_t      offset;
    } headers[] = {
        { ngx_string("Content-Type"), offsetof(reg_flow_t, content_type) },
        { ngx_string("Content-Range"), offsetof(reg_flow_t, content_range) },
        { ngx_string("Range"), offsetof(reg_flow_t, range) },
        { ngx_string("Accept"), offsetof(reg_flow_t, accept) },
        { ngx_string("If-Match"), offsetof(reg_flow_t, if_match) },
        { ngx_string("If-None-Match"), offsetof(reg_flow_t, if_none_match) },
        { ngx_string("If-Range"), offsetof(reg_flow_t, if_range) }
    };

    for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {

        rc = ngx_http_registry_copy_header(r, (ngx_str_t *) &headers[i].name,
                             (reg_str_t *) ((char *) f + headers[i].offset));

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


/* relative Locations are right for all clients: never an error */

static ngx_int_t
ngx_http_registry_external_url(ngx_http_request_t *r, reg_str_t *url)
{
    ngx_str_t                      value;
    ngx_http_registry_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    if (rlcf->external_url == NULL) {
        return NGX_OK;
    }

    if (ngx_http_complex_value(r, rlcf->external_url, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    url->len = value.len;
    url->data = value.data;

    if (url->len && !reg_url_valid(url)) {
        value = ngx_http_registry_visible(r, &value);

        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "registry: \"registry_external_url\" became \"%V\","
                      " which is no URL: Location is relative", &value);
        url->len = 0;
    }

    return NGX_OK;
}


static void
ngx_http_registry_configure(ngx_http_request_t *r, reg_flow_t *f,
    ngx_http_registry_loc_conf_t *rlcf)
{
    if (rlcf->places) {
        f->place = ngx_http_registry_places_at;
        f->places = rlcf->places;
    }

    f->now = ngx_time();
    f->secret = rlcf->secrets;
    f->nsecrets = rlcf->nsecrets;
    f->container.len = rlcf->root.len;
    f->container.data = rlcf->root.data;
    f->prefix.len = rlcf->prefix_slash.len;
    f->prefix.data = rlcf->prefix_slash.data;
    f->part_size = rlcf->part_size;
    f->slice = rlcf->slice;
    f->upload_expires = rlcf->upload_expires;
    f->authorize_until = rlcf->upload_authorize
                         ? f->now + rlcf->upload_authorize : 0;
    f->manifest_max = rlcf->manifest_max;
    f->sparse = (reg_sparse_t) rlcf->sparse;
    f->delete_allowed = ngx_http_registry_switched(r, rlcf->delete,
                                                   "registry_delete", 0);
    f->anonymous_mount =
        ngx_http_registry_switched(r, rlcf->anonymous_mount,
                                   "registry_anonymous_mount", 0);
    f->read_only = ngx_http_registry_switched(r, rlcf->read_only,
                                              "registry_read_only", 1);

    if (rlcf->immutable) {
        f->immutable = ngx_http_registry_immutable_tag;
        f->immutable_data = r;
    }
}


/* NGX_OK; NGX_ERROR, or the HTTP status of what is refused before a flow */

static ngx_int_t
ngx_http_registry_begin(ngx_http_request_t *r, ngx_http_registry_ctx_t *ctx)
{
    ngx_int_t                      rc;
    reg_str_t                      detail;
    reg_flow_t                    *f;
    reg_error_t                    e;
    ngx_http_registry_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    ctx->request = r;
    ctx->arena.alloc = ngx_http_registry_alloc;
    ctx->arena.ctx = r->pool;
    ctx->row.alloc = ngx_http_registry_row_alloc;
    ctx->row.ctx = ctx;

    f = ctx->operation;
    f->arena = &ctx->arena;
    f->row = &ctx->row;
    f->judged = ngx_http_registry_calls_free;
    f->judged_data = ctx;
    f->method = ngx_http_registry_method(r);

    f->uri.len = r->uri.len;
    f->uri.data = r->uri.data;
    f->args.len = r->args.len;
    f->args.data = r->args.data;

    rc = ngx_http_registry_copy_headers(r, f);

    if (rc != NGX_OK) {
        return rc;
    }

    f->body_length = ngx_http_registry_body_length(r);

    if (RAND_bytes(f->random, sizeof(f->random)) != 1) {
        ngx_log_error(NGX_LOG_ALERT, r->connection->log, 0,
                      "registry: no random bytes to be had");
        return NGX_ERROR;
    }

    if (ngx_http_registry_external_url(r, &f->external_url) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_registry_configure(r, f, rlcf);

    ctx->flow = f;

    if (reg_route_parse(&f->uri, &f->route, &e, &detail) != REG_OK) {
        (void) reg_refuse_str(f, e, detail);
        f->step = NULL;
        return NGX_OK;
    }

    /* a write costs the client more than the time to be told */

    if (f->method != REG_GET && f->method != REG_HEAD
        && !ngx_http_registry_healthy(rlcf->health))
    {
        ngx_str_set(&ctx->last_error, "its health check has failed");
        (void) reg_refuse(f, REG_E_UNAVAILABLE,
                          "the storage does not work for now");
        f->step = NULL;
        return NGX_OK;
    }

    if (f->route.kind == REG_ROUTE_BLOB && f->method == REG_GET) {
        ngx_http_registry_redirect_begin(r, f);
    }

    reg_flow_start(f);

    if (f->foreign) {
        ngx_http_registry_access_foreign(r, f->foreign, 1);
    }

    return f->step ? NGX_OK : NGX_ERROR;
}


static void
ngx_http_registry_cleanup(void *data)
{
    ngx_http_registry_ctx_t  *ctx = data;

    ngx_http_registry_token_cancel(&ctx->wait);
    ngx_http_registry_calls_free(ctx);

    if (ctx->counted) {
        ngx_http_registry_count_running(ctx->operation->route.kind, -1);
    }
}
