/*
 * A reply that is read into memory, or handed to who sinks it.
 */

#include "ngx_http_registry_memory.h"
#include "base/ngx_http_registry_util.h"


static ngx_int_t ngx_http_registry_memory_header(ngx_http_request_t *r,
    ngx_http_registry_exchange_t *ex);
static ngx_int_t ngx_http_registry_memory_init(ngx_http_request_t *r,
    ngx_http_registry_exchange_t *ex);
static ngx_int_t ngx_http_registry_memory_filter(ngx_http_request_t *r,
    ngx_http_registry_exchange_t *ex, ssize_t bytes);


const ngx_http_registry_reply_t  ngx_http_registry_reply_memory = {
    NULL,                                     /* upstream */
    NULL,                                     /* started */
    ngx_http_registry_memory_header,          /* header */
    ngx_http_registry_memory_init,            /* filter_init */
    ngx_http_registry_memory_filter,          /* filter */
    NULL,                                     /* pipe */
    NULL                                      /* output */
};


static ngx_int_t
ngx_http_registry_memory_header(ngx_http_request_t *r,
    ngx_http_registry_exchange_t *ex)
{
    return NGX_OK;
}


static ngx_int_t
ngx_http_registry_memory_init(ngx_http_request_t *r,
    ngx_http_registry_exchange_t *ex)
{
    ngx_http_upstream_t  *u;

    u = r->upstream;

    if (ex->chunked) {
        u->length = 1;
        return NGX_OK;
    }

    u->length = ex->length;

    if (u->length == 0) {
        u->keepalive = !ex->close;
        ex->whole = 1;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_registry_memory_keep(ngx_http_request_t *r,
    ngx_http_registry_exchange_t *ex, u_char *p, size_t len)
{
    size_t      have, size;
    u_char     *data;
    ngx_str_t   name;

    if (ex->call->sink && ex->status.code < 300) {
        ex->call->sink(ex->call->sink_data, p, len);
        return NGX_OK;
    }

    have = ex->body.last - ex->body.pos;

    if (have + len > ex->call->reply_max) {

        /* an error's text may be longer than the object would be */

        if (ex->status.code >= 300) {
            return NGX_OK;
        }

        name = ngx_http_registry_visible_name(r, &ex->call->object);

        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "registry: object \"%V\" is larger than the %uz bytes"
                      " expected", &name, ex->call->reply_max);

        return NGX_ERROR;
    }

    if (len > (size_t) (ex->body.end - ex->body.last)) {

        size = ngx_max(2 * (have + len), 512);

        if (ex->length > 0 && (size_t) ex->length <= ex->call->reply_max) {
            size = ngx_max((size_t) ex->length, have + len);
        }

        data = ngx_palloc(r->pool, size);
        if (data == NULL) {
            return NGX_ERROR;
        }

        if (have) {
            ngx_memcpy(data, ex->body.pos, have);
        }

        ex->body.start = data;
        ex->body.pos = data;
        ex->body.last = data + have;
        ex->body.end = data + size;
    }

    ex->body.last = ngx_cpymem(ex->body.last, p, len);

    return NGX_OK;
}


static ngx_int_t
ngx_http_registry_memory_filter(ngx_http_request_t *r,
    ngx_http_registry_exchange_t *ex, ssize_t bytes)
{
    size_t                len;
    ngx_int_t             rc;
    ngx_buf_t             b;
    ngx_http_upstream_t  *u;

    u = r->upstream;

    b = u->buffer;
    b.pos = u->buffer.last;
    b.last = b.pos + bytes;

    if (!ex->chunked) {

        if (u->length != -1 && bytes > u->length) {
            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                          "registry: the storage sent more than it said");
            return NGX_ERROR;
        }

        if (u->length != -1) {
            u->length -= bytes;
        }

        if (u->length == 0) {
            u->keepalive = !ex->close;
            ex->whole = 1;
        }

        return ngx_http_registry_memory_keep(r, ex, b.pos, bytes);
    }

    for ( ;; ) {

#if (nginx_version >= 1027002)
        rc = ngx_http_parse_chunked(r, &b, &ex->chunks, 0);
#else
        rc = ngx_http_parse_chunked(r, &b, &ex->chunks);
#endif

        if (rc == NGX_OK) {
            len = ngx_min(b.last - b.pos, ex->chunks.size);

            if (ngx_http_registry_memory_keep(r, ex, b.pos, len) != NGX_OK) {
                return NGX_ERROR;
            }

            b.pos += len;
            ex->chunks.size -= len;

            continue;
        }

        if (rc == NGX_DONE) {
            u->keepalive = !ex->close && b.pos == b.last;
            u->length = 0;
            ex->whole = 1;

            return NGX_OK;
        }

        if (rc == NGX_AGAIN) {
            return NGX_OK;
        }

        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "registry: the storage sent an invalid chunk");

        return NGX_ERROR;
    }
}
