/*
 * A blob's bytes are asked for together with its link, by a GET on the main
 * request's own upstream instead of the HEAD that tells their size.  What the
 * GET's header says is the reply of that HEAD.
 *
 * The GET is then held: nothing more is read of it until the flow asks for
 * the bytes (pass), or comes to another end (drop).  Small bodies, which the
 * flow wants in memory (take), and the text of errors are read at once.
 *
 * nginx's upstream cannot pause between header and body.  So what was read is
 * left in its buffer, as if it had not come yet; c->recv is ours, and tells of
 * it, once, when the call goes on.
 */

#include "ngx_http_registry_early.h"
#include "shared/ngx_http_registry_stat.h"
#include "client/ngx_http_registry_body.h"
#include "storage/ngx_http_registry_upstream.h"
#include "ngx_http_registry_flight.h"


struct ngx_http_registry_early_s {
    ngx_http_registry_exchange_t   ex;
    reg_call_t                 get;
    reg_call_t                *head;        /* whose reply is waited for */
    ngx_recv_pt                recv;        /* of the connection, while held */
    size_t                     held;        /* bytes in the buffer */
    ngx_http_registry_arrived_pt  arrived;
    ngx_http_event_handler_pt  read;        /* of the request, by upstream */
    ngx_http_event_handler_pt  write;
    unsigned                   delivered:1;
    unsigned                   collecting:1;
    unsigned                   collected:1; /* the body, in ex.body */
    unsigned                   taken:1;
    unsigned                   resumed:1;
};


static ngx_int_t ngx_http_registry_early_upstream(ngx_http_request_t *r,
    ngx_http_registry_exchange_t *ex);
static ngx_int_t ngx_http_registry_early_header(ngx_http_request_t *r,
    ngx_http_registry_exchange_t *ex);
static ssize_t ngx_http_registry_early_recv(ngx_connection_t *c, u_char *buf,
    size_t size);
static ngx_int_t ngx_http_registry_early_collect(ngx_http_request_t *r,
    ngx_http_registry_early_t *early);
static void ngx_http_registry_early_deliver(ngx_http_request_t *r,
    ngx_http_registry_early_t *early);


/* until pass() has its body read by another one */

static const ngx_http_registry_reply_t  ngx_http_registry_reply_early = {
    ngx_http_registry_early_upstream,         /* upstream */
    NULL,                                     /* started */
    ngx_http_registry_early_header,           /* header */
    NULL,                                     /* filter_init */
    NULL,                                     /* filter */
    NULL,                                     /* pipe */
    NULL                                      /* output */
};


