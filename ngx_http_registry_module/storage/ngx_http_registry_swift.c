/*
 * The bytes of a Swift call: built anew from the call, with nothing of the
 * client's headers in it.
 */

#include "ngx_http_registry_swift.h"
#include "core/reg_swift.h"
#include "base/ngx_http_registry_util.h"


static void ngx_http_registry_swift_request_line(reg_buf_t *out,
    ngx_http_registry_exchange_t *ex, ngx_http_registry_loc_conf_t *rlcf);
static void ngx_http_registry_swift_request_headers(reg_buf_t *out,
    ngx_http_registry_exchange_t *ex, off_t length);


ngx_int_t
ngx_http_registry_swift_create_request(ngx_http_request_t *r)
{
    off_t                          length;
    reg_str_t                      text;
    reg_buf_t                      out;
    reg_arena_t                    arena;
    ngx_buf_t                     *b;
    reg_call_t                    *call;
    ngx_chain_t                   *cl, *body;
    ngx_http_registry_exchange_t  *ex;
    ngx_http_registry_loc_conf_t  *rlcf;

    ex = ngx_http_registry_exchange_of(r);
    call = ex->call;
    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    arena.alloc = ngx_http_registry_alloc;
    arena.ctx = r->pool;

    reg_buf_init(&out, &arena, 1024);
    ngx_http_registry_swift_request_line(&out, ex, rlcf);

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "http registry call %*s", out.len, out.data);

    reg_buf_text(&out, " HTTP/1.1" CRLF "Host: ");
    reg_buf_add(&out, rlcf->host_told.data, rlcf->host_told.len);
    reg_buf_text(&out, CRLF);

    length = (off_t) call->body.len;
    body = NULL;

    if (ex->feed && ex->feed(r, ex, &length, &body) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_registry_swift_request_headers(&out, ex, length);

    if (call->body.len) {
        reg_buf_add_str(&out, &call->body);
    }

    text = reg_buf_str(&out);
    if (text.data == NULL) {
        return NGX_ERROR;
    }

    b = ngx_calloc_buf(r->pool);
    cl = ngx_alloc_chain_link(r->pool);

    if (b == NULL || cl == NULL) {
        return NGX_ERROR;
    }

    b->memory = 1;
    b->start = text.data;
    b->pos = text.data;
    b->last = text.data + text.len;
    b->end = b->last;
    b->flush = 1;

    cl->buf = b;
    cl->next = body;

    r->upstream->request_bufs = cl;

    return NGX_OK;
}


static void
ngx_http_registry_swift_request_line(reg_buf_t *out,
    ngx_http_registry_exchange_t *ex, ngx_http_registry_loc_conf_t *rlcf)
{
    ngx_str_t   *root;
    reg_str_t    container;
    reg_call_t  *call = ex->call;

    reg_buf_text(out, reg_swift_method(call->method));
    reg_buf_char(out, ' ');
    reg_buf_add(out, ex->ctx->storage.data, ex->ctx->storage.len);
    reg_buf_char(out, '/');

    root = call->on_container ? &rlcf->container : &rlcf->root;

    container.len = root->len;
    container.data = root->data;
    reg_buf_escape(out, &container, 1);

    if (!call->on_container) {
        reg_buf_char(out, '/');
        reg_buf_escape(out, &call->object, 1);
    }

    if (call->query.len) {
        reg_buf_char(out, '?');
        reg_buf_add_str(out, &call->query);
    }
}


/* to the end of the header; length -1: the body is chunked */

static void
ngx_http_registry_swift_request_headers(reg_buf_t *out,
    ngx_http_registry_exchange_t *ex, off_t length)
{
    reg_call_t  *call = ex->call;

    reg_buf_text(out, REG_SWIFT_TOKEN ": ");
    reg_buf_add(out, ex->ctx->token.data, ex->ctx->token.len);
    reg_buf_text(out, CRLF);
    reg_buf_add_str(out, &call->headers);

    if (length < 0) {
        reg_buf_text(out, "Transfer-Encoding: chunked" CRLF);

    } else if (call->method == REG_PUT || call->method == REG_POST) {
        reg_buf_text(out, "Content-Length: ");
        reg_buf_number(out, length);
        reg_buf_text(out, CRLF);
    }

    if (call->method == REG_PUT && !call->on_container) {
        reg_buf_text(out, "Content-Type: ");

        if (call->content_type.len) {
            reg_buf_add_str(out, &call->content_type);

        } else {
            reg_buf_text(out, "application/octet-stream");
        }

        reg_buf_text(out, CRLF);
    }

    reg_buf_text(out, CRLF);
}


