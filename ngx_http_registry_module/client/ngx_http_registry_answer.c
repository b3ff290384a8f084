/*
 * The answer of the flow, and its header.
 */

#include "ngx_http_registry_answer.h"
#include "base/ngx_http_registry_util.h"


static ngx_int_t ngx_http_registry_answer_body(ngx_http_request_t *r,
    reg_str_t *body);


ngx_int_t
ngx_http_registry_answer_headers(ngx_http_request_t *r)
{
    ngx_uint_t                i;
    reg_answer_t             *a;
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
    a = &ctx->operation->answer;

    ctx->answered = 1;

    r->headers_out.status = a->status;
    /* of a 304 it would be that of the 200: RFC 9110, 8.6 */

    r->headers_out.content_length_n = a->status == 304 ? -1 : a->length;
    r->disable_not_modified = 1;

    if (a->content_type.len) {
        r->headers_out.content_type.data = a->content_type.data;
        r->headers_out.content_type.len = a->content_type.len;
        r->headers_out.content_type_len = a->content_type.len;
        r->headers_out.content_type_lowcase = NULL;
    }

    for (i = 0; i < a->nheaders; i++) {

        if (a->headers[i].value.data == NULL
            || ngx_http_registry_push(r, a->headers[i].name,
                                      a->headers[i].value.data,
                                      a->headers[i].value.len)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_registry_answer_send(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    reg_answer_t             *a;
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
    a = &ctx->operation->answer;

    if (r->header_sent) {

        /* what is behind the last part */

        return ngx_http_registry_answer_body(r, &a->body);
    }

    if (a->status == 0
        || ngx_http_registry_answer_headers(r) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (a->body.len == 0 && a->length == 0 && r->method != NGX_HTTP_HEAD) {
        r->header_only = 1;
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_http_registry_answer_body(r, &a->body);
}


static ngx_int_t
ngx_http_registry_answer_body(ngx_http_request_t *r, reg_str_t *body)
{
    ngx_buf_t   *b;
    ngx_chain_t  out;

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = body->data;
    b->last = body->data + body->len;
    b->memory = body->len ? 1 : 0;
    b->last_buf = 1;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


/* the client's, once: the first part is what it should be */

ngx_int_t
ngx_http_registry_answer_range_header(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    if (r->header_sent) {
        return NGX_OK;
    }

    if (ngx_http_registry_answer_headers(r) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_http_send_header(r);

    return (rc == NGX_ERROR || rc > NGX_OK) ? NGX_ERROR : NGX_OK;
}
