/*
 * A reply that is read into memory, or handed to who sinks it.
 */

#include "ngx_http_registry_memory.h"


static ngx_int_t ngx_http_registry_memory_header(ngx_http_request_t *r,
    ngx_http_registry_call_t *rc);
static ngx_int_t ngx_http_registry_memory_init(ngx_http_request_t *r,
    ngx_http_registry_call_t *rc);
static ngx_int_t ngx_http_registry_memory_filter(ngx_http_request_t *r,
    ngx_http_registry_call_t *rc, ssize_t bytes);


const ngx_http_registry_reply_t  ngx_http_registry_reply_memory = {
    NULL,                                  /* upstream */
    NULL,                                  /* started */
    ngx_http_registry_memory_header,       /* header */
    ngx_http_registry_memory_init,         /* filter_init */
    ngx_http_registry_memory_filter,       /* filter */
    NULL,                                  /* pipe */
    NULL                                   /* output */
};


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


ngx_int_t
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
