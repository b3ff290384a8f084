/*
 * Variables.  Those of the request are read from its URI, so that they are
 * there in the access phase; those of the answer are for the log.
 */

#include "ngx_http_registry_module.h"

#include "core/reg_query.h"


#define NGX_HTTP_REGISTRY_OPERATION_MAX  32


typedef struct {
    reg_method_t    method;
    reg_route_t     route;
    reg_arena_t     arena;
    ngx_uint_t      mount;
    reg_str_t       from;
} ngx_http_registry_request_t;


static ngx_int_t ngx_http_registry_operation_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_registry_action_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_registry_request_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_registry_tags_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_registry_digest_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_registry_upload_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_registry_error_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_registry_calls_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_registry_time_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_registry_id_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_registry_cache_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);


static ngx_http_variable_t  ngx_http_registry_vars[] = {

    { ngx_string("registry_operation"), NULL,
      ngx_http_registry_operation_variable, 0, 0, 0 },

    { ngx_string("registry_action"), NULL,
      ngx_http_registry_action_variable, 0, 0, 0 },

    { ngx_string("registry_repository"), NULL,
      ngx_http_registry_request_variable,
      offsetof(ngx_http_registry_request_t, route.name), 0, 0 },

    { ngx_string("registry_reference"), NULL,
      ngx_http_registry_request_variable,
      offsetof(ngx_http_registry_request_t, route.reference), 0, 0 },

    { ngx_string("registry_mount_from"), NULL,
      ngx_http_registry_request_variable,
      offsetof(ngx_http_registry_request_t, from), 0, 0 },

    { ngx_string("registry_tags"), NULL,
      ngx_http_registry_tags_variable, 0, 0, 0 },

    { ngx_string("registry_digest"), NULL,
      ngx_http_registry_digest_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("registry_upload"), NULL,
      ngx_http_registry_upload_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("registry_error"), NULL,
      ngx_http_registry_error_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("registry_storage_calls"), NULL,
      ngx_http_registry_calls_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("registry_storage_time"), NULL,
      ngx_http_registry_time_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("registry_storage_id"), NULL,
      ngx_http_registry_id_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("registry_cache"), NULL,
      ngx_http_registry_cache_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_http_registry_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_registry_vars; v->name.len; v++) {

        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


/* NGX_DECLINED: not a path of the API, or none that is well-formed */

static ngx_int_t
ngx_http_registry_request(ngx_http_request_t *r,
    ngx_http_registry_request_t *rq)
{
    reg_str_t    uri, args, mount, detail;
    reg_error_t  e;

    ngx_memzero(rq, sizeof(ngx_http_registry_request_t));

    /* a subrequest of auth_request asks on behalf of the client's */

    r = r->main;

    rq->arena.alloc = ngx_http_registry_alloc;
    rq->arena.ctx = r->pool;
    rq->method = ngx_http_registry_method(r);

    uri.len = r->uri.len;
    uri.data = r->uri.data;

    if (reg_route_parse(&uri, &rq->route, &e, &detail) != REG_OK) {
        return NGX_DECLINED;
    }

    if (rq->route.kind != REG_ROUTE_UPLOADS || rq->method != REG_POST) {
        return NGX_OK;
    }

    args.len = r->args.len;
    args.data = r->args.data;

    /* what is malformed is refused by the operation */

    if (reg_query_get(&rq->arena, &args, "mount", &mount) != REG_OK
        || reg_query_get(&rq->arena, &args, "from", &rq->from) != REG_OK)
    {
        return NGX_DECLINED;
    }

    rq->mount = (mount.data != NULL);

    return NGX_OK;
}


static ngx_int_t
ngx_http_registry_value(ngx_http_variable_value_t *v, const void *data,
    size_t len)
{
    v->data = (u_char *) data;
    v->len = len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = (len == 0);

    return NGX_OK;
}


static ngx_int_t
ngx_http_registry_operation_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                       *p, *last;
    ngx_http_registry_request_t   rq;

    static const char  *methods[] = {
        "get", "head", "put", "post", "patch", "delete", "copy", "other"
    };

    if (ngx_http_registry_request(r, &rq) != NGX_OK) {
        return ngx_http_registry_value(v, "", 0);
    }

    if (rq.mount) {
        return ngx_http_registry_value(v, "blob_mount",
                                       sizeof("blob_mount") - 1);
    }

    p = ngx_pnalloc(r->pool, NGX_HTTP_REGISTRY_OPERATION_MAX);
    if (p == NULL) {
        return NGX_ERROR;
    }

    last = ngx_snprintf(p, NGX_HTTP_REGISTRY_OPERATION_MAX, "%s_%s",
                        reg_route_text(rq.route.kind), methods[rq.method]);

    return ngx_http_registry_value(v, p, last - p);
}


static ngx_int_t
ngx_http_registry_action_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    const char                   *action;
    ngx_http_registry_request_t   rq;

    action = "";

    if (ngx_http_registry_request(r, &rq) == NGX_OK) {

        switch (rq.route.kind) {

        case REG_ROUTE_PING:
            break;

        case REG_ROUTE_CATALOG:
            action = "catalog";
            break;

        case REG_ROUTE_UPLOADS:
        case REG_ROUTE_UPLOAD:
            action = "push";
            break;

        default:
            action = (rq.method == REG_DELETE) ? "delete"
                     : (rq.method == REG_GET || rq.method == REG_HEAD)
                     ? "pull" : "push";
        }
    }

    return ngx_http_registry_value(v, action, ngx_strlen(action));
}


