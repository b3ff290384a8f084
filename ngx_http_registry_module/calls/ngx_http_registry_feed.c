/*
 * How a storage call takes the client's body: its output filter reads what has
 * come, counts and hashes it, frames it when the length is not known, and ends
 * the call when its part is full, in the middle of the body if need be.
 *
 * A call of told length is whole with its last byte, a chunked one with its
 * last chunk.  Either waits for the end of the body, as nginx tells it and no
 * buffer does, and for the digest: what is wrong is never whole at the storage,
 * and what is right is never answered before it was.
 */

#include "ngx_http_registry_feed.h"
#include "client/ngx_http_registry_body.h"


#define NGX_HTTP_REGISTRY_CHUNK  (sizeof("0000000000000000" CRLF) - 1)


static ngx_int_t ngx_http_registry_feed_whole(ngx_http_request_t *sr,
    ngx_http_registry_exchange_t *ex, ngx_chain_t **bufs);
static ngx_int_t ngx_http_registry_feed_filter(void *data, ngx_chain_t *in);


ngx_int_t
ngx_http_registry_feed_begin(ngx_http_request_t *sr,
    ngx_http_registry_exchange_t *ex, off_t *length, ngx_chain_t **bufs)
{
    off_t                size, part;
    ngx_int_t            rc;
    ngx_event_t         *rev;
    reg_flow_t          *f;
    ngx_chain_t         *cl;
    ngx_http_request_t  *r;

    r = sr->main;
    f = ex->ctx->flow;
    part = f->part_size;

    /* what ran out while nobody read is no fault of the client */

    rev = r->connection->read;

    if (rev->timer_set) {
        ngx_del_timer(rev);
    }

    rev->timedout = 0;

    rc = ngx_http_registry_body_read(r);

    if (rc != NGX_OK && rc != NGX_AGAIN) {
        ngx_http_registry_body_failed(r, rc);
        return NGX_ERROR;
    }

    size = f->body_length - ex->ctx->fed;

    if (rc == NGX_OK) {

        for (size = 0, cl = ex->ctx->body; cl; cl = cl->next) {
            size += ngx_buf_size(cl->buf);
        }

    } else if (f->body_length < 0) {
        ex->framed = 1;
        size = part;
    }

    ex->final = (size <= part && !ex->framed);
    ex->left = ngx_min(size, part);
    *length = ex->framed ? -1 : ex->left;

    if (ex->final && rc == NGX_OK) {
        return ngx_http_registry_feed_whole(sr, ex, bufs);
    }

    sr->request_body_no_buffering = 1;
    sr->upstream->output.output_filter = ngx_http_registry_feed_filter;
    sr->upstream->output.filter_ctx = sr;

    return NGX_OK;
}


/* a wrong digest ends the call before all of it was sent */

static ngx_int_t
ngx_http_registry_feed_ended(ngx_http_registry_exchange_t *ex)
{
    ex->complete = reg_flow_hash_end(ex->ctx->flow);

    return ex->complete ? NGX_OK : NGX_DECLINED;
}


static void
ngx_http_registry_feed_count(ngx_http_registry_exchange_t *ex, u_char *p,
    size_t len)
{
    reg_flow_hash(ex->ctx->flow, p, len);

    ex->sent += len;
    ex->left -= len;
}


/* what has come whole is sent as any other body, on the next server too */

