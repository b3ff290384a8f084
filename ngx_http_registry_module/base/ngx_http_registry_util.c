/*
 * What all of nginx's half uses: memory for core, a method, a header, a switch.
 */

#include "ngx_http_registry_util.h"


/* of one header that comes in several lines, bytes */
#define NGX_HTTP_REGISTRY_LINES_MAX  (32 * 1024)


void *
ngx_http_registry_alloc(void *ctx, size_t size)
{
    return ngx_palloc(ctx, size);
}


ngx_str_t
ngx_http_registry_visible(ngx_http_request_t *r, ngx_str_t *s)
{
    ngx_str_t    visible;
    reg_buf_t    b;
    reg_str_t    text;
    reg_arena_t  arena;

    arena.alloc = ngx_http_registry_alloc;
    arena.ctx = r->pool;

    reg_buf_init(&b, &arena, s->len + 1);
    reg_buf_visible(&b, s->data, s->len);
    text = reg_buf_str(&b);

    visible.len = text.len;
    visible.data = text.data;

    return visible;
}


ngx_str_t
ngx_http_registry_visible_name(ngx_http_request_t *r, const reg_str_t *name)
{
    ngx_str_t  s;

    s.len = name->len;
    s.data = name->data;

    return ngx_http_registry_visible(r, &s);
}


reg_method_t
ngx_http_registry_method(ngx_http_request_t *r)
{
    switch (r->method) {
    case NGX_HTTP_GET:
        return REG_GET;
    case NGX_HTTP_HEAD:
        return REG_HEAD;
    case NGX_HTTP_PUT:
        return REG_PUT;
    case NGX_HTTP_POST:
        return REG_POST;
    case NGX_HTTP_PATCH:
        return REG_PATCH;
    case NGX_HTTP_DELETE:
        return REG_DELETE;
    default:
        return REG_OTHER;
    }
}


/* the next line of a name; *part and *i are where to go on */

static ngx_str_t *
ngx_http_registry_next_line(ngx_list_part_t **part, ngx_uint_t *i,
    ngx_str_t *name)
{
    ngx_table_elt_t  *h, *line;

    for ( /* void */ ; *part; *part = (*part)->next, *i = 0) {

        h = (*part)->elts;

        while (*i < (*part)->nelts) {
            line = &h[(*i)++];

            if (line->key.len == name->len
                && ngx_strncasecmp(line->key.data, name->data, name->len)
                   == 0)
            {
                return &line->value;
            }
        }
    }

    return NULL;
}


/*
 * Several lines of one name are one list: RFC 9110, 5.3.  They are counted
 * first, so that they are copied once, however many they are.
 */

ngx_int_t
ngx_http_registry_copy_header(ngx_http_request_t *r, ngx_str_t *name,
    reg_str_t *value)
{
    size_t            len;
    u_char           *p;
    ngx_str_t        *line;
    ngx_uint_t        i, n;
    ngx_list_part_t  *part;

    part = &r->headers_in.headers.part;
    len = 0;
    i = 0;

    for (n = 0;
         (line = ngx_http_registry_next_line(&part, &i, name)) != NULL;
         n++)
    {
        len += line->len + 2;
        value->len = line->len;
        value->data = line->data;
    }

    if (n < 2) {
        return NGX_OK;
    }

    if (len > NGX_HTTP_REGISTRY_LINES_MAX) {
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "registry: %ui lines of \"%V\" have %uz bytes, %d are"
                      " allowed", n, name, len, NGX_HTTP_REGISTRY_LINES_MAX);

        return NGX_HTTP_REGISTRY_HEADER_TOO_LARGE;
    }

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    value->data = p;
    part = &r->headers_in.headers.part;
    i = 0;

    while ((line = ngx_http_registry_next_line(&part, &i, name)) != NULL) {
        p = ngx_cpymem(p, line->data, line->len);
        *p++ = ',';
        *p++ = ' ';
    }

    value->len = p - value->data - 2;

    return NGX_OK;
}


ngx_int_t
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


/* what no one meant by a variable's value is the safe side */

ngx_uint_t
ngx_http_registry_switched(ngx_http_request_t *r,
    ngx_http_complex_value_t *cv, const char *directive, ngx_uint_t safe)
{
    ngx_str_t  value;

    if (cv == NULL) {
        return 0;
    }

    if (ngx_http_complex_value(r, cv, &value) != NGX_OK) {
        return safe;
    }

    if (value.len == 0
        || (value.len == 1 && value.data[0] == '0')
        || (value.len == 3 && ngx_strncmp(value.data, "off", 3) == 0))
    {
        return 0;
    }

    if ((value.len == 1 && value.data[0] == '1')
        || (value.len == 2 && ngx_strncmp(value.data, "on", 2) == 0))
    {
        return 1;
    }

    value = ngx_http_registry_visible(r, &value);

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "registry: \"%s\" is \"%V\", which is neither on nor off:"
                  " taken for %s", directive, &value, safe ? "on" : "off");

    return safe;
}
