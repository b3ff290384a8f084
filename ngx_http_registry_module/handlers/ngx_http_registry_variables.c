/*
 * Variables.  Those of the request are read from its URI, so that they are
 * there in the access phase; those of the answer are for the log.
 */

#include "ngx_http_registry_variables.h"
#include "base/ngx_http_registry_util.h"
#include "core/reg_params.h"
#include "core/reg_query.h"
#include "ngx_http_registry_handler.h"


#define NGX_HTTP_REGISTRY_OPERATION_MAX  32


/* what was read of a URI and its arguments, as long as they are the same */

typedef struct {
    ngx_str_t       uri;
    ngx_str_t       args;
    ngx_uint_t      known;              /* the method, once it was read */
    reg_method_t    method;
    reg_route_t     route;
    unsigned        path:1;             /* is one of the API, and right */
    unsigned        valid:1;            /* the query is, too */
    unsigned        mount:1;

    ngx_str_t       operation;          /* null: not made yet */
    u_char          operation_text[NGX_HTTP_REGISTRY_OPERATION_MAX];
    ngx_str_t       tags;
    reg_str_t       from;
} ngx_http_registry_request_t;


static ngx_int_t ngx_http_registry_refuse_early(ngx_http_request_t *r);

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
      ngx_http_registry_operation_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("registry_action"), NULL,
      ngx_http_registry_action_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("registry_repository"), NULL,
      ngx_http_registry_request_variable,
      offsetof(ngx_http_registry_request_t, route.name),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("registry_reference"), NULL,
      ngx_http_registry_request_variable,
      offsetof(ngx_http_registry_request_t, route.reference),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("registry_mount_from"), NULL,
      ngx_http_registry_request_variable,
      offsetof(ngx_http_registry_request_t, from),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("registry_tags"), NULL,
      ngx_http_registry_tags_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

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
ngx_http_registry_variables_add(ngx_conf_t *cf)
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


static void
ngx_http_registry_request_forget(void *data)
{
    /* tells whose the cleanup is, as the module's context is the handler's */
}


/*
 * There was no memory for a value that a rule may stand on, and nginx takes it
 * for an empty one: whatever the rules say, the request is not carried out.
 */

static void
ngx_http_registry_request_failed(ngx_http_request_t *r)
{
    if (!r->main->header_sent) {
        r->connection->error = 1;
    }
}


static ngx_http_registry_request_t *
ngx_http_registry_request_of(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t  *cln;

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_registry_request_forget) {
            return cln->data;
        }
    }

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_registry_request_t));
    if (cln == NULL) {
        return NULL;
    }

    ngx_memzero(cln->data, sizeof(ngx_http_registry_request_t));
    cln->handler = ngx_http_registry_request_forget;

    return cln->data;
}


static void
ngx_http_registry_request_parse(ngx_http_request_t *r,
    ngx_http_registry_request_t *rq)
{
    reg_rc_t     rc;
    reg_str_t    uri, args, mount, detail;
    reg_error_t  e;
    reg_arena_t  arena;

    ngx_memzero(rq, sizeof(ngx_http_registry_request_t));

    rq->uri = r->uri;
    rq->args = r->args;
    rq->known = r->method;
    rq->method = ngx_http_registry_method(r);

    arena.alloc = ngx_http_registry_alloc;
    arena.ctx = r->pool;

    uri.len = r->uri.len;
    uri.data = r->uri.data;
    args.len = r->args.len;
    args.data = r->args.data;

    if (reg_route_parse(&uri, &rq->route, &e, &detail) != REG_OK) {
        return;
    }

    rq->path = 1;

    rc = reg_params_check(&arena, &rq->route, rq->method, &args, &e, &detail);

    if (rq->route.kind == REG_ROUTE_UPLOADS && rq->method == REG_POST) {

        if (rc == REG_OK) {
            rc = reg_query_get(&arena, &args, "mount", &mount);
        }

        if (rc == REG_OK) {
            rc = reg_query_get(&arena, &args, "from", &rq->from);
            rq->mount = (mount.len != 0);
        }
    }

    if (rc == REG_NOMEM) {
        ngx_http_registry_request_failed(r);
    }

    rq->valid = (rc == REG_OK);
}


