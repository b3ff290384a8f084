/*
 * What is told of a request when it is at its end, and what is hidden.
 */

#include "ngx_http_registry_log.h"
#include "base/ngx_http_registry_util.h"
#include "shared/ngx_http_registry_stat.h"
#include "calls/ngx_http_registry_early.h"


/* registry:2 left it, or somebody at the store: never the client's fault */

void
ngx_http_registry_log_damage(ngx_http_request_t *r, reg_flow_t *f)
{
    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "registry: damage in the storage, repository \"%*s\": %*s",
                  f->route.name.len, f->route.name.data,
                  f->damage.len, f->damage.data);

    f->damage.len = 0;
}


/* what nginx refused before us is counted, too */

ngx_int_t
ngx_http_registry_log_handler(ngx_http_request_t *r)
{
    ngx_msec_int_t                 ms;
    ngx_time_t                    *tp;
    reg_error_t                    e;
    reg_str_t                      uri, detail;
    reg_route_t                    route;
    ngx_http_registry_ctx_t       *ctx;
    ngx_http_registry_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    /* "log_subrequest on" brings those, too: their context is another */

    if (rlcf->account == NULL || r != r->main) {
        return NGX_OK;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    if (ctx && ctx->counted) {
        route.kind = ctx->operation->route.kind;

    } else {
        uri.len = r->uri.len;
        uri.data = r->uri.data;

        (void) reg_route_parse(&uri, &route, &e, &detail);
    }

    tp = ngx_timeofday();
    ms = (ngx_msec_int_t) ((tp->sec - r->start_sec) * 1000
                           + (tp->msec - r->start_msec));

    ngx_http_registry_count_request(route.kind, ngx_http_registry_method(r),
                                    r->headers_out.status, ngx_max(ms, 0),
                                    r->request_length, r->connection->sent);

    if (ctx) {
        ngx_http_registry_early_drop(r);
    }

    if (ctx && ctx->own && ctx->storage_busy) {
        ngx_http_registry_count_call(ctx->own->call, 1,
                                  ngx_current_msec - ctx->storage_since);
    }

    e = (ctx && ctx->answered) ? ctx->operation->answer.error
        : r->headers_out.status >= 400
        ? reg_error_of_status(r->headers_out.status, &detail) : REG_E_LAST;

    if (e != REG_E_LAST) {
        ngx_http_registry_count(errors[e]);
    }

    return NGX_OK;
}
