/*
 * One Swift call on nginx's upstream, and its reply: of that only what is
 * asked for, nothing of its headers goes to the client.
 */

#include "ngx_http_registry_upstream.h"
#include "ngx_http_registry_swift.h"


static ngx_int_t ngx_http_registry_reinit_request(ngx_http_request_t *r);
static ngx_int_t ngx_http_registry_process_status(ngx_http_request_t *r);
static ngx_int_t ngx_http_registry_process_header(ngx_http_request_t *r);
static ngx_int_t ngx_http_registry_header_done(ngx_http_request_t *r,
    ngx_http_registry_call_t *rc);
static ngx_int_t ngx_http_registry_filter_init(void *data);
static ngx_int_t ngx_http_registry_filter(void *data, ssize_t bytes);
static ngx_int_t ngx_http_registry_pipe_filter(ngx_event_pipe_t *p,
    ngx_buf_t *buf);
static void ngx_http_registry_abort_request(ngx_http_request_t *r);
static void ngx_http_registry_finalize_request(ngx_http_request_t *r,
    ngx_int_t rc);


ngx_int_t
ngx_http_registry_upstream(ngx_http_request_t *r,
    ngx_http_registry_call_t *rc)
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

    u->create_request = ngx_http_registry_create_request;
    u->reinit_request = ngx_http_registry_reinit_request;
    u->process_header = ngx_http_registry_process_status;
    u->abort_request = ngx_http_registry_abort_request;
    u->finalize_request = ngx_http_registry_finalize_request;

    u->input_filter_init = ngx_http_registry_filter_init;
    u->input_filter = ngx_http_registry_filter;
    u->input_filter_ctx = r;

    u->buffering = 0;

    return rc->reply->upstream ? rc->reply->upstream(r, rc) : NGX_OK;
}


/* for a table's upstream(): the body goes through a pipe */

ngx_int_t
ngx_http_registry_pipe(ngx_http_request_t *r)
{
    ngx_http_upstream_t  *u;

    u = r->upstream;

    u->buffering = 1;

    u->pipe = ngx_pcalloc(r->pool, sizeof(ngx_event_pipe_t));
    if (u->pipe == NULL) {
        return NGX_ERROR;
    }

    u->pipe->input_filter = ngx_http_registry_pipe_filter;
    u->pipe->input_ctx = r;

    return NGX_OK;
}


/* the reply is read from its beginning, and what was read of it forgotten */

void
ngx_http_registry_reset_reply(ngx_http_request_t *r,
    ngx_http_registry_call_t *rc)
{
    ngx_memzero(&rc->status, sizeof(ngx_http_status_t));
    ngx_memzero(&rc->chunks, sizeof(ngx_http_chunked_t));
    ngx_memzero(&rc->call->reply, sizeof(reg_reply_t));

    rc->call->reply.length = -1;
    rc->length = -1;
    rc->chunked = 0;
    rc->close = 0;
    rc->excess = 0;
    rc->whole = 0;
    rc->body.last = rc->body.pos;

    r->upstream->process_header = ngx_http_registry_process_status;
    r->state = 0;
}


/* the request is sent once more, on another connection */

static ngx_int_t
ngx_http_registry_reinit_request(ngx_http_request_t *r)
{
    ngx_http_registry_call_t  *rc;

    rc = ngx_http_registry_call_of(r);

    ngx_http_registry_reset_reply(r, rc);

    return NGX_OK;
}


static ngx_int_t
ngx_http_registry_process_status(ngx_http_request_t *r)
{
    ngx_int_t                  rv;
    ngx_http_upstream_t       *u;
    ngx_http_registry_call_t  *rc;

    u = r->upstream;
    rc = ngx_http_registry_call_of(r);

    rv = ngx_http_parse_status_line(r, &u->buffer, &rc->status);

    if (rv == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    if (rv == NGX_ERROR || rc->status.http_version < NGX_HTTP_VERSION_10) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "registry: the storage sent no HTTP status line");
        return NGX_HTTP_UPSTREAM_INVALID_HEADER;
    }

    rc->close = (rc->status.http_version < NGX_HTTP_VERSION_11);

    u->process_header = ngx_http_registry_process_header;

    return ngx_http_registry_process_header(r);
}


static ngx_int_t
ngx_http_registry_process_header(ngx_http_request_t *r)
{
    ngx_int_t                  rv;
    ngx_http_registry_call_t  *rc;

    rc = ngx_http_registry_call_of(r);

    for ( ;; ) {

        rv = ngx_http_parse_header_line(r, &r->upstream->buffer, 1);

        if (rv == NGX_OK) {

            rv = ngx_http_registry_take_header(r, rc);

            if (rv == NGX_HTTP_UPSTREAM_INVALID_HEADER) {
                break;
            }

            if (rv != NGX_OK) {
                return rv;
            }

            continue;
        }

        if (rv == NGX_HTTP_PARSE_HEADER_DONE) {

            if (rc->chunked && rc->length >= 0) {
                break;
            }

            /*
             * 100 Continue and its like: the status is still to come; what
             * was sent stays sent
             */

            if (rc->status.code < 200) {
                ngx_http_registry_reset_reply(r, rc);
                return ngx_http_registry_process_status(r);
            }

            return ngx_http_registry_header_done(r, rc);
        }

        if (rv == NGX_AGAIN) {
            return NGX_AGAIN;
        }

        break;
    }

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "registry: the storage sent an invalid header");

    return NGX_HTTP_UPSTREAM_INVALID_HEADER;
}


