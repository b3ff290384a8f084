/*
 * The client's body.  It is the main request that reads it, whoever takes it:
 * what nginx finds behind a body, counts of it, or knows of its end belongs to
 * the connection's request.  A manifest is gathered in memory here; other
 * bodies are taken by a storage call.
 */

#include "ngx_http_registry_body.h"
#include "ngx_http_registry_leave.h"


static void ngx_http_registry_body_ready(ngx_http_request_t *r);
static void ngx_http_registry_body_event(ngx_http_request_t *r);
static ngx_int_t ngx_http_registry_body_take(ngx_http_request_t *r);


/* read of a file at a time */
#define NGX_HTTP_REGISTRY_PIECE  (64 * 1024)


ngx_http_request_body_filter_pt  ngx_http_registry_next_request_body_filter;


off_t
ngx_http_registry_body_length(ngx_http_request_t *r)
{
    off_t         size;
    ngx_chain_t  *cl;

    if (r->request_body == NULL) {
        return r->headers_in.chunked
               ? -1 : ngx_max(r->headers_in.content_length_n, 0);
    }

    size = 0;

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        size += ngx_buf_size(cl->buf);
    }

    return size;
}


/*
 * Of a body that was read before: by "mirror", a firewall, or a script, who
 * may need it still.
 */

static ngx_int_t
ngx_http_registry_body_again(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl, **ll;

    ctx->body_piece = ngx_create_temp_buf(r->pool, NGX_HTTP_REGISTRY_PIECE);
    if (ctx->body_piece == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ll = &ctx->body_before;

    for (cl = r->request_body->bufs; cl; cl = cl->next) {

        if (ngx_buf_size(cl->buf) == 0) {
            continue;
        }

        b = ngx_alloc_buf(r->pool);
        *ll = ngx_alloc_chain_link(r->pool);

        if (b == NULL || *ll == NULL) {
            *ll = NULL;
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        *b = *cl->buf;
        (*ll)->buf = b;
        ll = &(*ll)->next;
        *ll = NULL;
    }

    return NGX_OK;
}


/* the next of it, of a file as much as there is room for */

static ngx_int_t
ngx_http_registry_body_next(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx, ngx_chain_t **ll)
{
    off_t         size;
    ssize_t       n;
    ngx_buf_t    *b, *piece;
    ngx_chain_t  *cl;

    cl = ctx->body_before;
    b = cl->buf;
    piece = ctx->body_piece;

    if (ngx_buf_in_memory(b)) {
        ctx->body_before = cl->next;
        cl->next = NULL;
        *ll = cl;

        return NGX_OK;
    }

    if (piece->pos != piece->last) {
        return NGX_OK;
    }

    size = ngx_min(b->file_last - b->file_pos, piece->end - piece->start);
    n = ngx_read_file(b->file, piece->start, size, b->file_pos);

    if (n != (ssize_t) size) {
        ngx_log_error(NGX_LOG_CRIT, r->connection->log, 0,
                      "registry: cannot read the body from \"%V\"",
                      &b->file->name);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    b->file_pos += n;
    piece->pos = piece->start;
    piece->last = piece->start + n;

    cl = ngx_alloc_chain_link(r->pool);
    if (cl == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cl->buf = piece;
    cl->next = NULL;
    *ll = cl;

    if (b->file_pos == b->file_last) {
        ctx->body_before = ctx->body_before->next;
    }

    return NGX_OK;
}


/* a client that is gone is told so, as nginx does elsewhere */

static ngx_int_t
ngx_http_registry_body_error(ngx_http_request_t *r, ngx_int_t rc)
{
    if (ngx_http_registry_leave_left(r)) {
        return NGX_HTTP_CLIENT_CLOSED_REQUEST;
    }

    return rc == NGX_ERROR ? NGX_HTTP_INTERNAL_SERVER_ERROR : rc;
}


/* without 100-continue, by which nginx would ask for it first */

ngx_int_t
ngx_http_registry_body_discard(ngx_http_request_t *r)
{
    r->expect_tested = 1;

    return ngx_http_discard_request_body(r);
}


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

    if (r->request_body) {
        return ngx_http_registry_body_again(r, ctx);
    }

    /* a stream that was reset looks as if its body had ended */

    if (ngx_http_registry_leave_left(r)) {
        return NGX_HTTP_CLIENT_CLOSED_REQUEST;
    }

    handler = r->write_event_handler;
    r->request_body_no_buffering = 1;

    rc = ngx_http_read_client_request_body(r, ngx_http_registry_body_ready);

    r->write_event_handler = handler;

    if (rc == NGX_ERROR || rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return ngx_http_registry_body_error(r, rc);
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
ngx_http_registry_body_read(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    ngx_chain_t              *cl, *next, **ll;
    ngx_http_request_body_t  *rb;
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
    rb = r->request_body;

    if (r->reading_body) {

        if (ngx_http_registry_leave_left(r)) {
            return NGX_HTTP_CLIENT_CLOSED_REQUEST;
        }

        rc = ngx_http_read_unbuffered_request_body(r);

        if (rc == NGX_ERROR || rc >= NGX_HTTP_SPECIAL_RESPONSE) {
            return ngx_http_registry_body_error(r, rc);
        }
    }

    for (ll = &ctx->body; *ll; ll = &(*ll)->next) { /* void */ }

    if (ctx->body_piece) {

        if (ctx->body_before) {
            rc = ngx_http_registry_body_next(r, ctx, ll);

            if (rc != NGX_OK) {
                return rc;
            }
        }

        return ctx->body_before ? NGX_AGAIN : NGX_OK;
    }

    for (cl = rb ? rb->bufs : NULL; cl; cl = next) {
        next = cl->next;

        if (cl->buf->pos != cl->buf->last) {
            cl->next = NULL;
            *ll = cl;
            ll = &cl->next;
        }
    }

    if (rb) {
        rb->bufs = NULL;
    }

    return r->reading_body ? NGX_AGAIN : NGX_OK;
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


void
ngx_http_registry_body_failed(ngx_http_request_t *r, ngx_int_t rc)
{
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    ctx->status = rc;
    r->keepalive = 0;
}


static void
ngx_http_registry_body_event(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    rc = ngx_http_registry_body_take(r);

    if (rc == NGX_AGAIN) {
        return;
    }

    if (rc != NGX_OK) {
        ngx_http_registry_body_failed(r, rc);
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
    ngx_chain_t              *cl;
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    do {
        rc = ngx_http_registry_body_read(r);

        if (rc != NGX_OK && rc != NGX_AGAIN) {
            return rc;
        }

        cl = ctx->body;

        if (ngx_http_registry_body_add(r, cl) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ctx->body = NULL;

        if (rc == NGX_AGAIN && cl == NULL) {
            r->read_event_handler = ngx_http_registry_body_event;
            return NGX_AGAIN;
        }

    } while (rc == NGX_AGAIN && !ctx->flow->refused);

    r->read_event_handler = ngx_http_block_reading;

    return NGX_OK;
}


/*
 * Else HTTP/2 gives up unbuffered reading of a body that came whole before it
 * was asked for, and tells later what there is of it.
 */

ngx_int_t
ngx_http_registry_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r->main, ngx_http_registry_module);

    if (ctx && ctx->body_begun) {
        r->request_body->filter_need_buffering = 1;
    }

    return ngx_http_registry_next_request_body_filter(r, in);
}