/*
 * What the request asks for as it is now: a rewrite changes it.  NULL: not a
 * path of the API, or one or a query that is malformed, so that no rule
 * stands on a value that the API does not know.
 */

static ngx_http_registry_request_t *
ngx_http_registry_request(ngx_http_request_t *r)
{
    ngx_http_registry_request_t  *rq;

    /* a subrequest of auth_request asks on behalf of the client's */

    r = r->main;

    rq = ngx_http_registry_request_of(r);

    if (rq == NULL) {
        ngx_http_registry_request_failed(r);
        return NULL;
    }

    if (rq->known != r->method
        || rq->uri.data != r->uri.data || rq->uri.len != r->uri.len
        || rq->args.data != r->args.data || rq->args.len != r->args.len)
    {
        ngx_http_registry_request_parse(r, rq);
    }

    return rq->valid ? rq : NULL;
}


/*
 * A query that leaves the variables empty is answered by the operation, which
 * refuses it, before anybody is asked who may do what.
 */

static ngx_int_t
ngx_http_registry_refuse_early(ngx_http_request_t *r)
{
    ngx_http_registry_request_t  *rq;

    if (r != r->main) {
        return NGX_DECLINED;
    }

    rq = NULL;

    if (r->content_handler == ngx_http_registry_handler) {
        rq = ngx_http_registry_request(r);
    }

    if (r->connection->error) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (r->args.len == 0
        || r->content_handler != ngx_http_registry_handler
        || rq != NULL)
    {
        return NGX_DECLINED;
    }

    rq = ngx_http_registry_request_of(r);

    if (!rq->path) {
        return NGX_DECLINED;
    }

    r->write_event_handler = ngx_http_request_empty_handler;

    ngx_http_finalize_request(r, ngx_http_registry_handler(r));

    return NGX_DONE;
}


/* the last one before the access phase: handlers of a phase run backwards */

ngx_int_t
ngx_http_registry_variables_init(ngx_conf_t *cf)
{
    ngx_uint_t                  i;
    ngx_array_t                *handlers;
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    handlers = &cmcf->phases[NGX_HTTP_PREACCESS_PHASE].handlers;

    if (ngx_array_push(handlers) == NULL) {
        return NGX_ERROR;
    }

    h = handlers->elts;

    for (i = handlers->nelts - 1; i > 0; i--) {
        h[i] = h[i - 1];
    }

    h[0] = ngx_http_registry_refuse_early;

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
    u_char                       *p;
    ngx_http_registry_request_t  *rq;

    static const char  *methods[] = {
        "get", "head", "put", "post", "patch", "delete", "copy", "other"
    };

    rq = ngx_http_registry_request(r);

    if (rq == NULL) {
        return ngx_http_registry_value(v, "", 0);
    }

    if (rq->mount) {
        return ngx_http_registry_value(v, "blob_mount",
                                       sizeof("blob_mount") - 1);
    }

    if (rq->operation.data == NULL) {

        p = rq->operation_text;
        rq->operation.data = p;
        rq->operation.len = ngx_snprintf(p, NGX_HTTP_REGISTRY_OPERATION_MAX,
                                         "%s_%s",
                                         reg_route_text(rq->route.kind),
                                         methods[rq->method])
                            - p;
    }

    return ngx_http_registry_value(v, rq->operation.data, rq->operation.len);
}