static ngx_int_t
ngx_http_registry_request_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    reg_str_t                    *s;
    ngx_http_registry_request_t   rq;

    if (ngx_http_registry_request(r, &rq) != NGX_OK) {
        return ngx_http_registry_value(v, "", 0);
    }

    s = (reg_str_t *) ((char *) &rq + data);

    return ngx_http_registry_value(v, s->data, s->len);
}


/* the tags that are asked for, or that a push sets: "v1", or "v1,latest" */

static ngx_int_t
ngx_http_registry_tags_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    size_t                        n, i, max;
    reg_buf_t                     b;
    reg_str_t                    *tags, args, text;
    ngx_http_registry_request_t   rq;

    if (ngx_http_registry_request(r, &rq) != NGX_OK
        || rq.route.kind != REG_ROUTE_MANIFEST)
    {
        return ngx_http_registry_value(v, "", 0);
    }

    if (!rq.route.by_digest) {
        return ngx_http_registry_value(v, rq.route.reference.data,
                                       rq.route.reference.len);
    }

    args.len = r->main->args.len;
    args.data = r->main->args.data;

    for (max = 1, i = 0; i < args.len; i++) {
        max += (args.data[i] == '&');
    }

    tags = ngx_palloc(r->pool, max * sizeof(reg_str_t));
    if (tags == NULL) {
        return NGX_ERROR;
    }

    /* what is malformed is refused by the operation */

    if (reg_query_all(&rq.arena, &args, "tag", tags, max, &n) != REG_OK) {
        return ngx_http_registry_value(v, "", 0);
    }

    reg_buf_init(&b, &rq.arena, 256);

    for (i = 0; i < n; i++) {
        reg_buf_text(&b, i ? "," : "");
        reg_buf_add_str(&b, &tags[i]);
    }

    text = reg_buf_str(&b);

    return text.data ? ngx_http_registry_value(v, text.data, text.len)
                     : NGX_ERROR;
}


static ngx_http_registry_ctx_t *
ngx_http_registry_main_ctx(ngx_http_request_t *r)
{
    return ngx_http_get_module_ctx(r->main, ngx_http_registry_module);
}