static ngx_int_t
ngx_http_registry_swift_keep(ngx_pool_t *pool, reg_str_t *dst, u_char *p,
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


ngx_int_t
ngx_http_registry_swift_take_header(ngx_http_request_t *r,
    ngx_http_registry_exchange_t *ex)
{
    size_t        len, value_len;
    u_char       *name, *value;
    reg_reply_t  *reply;

    /* of the main request's pool is what later rows may want */

    reply = &ex->call->reply;
    name = r->header_name_start;
    len = r->header_name_end - r->header_name_start;
    value = r->header_start;
    value_len = r->header_end - r->header_start;

#define NGX_HTTP_REGISTRY_IS(text)                                            \
    (len == sizeof(text) - 1                                                  \
     && ngx_strncasecmp(name, (u_char *) text, sizeof(text) - 1) == 0)

    if (NGX_HTTP_REGISTRY_IS("Content-Length")) {

        if (ex->length >= 0) {
            return NGX_HTTP_UPSTREAM_INVALID_HEADER;
        }

        ex->length = reg_size_read(value, value_len);
        reply->length = ex->length;

        return ex->length < 0 ? NGX_HTTP_UPSTREAM_INVALID_HEADER : NGX_OK;
    }

    if (NGX_HTTP_REGISTRY_IS("Transfer-Encoding")) {

        if (value_len != 7
            || ngx_strncasecmp(value, (u_char *) "chunked", 7) != 0)
        {
            return NGX_HTTP_UPSTREAM_INVALID_HEADER;
        }

        ex->chunked = 1;
        return NGX_OK;
    }

    if (NGX_HTTP_REGISTRY_IS("Connection")) {
        ex->close |= (ngx_strlcasestrn(value, value + value_len,
                                       (u_char *) "close", 5 - 1) != NULL);
        return NGX_OK;
    }

    if (NGX_HTTP_REGISTRY_IS("ETag")) {
        return ngx_http_registry_swift_keep(r->main->pool, &reply->etag, value,
                                            value + value_len);
    }

    if (NGX_HTTP_REGISTRY_IS(REG_SWIFT_MANIFEST)) {
        return ngx_http_registry_swift_keep(r->main->pool,
                                            &reply->object_manifest, value,
                                            value + value_len);
    }

    if (NGX_HTTP_REGISTRY_IS("Content-Range")) {
        return ngx_http_registry_swift_keep(r->main->pool,
                                            &reply->content_range, value,
                                            value + value_len);
    }

    if (NGX_HTTP_REGISTRY_IS(REG_SWIFT_WHOLE)) {

        /* what is no size is none: the segments are looked at then */

        reply->whole = ngx_max(reg_size_read(value, value_len), 0);
        return NGX_OK;
    }

    if (NGX_HTTP_REGISTRY_IS(REG_SWIFT_EXPIRES_AT)
        || NGX_HTTP_REGISTRY_IS(REG_SWIFT_EXPIRE_AFTER))
    {
        reply->expires = 1;
        return NGX_OK;
    }

    if (NGX_HTTP_REGISTRY_IS(REG_SWIFT_VOUCHED)) {
        return ngx_http_registry_swift_keep(r->main->pool, &reply->vouched,
                                            value, value + value_len);
    }

    if (NGX_HTTP_REGISTRY_IS(REG_SWIFT_TRANS_ID)) {
        return ngx_http_registry_swift_keep(r->pool, &reply->trans_id, value,
                                            value + value_len);
    }

    if (NGX_HTTP_REGISTRY_IS(REG_SWIFT_DIGEST)) {
        return ngx_http_registry_swift_keep(r->main->pool, &reply->meta_digest,
                                            value, value + value_len);
    }

#undef NGX_HTTP_REGISTRY_IS

    return NGX_OK;
}