static ngx_int_t
ngx_http_registry_action_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    const char                   *action;
    ngx_http_registry_request_t  *rq;

    action = "";
    rq = ngx_http_registry_request(r);

    if (rq) {

        switch (rq->route.kind) {

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
            action = (rq->method == REG_DELETE) ? "delete"
                     : (rq->method == REG_GET || rq->method == REG_HEAD)
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
    ngx_http_registry_request_t  *rq;

    rq = ngx_http_registry_request(r);

    if (rq == NULL) {
        return ngx_http_registry_value(v, "", 0);
    }

    s = (reg_str_t *) ((char *) rq + data);

    return ngx_http_registry_value(v, s->data, s->len);
}


/* the tags that a push by digest sets, with commas between */

static ngx_int_t
ngx_http_registry_read_tags(ngx_http_request_t *r,
    ngx_http_registry_request_t *rq)
{
    size_t       n, i, max;
    reg_buf_t    b;
    reg_str_t   *tags, args, text;
    reg_arena_t  arena;

    arena.alloc = ngx_http_registry_alloc;
    arena.ctx = r->pool;

    args.len = rq->args.len;
    args.data = rq->args.data;

    max = reg_query_count(&args, "tag") + 1;

    tags = ngx_palloc(r->pool, max * sizeof(reg_str_t));
    if (tags == NULL
        || reg_query_all(&arena, &args, "tag", tags, max, &n) != REG_OK)
    {
        return NGX_ERROR;
    }

    reg_buf_init(&b, &arena, 256);

    for (i = 0; i < n; i++) {
        reg_buf_text(&b, i ? "," : "");
        reg_buf_add_str(&b, &tags[i]);
    }

    text = reg_buf_str(&b);

    rq->tags.len = text.len;
    rq->tags.data = text.data;

    return text.data ? NGX_OK : NGX_ERROR;
}


static ngx_http_registry_ctx_t *
ngx_http_registry_main_ctx(ngx_http_request_t *r)
{
    return ngx_http_get_module_ctx(r->main, ngx_http_registry_module);
}


/* the tags that are asked for, or that a push sets: "v1", or "v1,latest" */

static ngx_int_t
ngx_http_registry_tags_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_registry_ctx_t      *ctx;
    ngx_http_registry_request_t  *rq;

    ctx = ngx_http_registry_main_ctx(r);

    if (ctx && ctx->tag) {
        return ngx_http_registry_value(v, ctx->tag->data, ctx->tag->len);
    }

    rq = ngx_http_registry_request(r);

    if (rq == NULL || rq->route.kind != REG_ROUTE_MANIFEST) {
        return ngx_http_registry_value(v, "", 0);
    }

    if (!rq->route.by_digest) {
        return ngx_http_registry_value(v, rq->route.reference.data,
                                       rq->route.reference.len);
    }

    if (rq->method != REG_PUT || rq->args.len == 0) {
        return ngx_http_registry_value(v, "", 0);
    }

    if (rq->tags.data == NULL
        && ngx_http_registry_read_tags(r, rq) != NGX_OK)
    {
        ngx_http_registry_request_failed(r);
        return NGX_ERROR;
    }

    return ngx_http_registry_value(v, rq->tags.data, rq->tags.len);
}


static reg_str_t *
ngx_http_registry_answered(ngx_http_registry_ctx_t *ctx, const char *name)
{
    ngx_uint_t     i;
    reg_answer_t  *a;

    if (ctx && ctx->operation) {
        a = &ctx->operation->answer;

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
    ngx_http_registry_request_t  *rq;

    s = ngx_http_registry_answered(ngx_http_registry_main_ctx(r),
                                   "Docker-Content-Digest");

    rq = s == NULL ? ngx_http_registry_request(r) : NULL;

    if (rq && rq->route.by_digest) {
        s = &rq->route.reference;
    }

    return s ? ngx_http_registry_value(v, s->data, s->len)
             : ngx_http_registry_value(v, "", 0);
}


static ngx_int_t
ngx_http_registry_upload_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    reg_str_t                    *s;
    ngx_http_registry_request_t  *rq;

    s = ngx_http_registry_answered(ngx_http_registry_main_ctx(r),
                                   "Docker-Upload-UUID");

    rq = s == NULL ? ngx_http_registry_request(r) : NULL;

    if (rq && rq->route.kind == REG_ROUTE_UPLOAD) {
        s = &rq->route.reference;
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

    if (ctx && ctx->answered && ctx->operation->answer.error != REG_E_LAST
        && ctx->operation->answer.status >= 400)
    {
        code = reg_error_code(ctx->operation->answer.error);

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