ngx_int_t
ngx_http_registry_early_begin(ngx_http_request_t *r, reg_call_t *call,
    ngx_http_registry_flight_t *flight, ngx_http_registry_arrived_pt arrived)
{
    ngx_http_event_handler_pt   write;
    ngx_http_registry_ctx_t    *ctx;
    ngx_http_registry_early_t  *early;

    /* a reply that is stale would be wanted should this fail */

    if (!call->early || call->stale || r->headers_in.content_length_n > 0
        || r->headers_in.chunked)
    {
        return NGX_DECLINED;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    ngx_http_registry_early_drop(r);

    early = ngx_pcalloc(r->pool, sizeof(ngx_http_registry_early_t));
    if (early == NULL) {
        return NGX_ERROR;
    }

    early->head = call;
    early->arrived = arrived;

    early->get.method = REG_GET;
    early->get.object = call->object;
    early->get.reply.length = -1;

    early->ex.call = &early->get;
    early->ex.ctx = ctx;
    early->ex.reply = &ngx_http_registry_reply_early;
    early->ex.flight = flight;
    early->ex.length = -1;
    early->ex.since = ngx_current_msec;

    ctx->early = early;
    ctx->own = &early->ex;

    if (ngx_http_registry_body_discard(r) != NGX_OK
        || ngx_http_registry_upstream_create(r, &early->ex) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ctx->storage_calls++;

    /* the request may be at its end when this returns */

    write = r->write_event_handler;
    r->main->count++;

    ngx_http_upstream_init(r);

    if (r->upstream->cleanup == NULL) {
        ngx_http_finalize_request(r, NGX_DONE);
        return NGX_OK;
    }

    r->main->count--;

    early->read = r->read_event_handler;
    early->write = r->write_event_handler;

    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = write;

    return NGX_OK;
}


static ngx_int_t
ngx_http_registry_early_upstream(ngx_http_request_t *r,
    ngx_http_registry_exchange_t *ex)
{
    return ngx_http_registry_upstream_pipe(r);
}


/* the header has come: NGX_AGAIN, as if it had not */

static ngx_int_t
ngx_http_registry_early_header(ngx_http_request_t *r,
    ngx_http_registry_exchange_t *ex)
{
    size_t                      n;
    ngx_buf_t                  *b;
    ngx_http_registry_ctx_t    *ctx;
    ngx_http_registry_early_t  *early;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
    early = ctx->early;
    b = &r->upstream->buffer;

    if (!ngx_http_registry_upstream_told_length(r, ex)) {
        return NGX_HTTP_UPSTREAM_INVALID_HEADER;
    }

    if (ex->length >= 0 && ex->length <= REG_SMALL_MAX) {

        n = b->last - b->pos;

        if ((off_t) n > ex->length) {
            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                          "registry: the storage sent more than it said");
            return NGX_HTTP_UPSTREAM_INVALID_HEADER;
        }

        ex->body.start = ngx_pnalloc(r->pool, ex->length + 1);
        if (ex->body.start == NULL) {
            return NGX_ERROR;
        }

        ex->body.pos = ex->body.start;
        ex->body.last = ngx_cpymem(ex->body.pos, b->pos, n);
        ex->body.end = ex->body.start + ex->length;

        early->collecting = (ex->body.last < ex->body.end);
        early->collected = !early->collecting;
    }

    early->held = b->last - b->start;
    b->pos = b->start;
    b->last = b->start;

    early->recv = r->upstream->peer.connection->recv;
    r->upstream->peer.connection->recv = ngx_http_registry_early_recv;

    if (!early->collecting) {
        ngx_http_registry_early_deliver(r, early);
    }

    return NGX_AGAIN;
}


static ssize_t
ngx_http_registry_early_recv(ngx_connection_t *c, u_char *buf, size_t size)
{
    ngx_http_request_t         *r;
    ngx_http_registry_ctx_t    *ctx;
    ngx_http_registry_early_t  *early;

    r = c->data;
    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
    early = ctx->early;

    if (early->resumed) {
        c->recv = early->recv;
        ctx->early = NULL;
        r->upstream->state->bytes_received -= early->held;

        return early->held;
    }

    return early->collecting ? ngx_http_registry_early_collect(r, early)
                             : NGX_AGAIN;
}


/* an error or the end of the connection are the upstream's affair */

static ngx_int_t
ngx_http_registry_early_collect(ngx_http_request_t *r,
    ngx_http_registry_early_t *early)
{
    ssize_t     n;
    ngx_buf_t  *body;

    body = &early->ex.body;

    while (body->last < body->end) {

        n = early->recv(r->upstream->peer.connection, body->last,
                        body->end - body->last);

        if (n <= 0) {
            return n;
        }

        body->last += n;
    }

    early->collecting = 0;
    early->collected = 1;

    ngx_http_registry_early_deliver(r, early);

    return NGX_AGAIN;
}


static void
ngx_http_registry_early_deliver(ngx_http_request_t *r,
    ngx_http_registry_early_t *early)
{
    ngx_event_t                   *rev;
    ngx_http_registry_exchange_t  *ex;
    ngx_http_registry_flight_t    *flight;

    ex = &early->ex;
    flight = ex->flight;

    early->delivered = 1;
    early->head->reply = early->get.reply;

    if (early->collected && ex->status.code >= 300) {
        early->head->reply.body.data = ex->body.pos;
        early->head->reply.body.len = ex->body.last - ex->body.pos;
    }

    /* how long it is held is not for the storage to answer for */

    rev = r->upstream->peer.connection->read;

    if (rev->timer_set) {
        ngx_del_timer(rev);
    }

    if (flight) {
        ex->flight = NULL;
        ngx_http_registry_flight_end(r, early->head, flight);
    }

    early->arrived(r, NULL);
}


static ngx_uint_t
ngx_http_registry_early_is(ngx_http_registry_early_t *early,
    const reg_call_t *call)
{
    return early && early->delivered && early->ex.status.code == NGX_HTTP_OK
           && call->method == REG_GET && call->headers.len == 0
           && reg_str_equal(&call->object, &early->get.object);
}


/* NGX_OK: the body is the reply of the call */

ngx_int_t
ngx_http_registry_early_take(ngx_http_request_t *r, reg_call_t *call)
{
    ngx_buf_t                  *body;
    ngx_http_registry_ctx_t    *ctx;
    ngx_http_registry_early_t  *early;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
    early = ctx->early;

    if (!ngx_http_registry_early_is(early, call) || !early->collected
        || early->ex.length > (off_t) call->reply_max)
    {
        return NGX_DECLINED;
    }

    body = &early->ex.body;

    call->reply = early->get.reply;
    call->reply.body.data = body->pos;
    call->reply.body.len = body->last - body->pos;

    early->taken = 1;
    ngx_http_registry_early_drop(r);

    return NGX_OK;
}


/* NGX_OK: the reply goes on to the client, where the request ends */

ngx_int_t
ngx_http_registry_early_pass(ngx_http_request_t *r, reg_call_t *call,
    const ngx_http_registry_reply_t *reply)
{
    ngx_connection_t           *c;
    ngx_http_upstream_t        *u;
    ngx_http_registry_ctx_t    *ctx;
    ngx_http_registry_early_t  *early;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
    early = ctx->early;

    if (!ngx_http_registry_early_is(early, call)) {
        return NGX_DECLINED;
    }

    u = r->upstream;
    c = r->connection;

    early->resumed = 1;
    early->ex.reply = reply;
    early->ex.call = call;

    ngx_http_registry_upstream_reset(r, &early->ex);

    r->read_event_handler = early->read;
    r->write_event_handler = early->write;

    /* the client may have left meanwhile */

    if (c->read->ready) {
        ngx_post_event(c->read, &ngx_posted_events);

    } else if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_add_timer(u->peer.connection->read, u->conf->read_timeout);

    u->read_event_handler(r, u);

    return NGX_OK;
}


void
ngx_http_registry_early_drop(ngx_http_request_t *r)
{
    ngx_connection_t           *c;
    ngx_http_upstream_t        *u;
    ngx_http_registry_ctx_t    *ctx;
    ngx_http_registry_early_t  *early;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
    early = ctx->early;

    if (early == NULL) {
        return;
    }

    u = r->upstream;

    if (u && u->cleanup) {
        c = u->peer.connection;

        if (c && early->recv) {
            c->recv = early->recv;
        }

        u->keepalive = early->collected && !early->ex.close;

        /* as ngx_http_upstream_create() does it */

        r->main->count++;
        (*u->cleanup)(r);
    }

    ctx->early = NULL;
    ctx->own = NULL;

    ngx_http_registry_count_call(&early->get, !early->taken,
                                 ngx_current_msec - early->ex.since);
}