static reg_str_t *
ngx_http_registry_answered(ngx_http_registry_ctx_t *ctx, const char *name)
{
    ngx_uint_t     i;
    reg_answer_t  *a;

    if (ctx) {
        a = &ctx->operation.answer;

        for (i = 0; i < a->nheaders; i++) {
            if (ngx_strcasecmp((u_char *) a->headers[i].name,
                               (u_char *) name)
                == 0)
            {
                return &a->headers[i].value;
            }
        }
    }

    return NULL;
}


/* that of the answer, else that of the path */

static ngx_int_t
ngx_http_registry_digest_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    reg_str_t                    *s;
    ngx_http_registry_request_t   rq;

    s = ngx_http_registry_answered(ngx_http_registry_main_ctx(r),
                                   "Docker-Content-Digest");

    if (s == NULL
        && ngx_http_registry_request(r, &rq) == NGX_OK
        && rq.route.by_digest)
    {
        s = &rq.route.reference;
    }

    return s ? ngx_http_registry_value(v, s->data, s->len)
             : ngx_http_registry_value(v, "", 0);
}


static ngx_int_t
ngx_http_registry_upload_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    reg_str_t                    *s;
    ngx_http_registry_request_t   rq;

    s = ngx_http_registry_answered(ngx_http_registry_main_ctx(r),
                                   "Docker-Upload-UUID");

    if (s == NULL
        && ngx_http_registry_request(r, &rq) == NGX_OK
        && rq.route.kind == REG_ROUTE_UPLOAD)
    {
        s = &rq.route.reference;
    }

    return s ? ngx_http_registry_value(v, s->data, s->len)
             : ngx_http_registry_value(v, "", 0);
}


static ngx_int_t
ngx_http_registry_error_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    reg_str_t                 detail;
    const char               *code;
    ngx_uint_t                status;
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_registry_main_ctx(r);
    status = r->main->headers_out.status;
    code = "";

    if (ctx && ctx->answered && ctx->operation.answer.error != REG_E_LAST
        && ctx->operation.answer.status >= 400)
    {
        code = reg_error_code(ctx->operation.answer.error);

    } else if (status >= 400) {
        code = reg_error_code(reg_error_of_status((unsigned) status,
                                                  &detail));
    }

    return ngx_http_registry_value(v, code, ngx_strlen(code));
}


static ngx_int_t
ngx_http_registry_calls_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                   *p;
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_registry_main_ctx(r);

    if (ctx == NULL) {
        return ngx_http_registry_value(v, "", 0);
    }

    p = ngx_pnalloc(r->pool, NGX_INT_T_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    return ngx_http_registry_value(v, p, ngx_sprintf(p, "%ui",
                                                     ctx->storage_calls)
                                         - p);
}


static ngx_int_t
ngx_http_registry_time_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                   *p;
    ngx_msec_t                ms;
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_registry_main_ctx(r);

    if (ctx == NULL || ctx->storage_calls == 0) {
        return ngx_http_registry_value(v, "", 0);
    }

    p = ngx_pnalloc(r->pool, NGX_TIME_T_LEN + 4);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ms = ctx->storage_time;

    if (ctx->storage_busy) {
        ms += ngx_current_msec - ctx->storage_since;
    }

    return ngx_http_registry_value(v, p, ngx_sprintf(p, "%T.%03M",
                                               (time_t) (ms / 1000),
                                               ms % 1000)
                                         - p);
}


static ngx_int_t
ngx_http_registry_id_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_registry_main_ctx(r);

    return ctx ? ngx_http_registry_value(v, ctx->storage_id.data,
                                         ctx->storage_id.len)
               : ngx_http_registry_value(v, "", 0);
}


static ngx_int_t
ngx_http_registry_cache_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    const char               *state;
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_registry_main_ctx(r);

    state = (ctx == NULL) ? ""
            : ctx->stale ? "STALE"
            : ctx->storage_calls ? "MISS"
            : ctx->recalled ? "HIT" : "";

    return ngx_http_registry_value(v, state, ngx_strlen(state));
}
