/*
 * What a request or a call of it is known by.
 */

#include "ngx_http_registry_ctx.h"


ngx_http_registry_exchange_t *
ngx_http_registry_exchange_of(ngx_http_request_t *r)
{
    ngx_http_registry_ctx_t  *ctx;

    if (r != r->main) {
        return ngx_http_get_module_ctx(r, ngx_http_registry_module);
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    return ctx->own;
}


void
ngx_http_registry_next(ngx_http_request_t *r, ngx_http_registry_next_t next)
{
    ngx_http_registry_ctx_t  *ctx;

#if (NGX_DEBUG)
    static const char        *names[] = { "wait", "judge", "again", "stop",
                                         "fail" };
#endif

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "http registry -> %s \"%s\"", names[next],
                   ctx->flow->step ? ctx->flow->step->name : "");

    ctx->next = next;
}
