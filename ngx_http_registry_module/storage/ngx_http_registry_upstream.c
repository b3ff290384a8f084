/*
 * One Swift call on nginx's upstream, and its reply: of that only what is
 * asked for, nothing of its headers goes to the client.
 */

#include "ngx_http_registry_upstream.h"
#include "base/ngx_http_registry_util.h"
#include "core/reg_swift.h"
#include "ngx_http_registry_swift.h"


static ngx_int_t ngx_http_registry_upstream_reinit(ngx_http_request_t *r);
static ngx_int_t ngx_http_registry_upstream_status(ngx_http_request_t *r);
static ngx_int_t ngx_http_registry_upstream_header(ngx_http_request_t *r);
static ngx_int_t ngx_http_registry_upstream_header_done(ngx_http_request_t *r,
    ngx_http_registry_exchange_t *ex);
static ngx_int_t ngx_http_registry_upstream_filter_init(void *data);
static ngx_int_t ngx_http_registry_upstream_filter(void *data, ssize_t bytes);
static ngx_int_t ngx_http_registry_upstream_pipe_filter(ngx_event_pipe_t *p,
    ngx_buf_t *buf);
static void ngx_http_registry_upstream_abort(ngx_http_request_t *r);
static void ngx_http_registry_upstream_finalize(ngx_http_request_t *r,
    ngx_int_t rc);


ngx_int_t
ngx_http_registry_upstream_create(ngx_http_request_t *r,
    ngx_http_registry_exchange_t *ex)
{
    ngx_http_upstream_t           *u;
    ngx_http_registry_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    if (ngx_http_upstream_create(r) != NGX_OK) {
        return NGX_ERROR;
    }

    u = r->upstream;

    ngx_str_set(&u->schema, "http://");

#if (NGX_HTTP_SSL)

    u->ssl = (rlcf->upstream.ssl != NULL);

    if (u->ssl) {
        ngx_str_set(&u->schema, "https://");
    }

#endif

    u->output.tag = (ngx_buf_tag_t) &ngx_http_registry_module;
    u->conf = &rlcf->upstream;

    u->create_request = ngx_http_registry_swift_create_request;
    u->reinit_request = ngx_http_registry_upstream_reinit;
    u->process_header = ngx_http_registry_upstream_status;
    u->abort_request = ngx_http_registry_upstream_abort;
    u->finalize_request = ngx_http_registry_upstream_finalize;

    u->input_filter_init = ngx_http_registry_upstream_filter_init;
    u->input_filter = ngx_http_registry_upstream_filter;
    u->input_filter_ctx = r;

    u->buffering = 0;

    return ex->reply->upstream ? ex->reply->upstream(r, ex) : NGX_OK;
}


/* for a table's upstream(): the body goes through a pipe */

ngx_int_t
ngx_http_registry_upstream_pipe(ngx_http_request_t *r)
{
    ngx_http_upstream_t  *u;

    u = r->upstream;

    u->buffering = 1;

    u->pipe = ngx_pcalloc(r->pool, sizeof(ngx_event_pipe_t));
    if (u->pipe == NULL) {
        return NGX_ERROR;
    }

    u->pipe->input_filter = ngx_http_registry_upstream_pipe_filter;
    u->pipe->input_ctx = r;

    return NGX_OK;
}


/* the reply is read from its beginning, and what was read of it forgotten */

void
ngx_http_registry_upstream_reset(ngx_http_request_t *r,
    ngx_http_registry_exchange_t *ex)
{
    ngx_memzero(&ex->status, sizeof(ngx_http_status_t));
    ngx_memzero(&ex->chunks, sizeof(ngx_http_chunked_t));
    ngx_memzero(&ex->call->reply, sizeof(reg_reply_t));

    ex->call->reply.length = -1;
    ex->length = -1;
    ex->chunked = 0;
    ex->close = 0;
    ex->excess = 0;
    ex->whole = 0;
    ex->body.last = ex->body.pos;

    r->upstream->process_header = ngx_http_registry_upstream_status;
    r->state = 0;
}


/* the request is sent once more, on another connection */

static ngx_int_t
ngx_http_registry_upstream_reinit(ngx_http_request_t *r)
{
    ngx_http_registry_exchange_t  *ex;

    ex = ngx_http_registry_exchange_of(r);

    ngx_http_registry_upstream_reset(r, ex);

    return NGX_OK;
}


