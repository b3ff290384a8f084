/*
 * The subrequest that a call runs on.
 */

#include "ngx_http_registry_subrequest.h"
#include "ngx_http_registry_upstream.h"


/* on top of all filters, whatever the order of their modules */
static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


/* what a subrequest evaluates is of its own pool, and must not outlive it */

static ngx_http_variable_value_t *
ngx_http_registry_variables(ngx_http_request_t *r, ngx_pool_t *pool)
{
    size_t                      size;
    ngx_http_variable_value_t  *own;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);
    size = cmcf->variables.nelts * sizeof(ngx_http_variable_value_t);

    own = ngx_palloc(pool, size);

    if (own) {
        ngx_memcpy(own, r->variables, size);
    }

    return own;
}


ngx_http_request_t *
ngx_http_registry_subrequest_create(ngx_http_request_t *r,
    ngx_http_registry_exchange_t *ex, ngx_http_post_subrequest_t *ps,
    ngx_uint_t flags)
{
    void                       *data;
    unsigned                    count;
    ngx_int_t                   rc;
    ngx_uint_t                  first;
    ngx_pool_t                 *pool, *own;
    ngx_http_request_t         *sr;
    ngx_http_request_body_t    *body;
    ngx_http_variable_value_t  *variables;

    /* without its own the upstream would send, or close, the client's body */

    pool = ex->pool ? ex->pool : r->pool;

    body = ngx_pcalloc(pool, sizeof(ngx_http_request_body_t));
    variables = ex->pool ? ngx_http_registry_variables(r, pool)
                           : r->variables;

    if (body == NULL || variables == NULL) {
        return NULL;
    }

    count = r->main->count;
    data = r->connection->data;
    first = (r->postponed == NULL);

    /* a subrequest takes its pool, and itself, of its parent's */

    own = r->pool;
    r->pool = pool;

    rc = ngx_http_subrequest(r, &r->uri, NULL, &sr, ps,
                             NGX_HTTP_SUBREQUEST_CLONE|flags);
    r->pool = own;

    if (rc != NGX_OK) {
        /*
         * nginx may have counted and linked what it then had no memory to
         * run: the request would wait for it and never end.  Behind another
         * one the header is sent, and the request is terminated.
         */

        r->main->count = count;
        r->connection->data = data;

        if (first) {
            r->postponed = NULL;
        }

        return NULL;
    }

    ngx_http_set_ctx(sr, ex, ngx_http_registry_module);

    sr->method = NGX_HTTP_GET;
    sr->header_only = 0;
    sr->request_body = body;
    sr->variables = variables;

    return sr;
}


ngx_int_t
ngx_http_registry_subrequest_run(ngx_http_request_t *sr)
{
    ngx_http_registry_exchange_t  *ex;

    ex = ngx_http_get_module_ctx(sr, ngx_http_registry_module);

    if (ex == NULL || ngx_http_registry_upstream_create(sr, ex) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    sr->main->count++;

    ngx_http_upstream_init(sr);

    if (ex->reply->started) {
        ex->reply->started(sr, ex);
    }

    return NGX_DONE;
}


static ngx_uint_t
ngx_http_registry_subrequest_hidden(ngx_http_request_t *r)
{
    ngx_http_registry_exchange_t  *ex;

    if (r == r->main) {
        return 0;
    }

    ex = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    return ex && ex->pool;
}


static ngx_int_t
ngx_http_registry_subrequest_header(ngx_http_request_t *r)
{
    if (ngx_http_registry_subrequest_hidden(r)) {
        r->header_sent = 1;
        return NGX_OK;
    }

    return ngx_http_next_header_filter(r);
}


static ngx_int_t
ngx_http_registry_subrequest_body(ngx_http_request_t *r, ngx_chain_t *in)
{
    return ngx_http_registry_subrequest_hidden(r) ? NGX_OK
           : ngx_http_next_body_filter(r, in);
}


void
ngx_http_registry_subrequest_hide(void)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_registry_subrequest_header;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_registry_subrequest_body;
}
