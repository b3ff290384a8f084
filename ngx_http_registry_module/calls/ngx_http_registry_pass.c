/*
 * A reply that is the client's, whole: that of the request's own upstream.
 */

#include "ngx_http_registry_pass.h"
#include "client/ngx_http_registry_answer.h"
#include "client/ngx_http_registry_body.h"
#include "storage/ngx_http_registry_ready.h"
#include "storage/ngx_http_registry_upstream.h"
#include "ngx_http_registry_early.h"
#include "ngx_http_registry_verify.h"


static ngx_int_t ngx_http_registry_pass_upstream(ngx_http_request_t *r,
    ngx_http_registry_exchange_t *ex);
static ngx_int_t ngx_http_registry_pass_header(ngx_http_request_t *r,
    ngx_http_registry_exchange_t *ex);
static ngx_int_t ngx_http_registry_pass_pipe(ngx_event_pipe_t *p,
    ngx_http_registry_exchange_t *ex, ngx_buf_t *buf);


const ngx_http_registry_reply_t  ngx_http_registry_reply_pass = {
    ngx_http_registry_pass_upstream,          /* upstream */
    NULL,                                     /* started */
    ngx_http_registry_pass_header,            /* header */
    ngx_http_registry_upstream_pipe_init,     /* filter_init */
    NULL,                                     /* filter */
    ngx_http_registry_pass_pipe,              /* pipe */
    NULL                                      /* output */
};


ngx_int_t
ngx_http_registry_pass_begin(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    ngx_http_registry_ctx_t       *ctx;
    ngx_http_registry_exchange_t  *ex;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    if (ctx->flow->calls[0].failed) {
        return NGX_ERROR;
    }

    if (ctx->early) {
        ngx_http_registry_ready_busy(ctx, 1);

        rc = ngx_http_registry_early_pass(r, &ctx->flow->calls[0],
                                          &ngx_http_registry_reply_pass);

        if (rc != NGX_DECLINED) {
            return rc == NGX_OK ? NGX_AGAIN : rc;
        }

        ngx_http_registry_early_drop(r);
    }

    if (ctx->own == NULL) {
        ex = ngx_pcalloc(r->pool, sizeof(ngx_http_registry_exchange_t));
        if (ex == NULL) {
            return NGX_ERROR;
        }

        ex->call = &ctx->flow->calls[0];
        ex->ctx = ctx;
        ex->reply = &ngx_http_registry_reply_pass;
        ex->length = -1;
        ctx->own = ex;
    }

    rc = ngx_http_registry_ready_token(r);

    if (rc != NGX_OK) {
        return rc == NGX_AGAIN ? NGX_AGAIN : NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    rc = ngx_http_registry_body_discard(r);

    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_http_registry_upstream_create(r, ctx->own) != NGX_OK) {
        return NGX_ERROR;
    }

    ctx->storage_calls++;
    ngx_http_registry_ready_busy(ctx, 1);

    ngx_http_upstream_init(r);

    return NGX_AGAIN;
}


static ngx_int_t
ngx_http_registry_pass_upstream(ngx_http_request_t *r,
    ngx_http_registry_exchange_t *ex)
{
    return ngx_http_registry_upstream_pipe(r);
}


static ngx_int_t
ngx_http_registry_pass_header(ngx_http_request_t *r,
    ngx_http_registry_exchange_t *ex)
{
    if (!ngx_http_registry_upstream_expected(r, ex)) {
        return NGX_ERROR;
    }

    if (ex->call->want_status == NGX_HTTP_OK
        && ngx_http_registry_verify_begin(r, &ex->ctx->operation->route.digest,
                                          ex->length)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_registry_answer_headers(r) != NGX_OK) {
        return NGX_ERROR;
    }

    r->upstream->headers_in.content_length_n = ex->length;
    r->upstream->headers_in.status_n = ex->status.code;

    return NGX_OK;
}


static ngx_int_t
ngx_http_registry_pass_pipe(ngx_event_pipe_t *p,
    ngx_http_registry_exchange_t *ex, ngx_buf_t *buf)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = p->input_ctx;

    if (buf->last - buf->pos > p->length && ex->excess) {
        buf->last = buf->pos + p->length;
    }

    if (buf->last - buf->pos > p->length) {
        ngx_log_error(NGX_LOG_ERR, p->log, 0,
                      "registry: the storage sent more than it said");
        return NGX_ERROR;
    }

    if (ex->ctx->verify
        && ngx_http_registry_verify_bytes(r, ex->call, buf->pos,
                                          buf->last - buf->pos)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    rc = ngx_event_pipe_copy_input_filter(p, buf);

    if (p->length == 0) {
        r->upstream->keepalive = !ex->close;
    }

    return rc;
}
