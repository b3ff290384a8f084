/*
 * Answers: the flow's, and registry JSON instead of the pages of nginx's own
 * errors (401, 403, 413, 429, 5xx) inside of the location.
 */

#include "ngx_http_registry_module.h"


static ngx_int_t ngx_http_registry_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_registry_output_filter(ngx_http_request_t *r,
    ngx_chain_t *in);


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


static ngx_int_t
ngx_http_registry_push(ngx_http_request_t *r, const char *name,
    u_char *value, size_t len)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->value.data = value;
    h->value.len = len;

    return NGX_OK;
}


ngx_int_t
ngx_http_registry_answer_headers(ngx_http_request_t *r)
{
    ngx_uint_t                i;
    reg_answer_t             *a;
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
    a = &ctx->operation.answer;

    ctx->answered = 1;

    r->headers_out.status = a->status;
    r->headers_out.content_length_n = a->length;
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
ngx_http_registry_answer(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    ngx_buf_t                *b;
    ngx_chain_t               out;
    reg_answer_t             *a;
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
    a = &ctx->operation.answer;

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

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = a->body.data;
    b->last = a->body.data + a->body.len;
    b->memory = a->body.len ? 1 : 0;
    b->last_buf = 1;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


static ngx_int_t
ngx_http_registry_header_filter(ngx_http_request_t *r)
{
    reg_str_t                      body;
    ngx_uint_t                     status;
    reg_arena_t                    arena;
    ngx_http_registry_ctx_t       *ctx;
    ngx_http_registry_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    if (r != r->main || rlcf->account == NULL) {
        return ngx_http_next_header_filter(r);
    }

    if (ngx_http_registry_push(r, "Docker-Distribution-Api-Version",
                               (u_char *) "registry/2.0",
                               sizeof("registry/2.0") - 1)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
    status = r->headers_out.status;

    if (status < 400 || (ctx && ctx->answered && ctx->pass == NULL)) {
        return ngx_http_next_header_filter(r);
    }

    if (ctx == NULL) {
        ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_registry_ctx_t));
        if (ctx == NULL) {
            return NGX_ERROR;
        }

        ngx_http_set_ctx(r, ctx, ngx_http_registry_module);
    }

    /* the storage's fault, whatever it was */

    if (ctx->pass && status >= 500) {
        status = NGX_HTTP_SERVICE_UNAVAILABLE;
        r->headers_out.status = status;
        r->headers_out.status_line.len = 0;
    }

    arena.alloc = (void *(*)(void *, size_t)) ngx_palloc;
    arena.ctx = r->pool;

    body = reg_error_json(&arena, reg_error_of_status((unsigned) status),
                          NULL, 0);
    if (body.data == NULL) {
        return NGX_ERROR;
    }

    ctx->error_body.data = body.data;
    ctx->error_body.len = body.len;

    ngx_str_set(&r->headers_out.content_type,
                "application/json; charset=utf-8");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;
    r->headers_out.charset.len = 0;
    r->headers_out.content_length_n = body.len;

    if (r->headers_out.content_length) {
        r->headers_out.content_length->hash = 0;
        r->headers_out.content_length = NULL;
    }

    return ngx_http_next_header_filter(r);
}


static ngx_int_t
ngx_http_registry_output_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_buf_t                *b;
    ngx_chain_t              *cl, out;
    ngx_http_registry_ctx_t  *ctx;

    if (r != r->main || in == NULL) {
        return ngx_http_next_body_filter(r, in);
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    if (ctx == NULL || ctx->error_body.len == 0) {
        return ngx_http_next_body_filter(r, in);
    }

    for (cl = in; cl; cl = cl->next) {
        cl->buf->pos = cl->buf->last;
        cl->buf->file_pos = cl->buf->file_last;
    }

    if (ctx->error_sent) {
        return NGX_OK;
    }

    ctx->error_sent = 1;

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->memory = 1;
    b->pos = ctx->error_body.data;
    b->last = ctx->error_body.data + ctx->error_body.len;
    b->last_buf = 1;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_next_body_filter(r, &out);
}


ngx_int_t
ngx_http_registry_filters_init(ngx_conf_t *cf)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_registry_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_registry_output_filter;

    ngx_http_registry_next_request_body_filter =
                                            ngx_http_top_request_body_filter;
    ngx_http_top_request_body_filter = ngx_http_registry_body_filter;

    return NGX_OK;
}