static ngx_int_t
ngx_http_registry_upstream_status(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    ngx_http_upstream_t           *u;
    ngx_http_registry_exchange_t  *ex;

    u = r->upstream;
    ex = ngx_http_registry_exchange_of(r);

    rc = ngx_http_parse_status_line(r, &u->buffer, &ex->status);

    if (rc == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    if (rc == NGX_ERROR || ex->status.http_version < NGX_HTTP_VERSION_10) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "registry: the storage sent no HTTP status line");
        return NGX_HTTP_UPSTREAM_INVALID_HEADER;
    }

    ex->close = (ex->status.http_version < NGX_HTTP_VERSION_11);

    u->process_header = ngx_http_registry_upstream_header;

    return ngx_http_registry_upstream_header(r);
}


static ngx_int_t
ngx_http_registry_upstream_header(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    ngx_http_registry_exchange_t  *ex;

    ex = ngx_http_registry_exchange_of(r);

    for ( ;; ) {

        rc = ngx_http_parse_header_line(r, &r->upstream->buffer, 1);

        if (rc == NGX_OK) {

            rc = ngx_http_registry_swift_take_header(r, ex);

            if (rc == NGX_HTTP_UPSTREAM_INVALID_HEADER) {
                break;
            }

            if (rc != NGX_OK) {
                return rc;
            }

            continue;
        }

        if (rc == NGX_HTTP_PARSE_HEADER_DONE) {

            if (ex->chunked && ex->length >= 0) {
                break;
            }

            /*
             * 100 Continue and its like: the status is still to come; what
             * was sent stays sent
             */

            if (ex->status.code < 200) {
                ngx_http_registry_upstream_reset(r, ex);
                return ngx_http_registry_upstream_status(r);
            }

            return ngx_http_registry_upstream_header_done(r, ex);
        }

        if (rc == NGX_AGAIN) {
            return NGX_AGAIN;
        }

        break;
    }

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "registry: the storage sent an invalid header");

    return NGX_HTTP_UPSTREAM_INVALID_HEADER;
}


void
ngx_http_registry_upstream_remember(ngx_http_request_t *r,
    const reg_call_t *call)
{
    u_char                   *p;
    ngx_str_t                *s, name, id;
    const char               *more;
    ngx_http_registry_ctx_t  *ctx;

    r = r->main;
    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
    s = &ctx->last_error;

    name = ngx_http_registry_visible_name(r, &call->object);
    id = ngx_http_registry_visible(r, &ctx->storage_id);

    more = (call->reply.status == 413 && id.len == 0)
           ? ": not the storage's, but the limit of a proxy before it" : "";

    p = ngx_pnalloc(r->pool, name.len + id.len + 64 + ngx_strlen(more));
    if (p == NULL) {
        return;
    }

    s->data = p;

    if (call->reply.status == 0) {
        p = ngx_sprintf(p, "no answer to %s \"%V\"",
                        reg_swift_method(call->method), &name);
    } else {
        p = ngx_sprintf(p, "%ui to %s \"%V\", transaction \"%V\"%s",
                        (ngx_uint_t) call->reply.status,
                        reg_swift_method(call->method), &name,
                        &id, more);
    }

    s->len = p - s->data;
}


/*
 * RGW sends header and body in two segments, the second only when the first
 * is acknowledged (Nagle), which a kernel delays by 40 ms.  It leaves this
 * mode by itself: it is to be set for each reply.
 */

static void
ngx_http_registry_upstream_acknowledge(ngx_http_request_t *r)
{
#ifdef TCP_QUICKACK
    int                on;
    ngx_connection_t  *c;

    c = r->upstream->peer.connection;
    on = 1;

    /* what is no TCP socket has no such delay either */

    (void) setsockopt(c->fd, IPPROTO_TCP, TCP_QUICKACK,
                      (const void *) &on, sizeof(int));
#endif
}


ngx_uint_t
ngx_http_registry_upstream_expected(ngx_http_request_t *r,
    ngx_http_registry_exchange_t *ex)
{
    ngx_str_t    range;
    reg_call_t  *call = ex->call;

    if (ex->status.code == call->want_status
        && ex->length == call->want_length && !ex->chunked
        && reg_str_equal(&call->reply.content_range, &call->want_range))
    {
        return 1;
    }

    if (ex->status.code < 400) {
        ngx_http_registry_upstream_remember(r, ex->call);
    }

    range = ngx_http_registry_visible_name(r, &call->reply.content_range);

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "registry: the storage answers %V with %O bytes"
                  " \"%V\", expected are %ui with %O bytes \"%*s\"",
                  &ex->ctx->last_error, ex->length, &range,
                  (ngx_uint_t) call->want_status,
                  (off_t) call->want_length,
                  call->want_range.len, call->want_range.data);

    return 0;
}