static void
ngx_http_registry_remember(ngx_http_request_t *r,
    ngx_http_registry_call_t *rc)
{
    u_char     *p;
    ngx_str_t  *s;

    s = &rc->ctx->last_error;

    p = ngx_pnalloc(r->main->pool, rc->call->object.len
                             + rc->call->reply.trans_id.len + 64);
    if (p == NULL) {
        return;
    }

    s->data = p;
    s->len = ngx_sprintf(p, "%ui to %s \"%*s\", transaction \"%*s\"",
                         rc->status.code,
                         ngx_http_registry_swift_method(rc->call->method),
                         rc->call->object.len, rc->call->object.data,
                         rc->call->reply.trans_id.len,
                         rc->call->reply.trans_id.data)
             - p;
}


/*
 * RGW sends header and body in two segments, the second only when the first
 * is acknowledged (Nagle), which a kernel delays by 40 ms.  It leaves this
 * mode by itself: it is to be set for each reply.
 */

static void
ngx_http_registry_acknowledge(ngx_http_request_t *r)
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
ngx_http_registry_expected(ngx_http_request_t *r,
    ngx_http_registry_call_t *rc)
{
    reg_call_t  *call = rc->call;

    if (rc->status.code == call->want_status
        && rc->length == call->want_length && !rc->chunked
        && reg_str_equal(&call->reply.content_range, &call->want_range))
    {
        return 1;
    }

    if (rc->status.code < 400) {
        ngx_http_registry_remember(r, rc);
    }

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "registry: the storage answers %V with %O bytes"
                  " \"%*s\", expected are %ui with %O bytes \"%*s\"",
                  &rc->ctx->last_error, rc->length,
                  call->reply.content_range.len,
                  call->reply.content_range.data,
                  (ngx_uint_t) call->want_status,
                  (off_t) call->want_length,
                  call->want_range.len, call->want_range.data);

    return 0;
}


/* else it would be taken for an object that is damaged */

ngx_uint_t
ngx_http_registry_told_length(ngx_http_request_t *r,
    ngx_http_registry_call_t *rc)
{
    if (rc->status.code != NGX_HTTP_OK || rc->length >= 0) {
        return 1;
    }

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "registry: the storage told no length of \"%*s\"",
                  rc->call->object.len, rc->call->object.data);

    return 0;
}


/* the last transaction's, for the log: in the place of the one before */

static ngx_int_t
ngx_http_registry_keep_id(ngx_http_registry_call_t *rc)
{
    reg_str_t                *id;
    ngx_http_registry_ctx_t  *ctx;

    ctx = rc->ctx;
    id = &rc->call->reply.trans_id;

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
ngx_http_registry_header_done(ngx_http_request_t *r,
    ngx_http_registry_call_t *rc)
{
    reg_call_t           *call;
    ngx_http_upstream_t  *u;

    u = r->upstream;
    call = rc->call;

    rc->call->reply.status = rc->status.code;

    /*
     * A range of a large object that ends within a segment: RGW 16.2 says
     * its length, and sends one byte more.
     */

    if (call->want_range.len && call->reply.object_manifest.len) {
        rc->excess = 1;
        rc->close = 1;
    }

    u->headers_in.connection_close = rc->close;

    if (ngx_http_registry_keep_id(rc) != NGX_OK) {
        return NGX_ERROR;
    }

    if (rc->status.code >= 400 && rc->status.code != 404) {
        ngx_http_registry_remember(r, rc);
    }

    if (call->method == REG_HEAD && !ngx_http_registry_told_length(r, rc)) {
        return NGX_HTTP_UPSTREAM_INVALID_HEADER;
    }

    if (rc->call->method == REG_HEAD || rc->status.code == 204) {
        rc->length = 0;
        rc->chunked = 0;
    }

    if (u->buffer.pos == u->buffer.last && rc->length != 0 && !r->cached) {
        ngx_http_registry_acknowledge(r);
    }

    /*
     * The length stays with us: nginx would size a buffer for a reply in
     * memory by it.  Nor does the status become the subrequest's: an error
     * would be looked at as one of the upstream.
     */

    u->headers_in.content_length_n = -1;
    u->headers_in.status_n = NGX_HTTP_OK;

    return rc->reply->header(r, rc);
}


static ngx_int_t
ngx_http_registry_filter_init(void *data)
{
    ngx_http_request_t        *r = data;

    ngx_http_registry_call_t  *rc;

    rc = ngx_http_registry_call_of(r);

    return rc->reply->filter_init(r, rc);
}


/* takes the bytes out of the buffer, and emits nothing by itself */

static ngx_int_t
ngx_http_registry_filter(void *data, ssize_t bytes)
{
    ngx_http_request_t        *r = data;

    ngx_http_registry_call_t  *rc;

    rc = ngx_http_registry_call_of(r);

    return rc->reply->filter(r, rc, bytes);
}


/* who takes an early reply is known only when it has come */

static ngx_int_t
ngx_http_registry_pipe_filter(ngx_event_pipe_t *p, ngx_buf_t *buf)
{
    ngx_http_registry_call_t  *rc;

    rc = ngx_http_registry_call_of(p->input_ctx);

    return rc->reply->pipe(p, rc, buf);
}


ngx_int_t
ngx_http_registry_pipe_init(ngx_http_request_t *r,
    ngx_http_registry_call_t *rc)
{
    r->upstream->pipe->length = rc->length;

    return NGX_OK;
}


static void
ngx_http_registry_abort_request(ngx_http_request_t *r)
{
    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "abort http registry call");
}


static void
ngx_http_registry_finalize_request(ngx_http_request_t *r, ngx_int_t rc)
{
    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "finalize http registry call: %i", rc);
}
