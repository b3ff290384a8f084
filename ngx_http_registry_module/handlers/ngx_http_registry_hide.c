/*
 * The state of an upload is a credential while it is good: it stands in no
 * log, of whatever server and phase.
 *
 * The error log has the request line and the Referer in each line about a
 * request: they lose the state in the first phase that there is.  What has a
 * meaning until the request is at its end ($request_uri, $args, what a rule
 * kept of them, the answer's Location) loses it before anybody writes an
 * access log.
 *
 * Of a request whose header it does not take nginx writes before the first
 * phase, at level info.
 */

#include "ngx_http_registry_hide.h"


static ngx_int_t ngx_http_registry_hide_early(ngx_http_request_t *r);
static ngx_int_t ngx_http_registry_hide_late(ngx_http_request_t *r);


/* behind the next "_state=", whose letters may be escaped; NULL: none */

static u_char *
ngx_http_registry_state_name(u_char *p, u_char *last)
{
    u_char        *q;
    const u_char  *c;

    static const u_char  name[] = "_state";

    for ( /* void */ ; p < last; p++) {

        if (*p != '_' && *p != '%') {
            continue;
        }

        for (c = name, q = p; *c; c++) {

            if (q < last && *q == *c) {
                q++;

            } else if (last - q > 2 && *q == '%'
                       && ngx_hextoi(q + 1, 2) == (ngx_int_t) *c)
            {
                q += 3;

            } else {
                break;
            }
        }

        if (*c == '\0' && q < last && *q == '=') {
            return q + 1;
        }
    }

    return NULL;
}


/* where the value of a state begins that is not hidden; NULL: nowhere */

static u_char *
ngx_http_registry_state_value(u_char *p, u_char *last)
{
    while ((p = ngx_http_registry_state_name(p, last)) != NULL) {

        if (p < last && *p != '*' && *p != '&' && *p != ' ') {
            return p;
        }
    }

    return NULL;
}


/* the end of what base64url and its escapes are made of */

static u_char *
ngx_http_registry_state_end(u_char *p, u_char *last)
{
    while (p < last
           && ((*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z')
               || (*p >= '0' && *p <= '9')
               || *p == '-' || *p == '_' || *p == '%' || *p == '='))
    {
        p++;
    }

    return p;
}


/*
 * *data becomes a copy with "*" for each state; 1: it had one.  Without
 * memory for it nothing is left of it.
 */

static ngx_uint_t
ngx_http_registry_hide(ngx_pool_t *pool, u_char **data, size_t *len)
{
    u_char  *p, *value, *last, *copy, *start;

    p = *data;
    last = p + *len;

    value = *len ? ngx_http_registry_state_value(p, last) : NULL;

    if (value == NULL) {
        return 0;
    }

    start = ngx_pnalloc(pool, *len + 1);
    copy = start;

    while (start && value) {
        copy = ngx_cpymem(copy, p, value - p);
        *copy++ = '*';

        p = ngx_http_registry_state_end(value, last);
        value = ngx_http_registry_state_value(p, last);
    }

    if (start) {
        copy = ngx_cpymem(copy, p, last - p);
    }

    *data = start ? start : (u_char *) "";
    *len = copy - start;

    return 1;
}


/* 1: there was something to hide */

static ngx_uint_t
ngx_http_registry_hide_headers(ngx_http_request_t *r, ngx_list_t *headers)
{
    ngx_uint_t        i, hidden;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    hidden = 0;

    for (part = &headers->part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            hidden |= ngx_http_registry_hide(r->pool, &h[i].value.data,
                                             &h[i].value.len);
        }
    }

    return hidden;
}


static ngx_uint_t
ngx_http_registry_hide_wanted(ngx_http_request_t *r)
{
    ngx_http_registry_main_conf_t  *rmcf;

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_registry_module);

    return rmcf->accounts.nelts != 0;
}


static ngx_int_t
ngx_http_registry_hide_early(ngx_http_request_t *r)
{
    ngx_str_t  *referer;

    if (!ngx_http_registry_hide_wanted(r)) {
        return NGX_DECLINED;
    }

    (void) ngx_http_registry_hide(r->pool, &r->request_line.data,
                                  &r->request_line.len);

    if (r->headers_in.referer) {
        referer = &r->headers_in.referer->value;

        (void) ngx_http_registry_hide(r->pool, &referer->data, &referer->len);
    }

    return NGX_DECLINED;
}


/* the request line of what is none is wherever it was read to */

static void
ngx_http_registry_hide_line(ngx_http_request_t *r)
{
    u_char  *p;

    if (r->request_line.data == NULL && r->request_start && r->header_in
        && r->request_start >= r->header_in->start
        && r->request_start < r->header_in->last)
    {
        for (p = r->request_start; p < r->header_in->last; p++) {
            if (*p == CR || *p == LF) {
                break;
            }
        }

        r->request_line.data = r->request_start;
        r->request_line.len = p - r->request_start;
    }

    (void) ngx_http_registry_hide(r->pool, &r->request_line.data,
                                  &r->request_line.len);
}


static ngx_uint_t
ngx_http_registry_hide_has(ngx_http_request_t *r)
{
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r->main, ngx_http_registry_module);

    return (ctx && ctx->answered
            && ctx->operation
            && (ctx->operation->route.kind == REG_ROUTE_UPLOADS
                || ctx->operation->route.kind == REG_ROUTE_UPLOAD))
           || r->headers_in.referer
           || (r->request_line.len
               && ngx_http_registry_state_name(r->request_line.data,
                                               r->request_line.data
                                               + r->request_line.len)
                  != NULL);
}


static ngx_int_t
ngx_http_registry_hide_late(ngx_http_request_t *r)
{
    size_t                      len;
    ngx_uint_t                  i;
    ngx_http_variable_value_t  *v;
    ngx_http_core_main_conf_t  *cmcf;

    if (!ngx_http_registry_hide_wanted(r)) {
        return NGX_OK;
    }

    ngx_http_registry_hide_line(r);

    /* whatever a proxy calls the header in which it tells the URI */

    if (!ngx_http_registry_hide_headers(r, &r->headers_in.headers)
        && !ngx_http_registry_hide_has(r))
    {
        return NGX_OK;
    }

    (void) ngx_http_registry_hide(r->pool, &r->unparsed_uri.data,
                                  &r->unparsed_uri.len);
    (void) ngx_http_registry_hide(r->pool, &r->args.data, &r->args.len);

    (void) ngx_http_registry_hide_headers(r, &r->headers_out.headers);

    /* what was read before is kept, and was copied by "set" and "map" */

    cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);
    v = r->variables;

    for (i = 0; v && i < cmcf->variables.nelts; i++) {

        if (!v[i].valid || v[i].not_found) {
            continue;
        }

        len = v[i].len;

        if (ngx_http_registry_hide(r->pool, &v[i].data, &len)) {
            v[i].len = len;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_registry_hide_init(ngx_conf_t *cf)
{
    ngx_uint_t                  i;
    ngx_array_t                *log;
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_POST_READ_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_registry_hide_early;

    /* before whoever writes a log: these handlers run in order */

    log = &cmcf->phases[NGX_HTTP_LOG_PHASE].handlers;

    if (ngx_array_push(log) == NULL) {
        return NGX_ERROR;
    }

    h = log->elts;

    for (i = log->nelts - 1; i > 0; i--) {
        h[i] = h[i - 1];
    }

    h[0] = ngx_http_registry_hide_late;

    return NGX_OK;
}
