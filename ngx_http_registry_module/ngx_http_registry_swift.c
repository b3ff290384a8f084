/*
 * One Swift call on nginx's upstream, and its reply: of that only what is
 * asked for, nothing of its headers goes to the client.
 */

#include "ngx_http_registry_module.h"


static ngx_int_t ngx_http_registry_reinit_request(ngx_http_request_t *r);
static ngx_int_t ngx_http_registry_process_status(ngx_http_request_t *r);
static ngx_int_t ngx_http_registry_process_header(ngx_http_request_t *r);
static ngx_int_t ngx_http_registry_header_done(ngx_http_request_t *r,
    ngx_http_registry_call_t *rc);
static ngx_int_t ngx_http_registry_filter_init(void *data);
static ngx_int_t ngx_http_registry_filter(void *data, ssize_t bytes);
static ngx_int_t ngx_http_registry_pipe_filter(ngx_event_pipe_t *p,
    ngx_buf_t *buf);
static ngx_int_t ngx_http_registry_memory_header(ngx_http_request_t *r,
    ngx_http_registry_call_t *rc);
static ngx_int_t ngx_http_registry_memory_init(ngx_http_request_t *r,
    ngx_http_registry_call_t *rc);
static ngx_int_t ngx_http_registry_memory_filter(ngx_http_request_t *r,
    ngx_http_registry_call_t *rc, ssize_t bytes);
static ngx_int_t ngx_http_registry_pass_upstream(ngx_http_request_t *r,
    ngx_http_registry_call_t *rc);
static ngx_int_t ngx_http_registry_pass_header(ngx_http_request_t *r,
    ngx_http_registry_call_t *rc);
static ngx_int_t ngx_http_registry_pass_pipe(ngx_event_pipe_t *p,
    ngx_http_registry_call_t *rc, ngx_buf_t *buf);
static void ngx_http_registry_abort_request(ngx_http_request_t *r);
static void ngx_http_registry_finalize_request(ngx_http_request_t *r,
    ngx_int_t rc);


const ngx_http_registry_reply_t  ngx_http_registry_reply_memory = {
    NULL,                                  /* upstream */
    NULL,                                  /* started */
    ngx_http_registry_memory_header,       /* header */
    ngx_http_registry_memory_init,         /* filter_init */
    ngx_http_registry_memory_filter,       /* filter */
    NULL,                                  /* pipe */
    NULL                                   /* output */
};


const ngx_http_registry_reply_t  ngx_http_registry_reply_pass = {
    ngx_http_registry_pass_upstream,       /* upstream */
    NULL,                                  /* started */
    ngx_http_registry_pass_header,         /* header */
    ngx_http_registry_pipe_init,           /* filter_init */
    NULL,                                  /* filter */
    ngx_http_registry_pass_pipe,           /* pipe */
    NULL                                   /* output */
};


