/*
 * The client's body: hashed and counted on its way into a storage call, or
 * gathered in memory when it is a manifest.  It is never written to a file.
 */

#include "ngx_http_registry_module.h"


static void ngx_http_registry_body_ready(ngx_http_request_t *r);
static void ngx_http_registry_body_event(ngx_http_request_t *r);
static ngx_int_t ngx_http_registry_body_take(ngx_http_request_t *r);


ngx_http_request_body_filter_pt  ngx_http_registry_next_request_body_filter;


/* 100-continue is sent here, not before: what is refused costs no body */

ngx_int_t
ngx_http_registry_body_begin(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    ngx_http_event_handler_pt  handler;
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    if (ctx->body_begun) {
        return NGX_OK;
    }

    ctx->body_begun = 1;

    handler = r->write_event_handler;
    r->request_body_no_buffering = 1;

    rc = ngx_http_read_client_request_body(r, ngx_http_registry_body_ready);

    r->write_event_handler = handler;

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* the reference that the reading took: the flow holds its own */

    r->main->count--;

    return NGX_OK;
}


static void
ngx_http_registry_body_ready(ngx_http_request_t *r)
{
    /* what is there is taken by whoever began to read */
}


ngx_int_t
ngx_http_registry_body_gather(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    ctx->flow->refused = 0;

    rc = ngx_http_registry_body_begin(r);

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_registry_body_take(r);
}


static void
ngx_http_registry_body_event(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    ngx_http_registry_ctx_t  *ctx;

    if (r->connection->read->timedout) {
        r->connection->timedout = 1;
        rc = NGX_HTTP_REQUEST_TIME_OUT;

    } else {
        rc = ngx_http_registry_body_take(r);
    }

    if (rc == NGX_AGAIN) {
        return;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    if (rc != NGX_OK) {
        r->keepalive = 0;
        ctx->status = rc;
    }

    ngx_http_registry_next(r, rc == NGX_OK ? NGX_HTTP_REGISTRY_JUDGE
                                             : NGX_HTTP_REGISTRY_FAIL);

    r->write_event_handler(r);
}


static ngx_int_t
ngx_http_registry_body_add(ngx_http_request_t *r, ngx_chain_t *in)
{
    size_t                    len, size;
    u_char                   *p;
    reg_flow_t               *f;
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
    f = ctx->flow;

    for ( /* void */ ; in; in = in->next) {
        len = in->buf->last - in->buf->pos;

        if (f->body.len + len > f->manifest_max) {
            f->refused = 1;
            return NGX_OK;
        }

        if (f->body.data == NULL || f->body.len + len > (size_t) f->fed) {

            /* f->fed is the room there is, until the body is complete */

            size = ngx_max(f->body.len + len, 2 * (size_t) f->fed);
            size = ngx_max(size, 4096);

            if (f->body_length > 0) {
                size = ngx_max(size, (size_t) f->body_length);
            }

            p = ngx_palloc(r->pool, size);
            if (p == NULL) {
                return NGX_ERROR;
            }

            if (f->body.len) {
                ngx_memcpy(p, f->body.data, f->body.len);
            }

            f->body.data = p;
            f->fed = size;
        }

        ngx_memcpy(f->body.data + f->body.len, in->buf->pos, len);
        f->body.len += len;
        in->buf->pos = in->buf->last;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_registry_body_take(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    for ( ;; ) {

        if (r->request_body && r->request_body->bufs) {

            if (ngx_http_registry_body_add(r, r->request_body->bufs)
                != NGX_OK)
            {
                return NGX_HTTP_INTERNAL_SERVER_ERROR;
            }

            r->request_body->bufs = NULL;
        }

        if (!r->reading_body || ctx->flow->refused) {
            break;
        }

        rc = ngx_http_read_unbuffered_request_body(r);

        if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
            return rc;
        }

        if (rc == NGX_ERROR) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        if (rc == NGX_AGAIN && r->request_body->bufs == NULL) {
            r->read_event_handler = ngx_http_registry_body_event;
            return NGX_AGAIN;
        }
    }

    r->read_event_handler = ngx_http_block_reading;

    return NGX_OK;
}


/*
 * Sees each byte before the upstream does.  When the last ones have come and
 * the digest is wrong, they are not let through: the upstream is closed in
 * the middle of its body, of which the store then keeps nothing.
 */

ngx_int_t
ngx_http_registry_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_uint_t                last;
    reg_flow_t               *f;
    ngx_chain_t              *cl;
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r->main, ngx_http_registry_module);

    /*
     * Else HTTP/2 gives up unbuffered reading of a body that came whole
     * before it was asked for, and tells later what there is of it.
     */

    if (ctx && ctx->body_begun) {
        r->request_body->filter_need_buffering = 1;
    }

    if (ctx == NULL || !ctx->feeding) {
        return ngx_http_registry_next_request_body_filter(r, in);
    }

    f = ctx->flow;
    last = 0;

    for (cl = in; cl; cl = cl->next) {

        if (ngx_buf_in_memory(cl->buf)) {
            reg_flow_hash(f, cl->buf->pos, cl->buf->last - cl->buf->pos);
        }

        last |= cl->buf->last_buf;
    }

    if (last) {

        if (!reg_flow_hash_end(f)) {
            return NGX_HTTP_BAD_REQUEST;
        }

        f->fed_to_end = 1;
    }

    return ngx_http_registry_next_request_body_filter(r, in);
}