static ngx_int_t
ngx_http_registry_feed_whole(ngx_http_request_t *sr,
    ngx_http_registry_exchange_t *ex, ngx_chain_t **bufs)
{
    ngx_chain_t  *cl;

    for (cl = ex->ctx->body; cl; cl = cl->next) {
        ngx_http_registry_feed_count(ex, cl->buf->pos,
                                     cl->buf->last - cl->buf->pos);

        /* from where it is sent once more */

        cl->buf->start = cl->buf->pos;
    }

    *bufs = ex->ctx->body;
    ex->ctx->body = NULL;

    return ngx_http_registry_feed_ended(ex) == NGX_OK ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_registry_feed_add(ngx_http_request_t *sr, ngx_chain_t ***ll,
    ngx_buf_t *b)
{
    ngx_chain_t  *cl;

    cl = ngx_alloc_chain_link(sr->pool);
    if (cl == NULL) {
        return NGX_ERROR;
    }

    cl->buf = b;
    cl->next = NULL;
    **ll = cl;
    *ll = &cl->next;

    return NGX_OK;
}


static ngx_int_t
ngx_http_registry_feed_bytes(ngx_http_request_t *sr, ngx_chain_t ***ll,
    u_char *p, size_t len)
{
    ngx_buf_t  *b;

    b = ngx_calloc_buf(sr->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->memory = 1;
    b->pos = p;
    b->last = p + len;

    return ngx_http_registry_feed_add(sr, ll, b);
}


/*
 * What of the body belongs to this part goes to *ll.  "hold" keeps the call's
 * last byte back; it is copied, since nginx may need the room to learn of the
 * end.
 */

static ngx_int_t
ngx_http_registry_feed_take(ngx_http_request_t *sr,
    ngx_http_registry_exchange_t *ex, ngx_chain_t ***ll, ngx_uint_t hold)
{
    off_t         size;
    u_char       *p;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    while (ex->ctx->body && ex->left) {

        cl = ex->ctx->body;
        b = cl->buf;
        p = b->pos;
        size = b->last - p;

        if (size > ex->left) {
            size = ex->left;
            ngx_http_registry_feed_count(ex, p, size);

            /* "b" keeps its memory from being read into: it has a rest */

            b->pos += size;

            return ngx_http_registry_feed_bytes(sr, ll, p, size);
        }

        ngx_http_registry_feed_count(ex, p, size);

        if (hold && ex->left == 0) {
            ex->held = *--b->last;
            ex->holding = 1;
        }

        ex->ctx->body = cl->next;

        if (b->pos != b->last
            && ngx_http_registry_feed_add(sr, ll, b) != NGX_OK)
        {
            return NGX_ERROR;
        }

        ngx_free_chain(sr->pool, cl);
    }

    return NGX_OK;
}


/* a buffer with a piece of framing; they are used again */

static ngx_chain_t *
ngx_http_registry_feed_text(ngx_http_request_t *sr,
    ngx_http_registry_exchange_t *ex, u_char *text, size_t len)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    cl = ngx_chain_get_free_buf(sr->pool, &ex->free);
    if (cl == NULL) {
        return NULL;
    }

    b = cl->buf;

    if (b->start == NULL) {
        b->start = ngx_palloc(sr->pool, NGX_HTTP_REGISTRY_CHUNK);
        if (b->start == NULL) {
            return NULL;
        }

        b->end = b->start + NGX_HTTP_REGISTRY_CHUNK;
    }

    b->tag = (ngx_buf_tag_t) &ngx_http_registry_feed_filter;
    b->temporary = 1;
    b->pos = b->start;
    b->last = ngx_cpymem(b->start, text, len);
    cl->next = NULL;

    return cl;
}


/* chunked framing around what stands from *first to *ll */

static ngx_int_t
ngx_http_registry_feed_frame(ngx_http_request_t *sr,
    ngx_http_registry_exchange_t *ex, ngx_chain_t **first, ngx_chain_t **ll,
    ngx_uint_t last)
{
    off_t         size;
    u_char        text[NGX_HTTP_REGISTRY_CHUNK + 1], *p;
    ngx_chain_t  *cl;

    for (size = 0, cl = *first; cl; cl = cl->next) {
        size += ngx_buf_size(cl->buf);
    }

    if (size == 0 && !last) {
        return NGX_OK;
    }

    p = text;

    if (size) {
        p = ngx_cpymem(p, CRLF, 2);
    }

    if (last) {
        p = ngx_cpymem(p, "0" CRLF CRLF, 5);
    }

    *ll = ngx_http_registry_feed_text(sr, ex, text, p - text);
    if (*ll == NULL) {
        return NGX_ERROR;
    }

    if (size) {
        p = ngx_sprintf(text, "%xO" CRLF, size);

        cl = ngx_http_registry_feed_text(sr, ex, text, p - text);
        if (cl == NULL) {
            return NGX_ERROR;
        }

        cl->next = *first;
        *first = cl;
    }

    return NGX_OK;
}


/*
 * What is to be sent next goes to **ll.  NGX_DECLINED: the call is not to be
 * ended well: of a wrong digest, or of what body_failed() was told.
 */

static ngx_int_t
ngx_http_registry_feed_next(ngx_http_request_t *sr,
    ngx_http_registry_exchange_t *ex, ngx_chain_t **ll)
{
    ngx_int_t                 rc;
    ngx_uint_t                end;
    ngx_chain_t             **first;
    ngx_http_registry_ctx_t  *ctx;

    ctx = ex->ctx;
    first = ll;

    rc = ngx_http_registry_body_read(sr->main);

    if (rc != NGX_OK && rc != NGX_AGAIN) {
        ngx_http_registry_body_failed(sr->main, rc);
        return NGX_DECLINED;
    }

    end = (rc == NGX_OK);

    if (ngx_http_registry_feed_take(sr, ex, &ll, ex->final && !end) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ctx->body ? ex->final : end && ex->left && !ex->framed) {
        ngx_log_error(NGX_LOG_ALERT, sr->connection->log, 0,
                      "registry: another length of a body than was told");
        ngx_http_registry_body_failed(sr->main, NGX_HTTP_BAD_REQUEST);
        return NGX_DECLINED;
    }

    if (end && ctx->body == NULL) {

        if (ngx_http_registry_feed_ended(ex) != NGX_OK) {
            return NGX_DECLINED;
        }

        if (ex->holding
            && ngx_http_registry_feed_bytes(sr, &ll, &ex->held, 1) != NGX_OK)
        {
            return NGX_ERROR;
        }

    } else if (ex->left == 0 && !ex->final) {
        ex->cut = 1;
        ex->complete = 1;
    }

    return ex->framed
           ? ngx_http_registry_feed_frame(sr, ex, first, ll, ex->complete)
           : NGX_OK;
}


/* not by the call itself, in which nginx is at work */

static ngx_int_t
ngx_http_registry_feed_stop(ngx_http_request_t *sr,
    ngx_http_registry_exchange_t *ex)
{
    ex->stopped = 1;
    ngx_http_registry_next(sr->main, NGX_HTTP_REGISTRY_STOP);

    return ngx_http_post_request(sr->main, NULL);
}


/*
 * NGX_DONE, in unbuffered mode, is what lets the upstream wait without its
 * own timeout: for the client, or for the main request to end the call.
 */

static ngx_int_t
ngx_http_registry_feed_filter(void *data, ngx_chain_t *in)
{
    ngx_http_request_t  *sr = data;

    ngx_int_t                      rc, next;
    ngx_chain_t                   *out, **ll;
    ngx_http_registry_exchange_t  *ex;

    ex = ngx_http_get_module_ctx(sr, ngx_http_registry_module);

    rc = NGX_OK;
    out = NULL;
    ll = &out;

    if (in == NULL) {

        /* what is sent makes room to read into */

        rc = ngx_chain_writer(&sr->upstream->writer, NULL);

    } else if (ngx_http_registry_feed_add(sr, &ll, in->buf) != NGX_OK) {

        /* the first, and only, buffer is the request's header */

        return NGX_ERROR;
    }

    while (rc != NGX_ERROR && !ex->complete) {

        if (ex->stopped) {
            return NGX_DONE;
        }

        next = ngx_http_registry_feed_next(sr, ex, ll);

        if (next == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (next == NGX_DECLINED) {
            return ngx_http_registry_feed_stop(sr, ex) == NGX_OK
                   ? NGX_DONE : NGX_ERROR;
        }

        if (out == NULL && !ex->complete) {
            return rc == NGX_OK ? NGX_DONE : rc;
        }

        rc = ngx_chain_writer(&sr->upstream->writer, out);

        ngx_chain_update_chains(sr->pool, &ex->free, &ex->busy, &out,
                              (ngx_buf_tag_t) &ngx_http_registry_feed_filter);
        out = NULL;
        ll = &out;
    }

    return rc;
}


/* the client's events come to the main request */

void
ngx_http_registry_feed_event(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    ngx_http_request_t            *sr;
    ngx_http_upstream_t           *u;
    ngx_http_registry_ctx_t       *ctx;
    ngx_http_registry_exchange_t  *ex;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
    sr = ctx->feeder;
    ex = ngx_http_get_module_ctx(sr, ngx_http_registry_module);
    u = sr->upstream;

    if (ex->complete || ex->stopped || u == NULL || u->cleanup == NULL) {
        return;
    }

    if (u->request_sent) {
        u->write_event_handler(sr, u);
        return;
    }

    /* before it is connected, too, a client may leave */

    rc = ngx_http_registry_body_read(r);

    if (rc != NGX_OK && rc != NGX_AGAIN) {
        ngx_http_registry_body_failed(r, rc);

        if (ngx_http_registry_feed_stop(sr, ex) != NGX_OK) {
            ngx_http_registry_next(r, NGX_HTTP_REGISTRY_FAIL);
            r->write_event_handler(r);
        }
    }
}


void
ngx_http_registry_feed_end(ngx_http_request_t *sr,
    ngx_http_registry_exchange_t *ex)
{
    reg_flow_t               *f;
    ngx_uint_t                sent;
    ngx_http_registry_ctx_t  *ctx;

    ctx = ex->ctx;
    f = ctx->flow;

    /* a reply to a part of it is no reply */

    sent = ex->complete && sr->upstream && sr->upstream->request_body_sent;

    f->fed = ex->sent;
    f->cut = sent && ex->cut;
    f->fed_to_end = sent && !ex->cut;

    ctx->fed += ex->sent;
    ctx->feeder = NULL;

    sr->main->read_event_handler = ngx_http_block_reading;
}