/* else it would be taken for an object that is damaged */

ngx_uint_t
ngx_http_registry_upstream_told_length(ngx_http_request_t *r,
    ngx_http_registry_exchange_t *ex)
{
    ngx_str_t  name;

    if (ex->status.code != NGX_HTTP_OK || ex->length >= 0) {
        return 1;
    }

    name = ngx_http_registry_visible_name(r, &ex->call->object);

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "registry: the storage told no length of \"%V\"", &name);

    return 0;
}


/* the last transaction's, for the log: in the place of the one before */

static ngx_int_t
ngx_http_registry_upstream_keep_id(ngx_http_registry_exchange_t *ex)
{
    reg_str_t                *id;
    ngx_http_registry_ctx_t  *ctx;

    ctx = ex->ctx;
    id = &ex->call->reply.trans_id;

    if (id->len > ctx->storage_id_room) {

        ctx->storage_id.data = ngx_pnalloc(ctx->request->pool, id->len);
        if (ctx->storage_id.data == NULL) {
            ctx->storage_id_room = 0;
            ctx->storage_id.len = 0;
            return NGX_ERROR;
        }

        ctx->storage_id_room = id->len;
    }

    ctx->storage_id.len = id->len;

    if (id->len) {
        ngx_memcpy(ctx->storage_id.data, id->data, id->len);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_registry_upstream_header_done(ngx_http_request_t *r,
    ngx_http_registry_exchange_t *ex)
{
    reg_call_t           *call;
    ngx_http_upstream_t  *u;

    u = r->upstream;
    call = ex->call;

    ex->call->reply.status = ex->status.code;

    /*
     * A range of a large object that ends within a segment: RGW 16.2 says
     * its length, and sends one byte more.
     */

    if (call->want_range.len && call->reply.object_manifest.len) {
        ex->excess = 1;
        ex->close = 1;
    }

    u->headers_in.connection_close = ex->close;

    if (ngx_http_registry_upstream_keep_id(ex) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ex->status.code >= 400 && ex->status.code != 404) {
        ngx_http_registry_upstream_remember(r, ex->call);
    }

    if (call->method == REG_HEAD
        && !ngx_http_registry_upstream_told_length(r, ex))
    {
        return NGX_HTTP_UPSTREAM_INVALID_HEADER;
    }

    if (ex->call->method == REG_HEAD || ex->status.code == 204) {
        ex->length = 0;
        ex->chunked = 0;
    }

    if (u->buffer.pos == u->buffer.last && ex->length != 0 && !r->cached) {
        ngx_http_registry_upstream_acknowledge(r);
    }

    /*
     * The length stays with us: nginx would size a buffer for a reply in
     * memory by it.  Nor does the status become the subrequest's: an error
     * would be looked at as one of the upstream.
     */

    u->headers_in.content_length_n = -1;
    u->headers_in.status_n = NGX_HTTP_OK;

    return ex->reply->header(r, ex);
}


static ngx_int_t
ngx_http_registry_upstream_filter_init(void *data)
{
    ngx_http_request_t  *r = data;

    ngx_http_registry_exchange_t  *ex;

    ex = ngx_http_registry_exchange_of(r);

    return ex->reply->filter_init(r, ex);
}


/* takes the bytes out of the buffer, and emits nothing by itself */

static ngx_int_t
ngx_http_registry_upstream_filter(void *data, ssize_t bytes)
{
    ngx_http_request_t  *r = data;

    ngx_http_registry_exchange_t  *ex;

    ex = ngx_http_registry_exchange_of(r);

    return ex->reply->filter(r, ex, bytes);
}


/* who takes an early reply is known only when it has come */

static ngx_int_t
ngx_http_registry_upstream_pipe_filter(ngx_event_pipe_t *p, ngx_buf_t *buf)
{
    ngx_http_registry_exchange_t  *ex;

    ex = ngx_http_registry_exchange_of(p->input_ctx);

    return ex->reply->pipe(p, ex, buf);
}


ngx_int_t
ngx_http_registry_upstream_pipe_init(ngx_http_request_t *r,
    ngx_http_registry_exchange_t *ex)
{
    r->upstream->pipe->length = ex->length;

    return NGX_OK;
}


static void
ngx_http_registry_upstream_abort(ngx_http_request_t *r)
{
    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "abort http registry call");
}


static void
ngx_http_registry_upstream_finalize(ngx_http_request_t *r, ngx_int_t rc)
{
    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "finalize http registry call: %i", rc);
}
