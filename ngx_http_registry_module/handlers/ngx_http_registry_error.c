/*
 * Registry JSON instead of the pages of nginx's own errors, and what all
 * answers say.
 */

#include "ngx_http_registry_error.h"
#include "base/ngx_http_registry_util.h"
#include "client/ngx_http_registry_body.h"


static ngx_int_t ngx_http_registry_error_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_registry_error_output_filter(ngx_http_request_t *r,
    ngx_chain_t *in);


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


/*
 * What is wrong with a request line, a header or TLS is told before there is
 * a location; so is what the server itself refuses, as "return 503" of it.
 * In a server with a registry it is ours when the path looks like it.
 */

static ngx_uint_t
ngx_http_registry_error_without_location(ngx_http_request_t *r)
{
    u_char                        *end;
    ngx_str_t                      line;
    ngx_http_core_srv_conf_t      *cscf;
    ngx_http_registry_srv_conf_t  *rscf;

    rscf = ngx_http_get_module_srv_conf(r, ngx_http_registry_module);
    cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);

    if (!rscf->registry || r->loc_conf != cscf->ctx->loc_conf
        || r->err_status == 0)
    {
        return 0;
    }

    if (r->uri.len) {
        line = r->uri;

    } else if (r->request_line.len) {
        line = r->request_line;

    } else if (r->header_in && r->request_start >= r->header_in->start
               && r->request_start <= r->header_in->last)
    {
        end = ngx_strlchr(r->request_start, r->header_in->last, LF);

        line.data = r->request_start;
        line.len = (end ? end : r->header_in->last) - r->request_start;

    } else {
        return 0;
    }

    return ngx_strlcasestrn(line.data, line.data + line.len,
                            (u_char *) "/v2/", 4 - 1)
           != NULL;
}


/* several errors of nginx are sent as 400; it tells none which one it was */

static ngx_uint_t
ngx_http_registry_error_cause(ngx_http_request_t *r)
{
    ngx_http_registry_loc_conf_t  *rlcf;

    if (r->err_status != NGX_HTTP_BAD_REQUEST) {
        return r->err_status;
    }

#if (NGX_HTTP_SSL)

    if (r->http_connection->ssl && r->connection->ssl == NULL) {
        return NGX_HTTP_TO_HTTPS;
    }

#endif

    /* before there is a location, set for a long header and no other 400 */

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    if (r->lingering_close && rlcf->account == NULL) {

        /* clients of zstd:chunked ask for fewer ranges on 400 alone */

        if (ngx_strlcasestrn(r->uri.data, r->uri.data + r->uri.len,
                             (u_char *) "/blobs/", 7 - 1)
            != NULL)
        {
            return NGX_HTTP_REGISTRY_HEADER_TOO_LARGE;
        }

        r->err_status = NGX_HTTP_REGISTRY_HEADER_TOO_LARGE;
        r->headers_out.status = NGX_HTTP_REGISTRY_HEADER_TOO_LARGE;
        ngx_str_set(&r->headers_out.status_line,
                    "431 Request Header Fields Too Large");
    }

    return r->err_status;
}


/* a JSON error instead of the page, or of what the storage sent */

static ngx_int_t
ngx_http_registry_error_replace(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    reg_str_t    body, uri, detail;
    reg_arena_t  arena;
    reg_error_t  e;
    reg_route_t  route;
    const char  *allow;

    if (ctx == NULL) {
        ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_registry_ctx_t));
        if (ctx == NULL) {
            return NGX_ERROR;
        }

        ngx_http_set_ctx(r, ctx, ngx_http_registry_module);
    }

    if (ctx->own) {
        r->headers_out.status = NGX_HTTP_SERVICE_UNAVAILABLE;
        r->headers_out.status_line.len = 0;

        e = REG_E_UNAVAILABLE;
        detail.data = (u_char *) "the storage did not send the blob";
        detail.len = ngx_strlen(detail.data);

    } else {
        e = reg_error_of_status((unsigned) ngx_http_registry_error_cause(r),
                                &detail);
    }

    arena.alloc = ngx_http_registry_alloc;
    arena.ctx = r->pool;

    body = reg_error_json(&arena, e, &detail, detail.len ? 1 : 0);
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

    if (r->headers_out.status != NGX_HTTP_NOT_ALLOWED) {
        return NGX_OK;
    }

    uri.len = r->uri.len;
    uri.data = r->uri.data;

    (void) reg_route_parse(&uri, &route, &e, &detail);

    allow = reg_route_allow(route.kind, 0);

    return allow ? ngx_http_registry_push(r, "Allow", (u_char *) allow,
                                          ngx_strlen(allow))
                 : NGX_OK;
}


static ngx_int_t
ngx_http_registry_error_header_filter(ngx_http_request_t *r)
{
    const char                    *seconds;
    ngx_http_registry_ctx_t       *ctx;
    ngx_http_registry_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    if (r != r->main
        || (rlcf->account == NULL
            && !ngx_http_registry_error_without_location(r)))
    {
        return ngx_http_next_header_filter(r);
    }

    if (ngx_http_registry_push(r, "Docker-Distribution-Api-Version",
                               (u_char *) "registry/2.0",
                               sizeof("registry/2.0") - 1)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (r->headers_out.status < NGX_HTTP_BAD_REQUEST) {
        return ngx_http_next_header_filter(r);
    }

    /* what "return 503 text" or another module says is left as it is */

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    if ((ctx && ctx->own) || (r->err_status && !(ctx && ctx->answered))) {

        if (ngx_http_registry_error_replace(r, ctx) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    seconds = r->headers_out.status == NGX_HTTP_TOO_MANY_REQUESTS ? "1"
              : r->headers_out.status == NGX_HTTP_SERVICE_UNAVAILABLE ? "5"
              : NULL;

    if (seconds
        && ngx_http_registry_push(r, "Retry-After", (u_char *) seconds, 1)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_next_header_filter(r);
}


static ngx_int_t
ngx_http_registry_error_output_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_buf_t                     *b;
    ngx_chain_t                   *cl, out;
    ngx_http_registry_ctx_t       *ctx;
    ngx_http_registry_exchange_t  *ex;

    if (in == NULL) {
        return ngx_http_next_body_filter(r, in);
    }

    if (r != r->main) {

        ex = ngx_http_get_module_ctx(r, ngx_http_registry_module);

        if (ex && ex->reply->output
            && ex->reply->output(r, ex, in, &in) != NGX_OK)
        {
            return NGX_ERROR;
        }

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
ngx_http_registry_error_filters_init(ngx_conf_t *cf)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_registry_error_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_registry_error_output_filter;

    ngx_http_registry_next_request_body_filter =
                                            ngx_http_top_request_body_filter;
    ngx_http_top_request_body_filter = ngx_http_registry_body_filter;

    return NGX_OK;
}