ngx_http_registry_call_t *
ngx_http_registry_call_of(ngx_http_request_t *r)
{
    ngx_http_registry_ctx_t  *ctx;

    if (r != r->main) {
        return ngx_http_get_module_ctx(r, ngx_http_registry_module);
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    return ctx->own;
}


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
ngx_http_registry_keep(ngx_pool_t *pool, reg_str_t *dst, u_char *p,
    u_char *last)
{
    u_char  *ch;

    for (ch = p; ch < last; ch++) {

        /* goes to logs and, signed, to clients */

        if (*ch < 0x20 || *ch == 0x7f) {
            return NGX_HTTP_UPSTREAM_INVALID_HEADER;
        }
    }

    if (p < last && *p == '"') {
        p++;
    }

    if (p < last && last[-1] == '"') {
        last--;
    }

    dst->data = ngx_pnalloc(pool, last - p + 1);
    if (dst->data == NULL) {
        return NGX_ERROR;
    }

    dst->len = last - p;
    ngx_memcpy(dst->data, p, dst->len);

    return NGX_OK;
}


static ngx_int_t
ngx_http_registry_take_header(ngx_http_request_t *r,
    ngx_http_registry_call_t *rc)
{
    size_t       len, value_len;
    u_char      *name, *value;
    reg_reply_t *reply;

    /* of the main request's pool is what later rows may want */

    reply = &rc->call->reply;
    name = r->header_name_start;
    len = r->header_name_end - r->header_name_start;
    value = r->header_start;
    value_len = r->header_end - r->header_start;

#define NGX_HTTP_REGISTRY_IS(text)                                            \
    (len == sizeof(text) - 1                                                  \
     && ngx_strncasecmp(name, (u_char *) text, sizeof(text) - 1) == 0)

    if (NGX_HTTP_REGISTRY_IS("Content-Length")) {

        if (rc->length >= 0) {
            return NGX_HTTP_UPSTREAM_INVALID_HEADER;
        }

        rc->length = reg_atoi64(value, value_len);
        reply->length = rc->length;

        return rc->length < 0 ? NGX_HTTP_UPSTREAM_INVALID_HEADER : NGX_OK;
    }

    if (NGX_HTTP_REGISTRY_IS("Transfer-Encoding")) {

        if (value_len != 7
            || ngx_strncasecmp(value, (u_char *) "chunked", 7) != 0)
        {
            return NGX_HTTP_UPSTREAM_INVALID_HEADER;
        }

        rc->chunked = 1;
        return NGX_OK;
    }

    if (NGX_HTTP_REGISTRY_IS("Connection")) {
        rc->close |= (ngx_strlcasestrn(value, value + value_len,
                                       (u_char *) "close", 5 - 1) != NULL);
        return NGX_OK;
    }

    if (NGX_HTTP_REGISTRY_IS("ETag")) {
        return ngx_http_registry_keep(r->main->pool, &reply->etag, value,
                                      value + value_len);
    }

    if (NGX_HTTP_REGISTRY_IS("X-Object-Manifest")) {
        return ngx_http_registry_keep(r->main->pool,
                                      &reply->object_manifest, value,
                                      value + value_len);
    }

    if (NGX_HTTP_REGISTRY_IS("Content-Range")) {
        return ngx_http_registry_keep(r->main->pool,
                                      &reply->content_range, value,
                                      value + value_len);
    }

    if (NGX_HTTP_REGISTRY_IS(REG_HEADER_WHOLE)) {

        /* what is no size is none: the segments are looked at then */

        reply->whole = ngx_max(reg_atoi64(value, value_len), 0);
        return NGX_OK;
    }

    if (NGX_HTTP_REGISTRY_IS("X-Delete-At")
        || NGX_HTTP_REGISTRY_IS("X-Delete-After"))
    {
        reply->expires = 1;
        return NGX_OK;
    }

    if (NGX_HTTP_REGISTRY_IS(REG_HEADER_VOUCHED)) {
        return ngx_http_registry_keep(r->main->pool, &reply->vouched, value,
                                      value + value_len);
    }

    if (NGX_HTTP_REGISTRY_IS("X-Trans-Id")) {
        return ngx_http_registry_keep(r->pool, &reply->trans_id, value,
                                      value + value_len);
    }

    if (NGX_HTTP_REGISTRY_IS("X-Object-Meta-Digest")) {
        return ngx_http_registry_keep(r->main->pool, &reply->meta_digest, value,
                                      value + value_len);
    }

#undef NGX_HTTP_REGISTRY_IS

    return NGX_OK;
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


static ngx_int_t
ngx_http_registry_pass_upstream(ngx_http_request_t *r,
    ngx_http_registry_call_t *rc)
{
    return ngx_http_registry_pipe(r);
}


static ngx_int_t
ngx_http_registry_pass_header(ngx_http_request_t *r,
    ngx_http_registry_call_t *rc)
{
    if (!ngx_http_registry_expected(r, rc)) {
        return NGX_ERROR;
    }

    if (rc->call->want_status == NGX_HTTP_OK
        && ngx_http_registry_verify_begin(r, &rc->ctx->operation.route.digest,
                                          rc->length)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_registry_answer_headers(r) != NGX_OK) {
        return NGX_ERROR;
    }

    r->upstream->headers_in.content_length_n = rc->length;
    r->upstream->headers_in.status_n = rc->status.code;

    return NGX_OK;
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


static ngx_int_t
ngx_http_registry_memory_header(ngx_http_request_t *r,
    ngx_http_registry_call_t *rc)
{
    return NGX_OK;
}


static ngx_int_t
ngx_http_registry_memory_init(ngx_http_request_t *r,
    ngx_http_registry_call_t *rc)
{
    ngx_http_upstream_t  *u;

    u = r->upstream;

    if (rc->chunked) {
        u->length = 1;
        return NGX_OK;
    }

    u->length = rc->length;

    if (u->length == 0) {
        u->keepalive = !rc->close;
        rc->whole = 1;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_registry_keep_body(ngx_http_request_t *r,
    ngx_http_registry_call_t *rc, u_char *p, size_t len)
{
    size_t   have, size;
    u_char  *data;

    if (rc->call->sink && rc->status.code < 300) {
        rc->call->sink(rc->call->sink_data, p, len);
        return NGX_OK;
    }

    have = rc->body.last - rc->body.pos;

    if (have + len > rc->call->reply_max) {

        /* an error's text may be longer than the object would be */

        if (rc->status.code >= 300) {
            return NGX_OK;
        }

        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "registry: object \"%*s\" is larger than the %uz bytes"
                      " expected",
                      rc->call->object.len, rc->call->object.data,
                      rc->call->reply_max);

        return NGX_ERROR;
    }

    if (len > (size_t) (rc->body.end - rc->body.last)) {

        size = ngx_max(2 * (have + len), 512);

        if (rc->length > 0 && (size_t) rc->length <= rc->call->reply_max) {
            size = ngx_max((size_t) rc->length, have + len);
        }

        data = ngx_palloc(r->pool, size);
        if (data == NULL) {
            return NGX_ERROR;
        }

        if (have) {
            ngx_memcpy(data, rc->body.pos, have);
        }

        rc->body.start = data;
        rc->body.pos = data;
        rc->body.last = data + have;
        rc->body.end = data + size;
    }

    rc->body.last = ngx_cpymem(rc->body.last, p, len);

    return NGX_OK;
}


static ngx_int_t
ngx_http_registry_memory_filter(ngx_http_request_t *r,
    ngx_http_registry_call_t *rc, ssize_t bytes)
{
    size_t                len;
    ngx_int_t             rv;
    ngx_buf_t             b;
    ngx_http_upstream_t  *u;

    u = r->upstream;

    b = u->buffer;
    b.pos = u->buffer.last;
    b.last = b.pos + bytes;

    if (!rc->chunked) {

        if (u->length != -1 && bytes > u->length) {
            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                          "registry: the storage sent more than it said");
            return NGX_ERROR;
        }

        if (u->length != -1) {
            u->length -= bytes;
        }

        if (u->length == 0) {
            u->keepalive = !rc->close;
            rc->whole = 1;
        }

        return ngx_http_registry_keep_body(r, rc, b.pos, bytes);
    }

    for ( ;; ) {

#if (nginx_version >= 1027002)
        rv = ngx_http_parse_chunked(r, &b, &rc->chunks, 0);
#else
        rv = ngx_http_parse_chunked(r, &b, &rc->chunks);
#endif

        if (rv == NGX_OK) {
            len = ngx_min(b.last - b.pos, rc->chunks.size);

            if (ngx_http_registry_keep_body(r, rc, b.pos, len) != NGX_OK) {
                return NGX_ERROR;
            }

            b.pos += len;
            rc->chunks.size -= len;

            continue;
        }

        if (rv == NGX_DONE) {
            u->keepalive = !rc->close && b.pos == b.last;
            u->length = 0;
            rc->whole = 1;

            return NGX_OK;
        }

        if (rv == NGX_AGAIN) {
            return NGX_OK;
        }

        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "registry: the storage sent an invalid chunk");

        return NGX_ERROR;
    }
}


static ngx_int_t
ngx_http_registry_pass_pipe(ngx_event_pipe_t *p,
    ngx_http_registry_call_t *rc, ngx_buf_t *buf)
{
    ngx_int_t            rv;
    ngx_http_request_t  *r;

    r = p->input_ctx;

    if (buf->last - buf->pos > p->length && rc->excess) {
        buf->last = buf->pos + p->length;
    }

    if (buf->last - buf->pos > p->length) {
        ngx_log_error(NGX_LOG_ERR, p->log, 0,
                      "registry: the storage sent more than it said");
        return NGX_ERROR;
    }

    if (rc->ctx->verify
        && ngx_http_registry_verify(r, rc->call, buf->pos,
                                    buf->last - buf->pos)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    rv = ngx_event_pipe_copy_input_filter(p, buf);

    if (p->length == 0) {
        r->upstream->keepalive = !rc->close;
    }

    return rv;
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
