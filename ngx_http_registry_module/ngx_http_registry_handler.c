/*
 * The content handler: makes a flow of the request and drives it.
 */

#include "ngx_http_registry_module.h"

#include <openssl/rand.h>

#include "core/reg_ops.h"


/* of one header that comes in several lines, bytes */
#define NGX_HTTP_REGISTRY_LINES_MAX  (32 * 1024)


static ngx_int_t ngx_http_registry_begin(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static void ngx_http_registry_drive(ngx_http_request_t *r);
static ngx_uint_t ngx_http_registry_container_done(ngx_http_request_t *r);
static ngx_int_t ngx_http_registry_again(ngx_http_request_t *r);
static ngx_int_t ngx_http_registry_renew(ngx_http_request_t *r);
static void ngx_http_registry_wake(ngx_http_request_t *r);
static void ngx_http_registry_fail(ngx_http_request_t *r, ngx_int_t rc);
static void ngx_http_registry_cleanup(void *data);
static void ngx_http_registry_log_damage(ngx_http_request_t *r,
    reg_flow_t *f);
static void ngx_http_registry_finish(ngx_http_request_t *r);


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


ngx_int_t
ngx_http_registry_handler(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    ngx_pool_cleanup_t       *cln;
    ngx_http_registry_ctx_t  *ctx;

    if (r != r->main) {
        return ngx_http_registry_call_run(r);
    }

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_registry_ctx_t));
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_http_registry_cleanup;
    cln->data = ctx;

    ngx_http_set_ctx(r, ctx, ngx_http_registry_module);

    rc = ngx_http_registry_begin(r, ctx);

    if (rc != NGX_OK) {
        return rc == NGX_ERROR ? NGX_HTTP_INTERNAL_SERVER_ERROR : rc;
    }

    ctx->counted = 1;
    ngx_http_registry_count_running(ctx->operation.route.kind, 1);

    r->write_event_handler = ngx_http_registry_wake;

    /* held until the flow is at its end */

    r->main->count++;

    ngx_http_registry_drive(r);

    return NGX_DONE;
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

static ngx_int_t
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


static ngx_int_t
ngx_http_registry_copy_headers(ngx_http_request_t *r, reg_flow_t *f)
{
    ngx_int_t   rc;
    ngx_uint_t  i;

    static const struct {
        ngx_str_t   name;
        size_t      offset;
    } headers[] = {
        { ngx_string("Content-Type"), offsetof(reg_flow_t, content_type) },
        { ngx_string("Content-Range"), offsetof(reg_flow_t, content_range) },
        { ngx_string("Range"), offsetof(reg_flow_t, range) },
        { ngx_string("Accept"), offsetof(reg_flow_t, accept) },
        { ngx_string("If-Match"), offsetof(reg_flow_t, if_match) },
        { ngx_string("If-None-Match"), offsetof(reg_flow_t, if_none_match) },
        { ngx_string("If-Range"), offsetof(reg_flow_t, if_range) }
    };

    for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {

        rc = ngx_http_registry_copy_header(r, (ngx_str_t *) &headers[i].name,
                             (reg_str_t *) ((char *) f + headers[i].offset));

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


/* relative Locations are right for all clients: never an error */

static ngx_int_t
ngx_http_registry_external_url(ngx_http_request_t *r, reg_str_t *url)
{
    ngx_str_t                      value;
    ngx_http_registry_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    if (rlcf->external_url == NULL) {
        return NGX_OK;
    }

    if (ngx_http_complex_value(r, rlcf->external_url, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    url->len = value.len;
    url->data = value.data;

    if (url->len && !reg_url_valid(url)) {
        value = ngx_http_registry_visible(r, &value);

        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "registry: \"registry_external_url\" became \"%V\","
                      " which is no URL: Location is relative", &value);
        url->len = 0;
    }

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


static void
ngx_http_registry_configure(ngx_http_request_t *r, reg_flow_t *f,
    ngx_http_registry_loc_conf_t *rlcf)
{
    if (rlcf->places) {
        f->place = ngx_http_registry_place;
        f->places = rlcf->places;
    }

    f->now = ngx_time();
    f->secret = rlcf->secrets;
    f->nsecrets = rlcf->nsecrets;
    f->container.len = rlcf->root.len;
    f->container.data = rlcf->root.data;
    f->prefix.len = rlcf->prefix_slash.len;
    f->prefix.data = rlcf->prefix_slash.data;
    f->part_size = rlcf->part_size;
    f->slice = rlcf->slice;
    f->upload_expires = rlcf->upload_expires;
    f->authorize_until = rlcf->upload_authorize
                         ? f->now + rlcf->upload_authorize : 0;
    f->manifest_max = rlcf->manifest_max;
    f->sparse = (reg_sparse_t) rlcf->sparse;
    f->delete_allowed = ngx_http_registry_switched(r, rlcf->delete,
                                                   "registry_delete", 0);
    f->anonymous_mount =
        ngx_http_registry_switched(r, rlcf->anonymous_mount,
                                   "registry_anonymous_mount", 0);
    f->read_only = ngx_http_registry_switched(r, rlcf->read_only,
                                              "registry_read_only", 1);

    if (rlcf->immutable) {
        f->immutable = ngx_http_registry_immutable;
        f->immutable_data = r;
    }
}


/* NGX_OK; NGX_ERROR, or the HTTP status of what is refused before a flow */

static ngx_int_t
ngx_http_registry_begin(ngx_http_request_t *r, ngx_http_registry_ctx_t *ctx)
{
    ngx_int_t                      rc;
    reg_str_t                      detail;
    reg_flow_t                    *f;
    reg_error_t                    e;
    ngx_http_registry_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    ctx->request = r;
    ctx->arena.alloc = ngx_http_registry_alloc;
    ctx->arena.ctx = r->pool;
    ctx->row.alloc = ngx_http_registry_row_alloc;
    ctx->row.ctx = ctx;

    f = &ctx->operation;
    f->arena = &ctx->arena;
    f->row = &ctx->row;
    f->judged = ngx_http_registry_calls_free;
    f->judged_data = ctx;
    f->method = ngx_http_registry_method(r);

    f->uri.len = r->uri.len;
    f->uri.data = r->uri.data;
    f->args.len = r->args.len;
    f->args.data = r->args.data;

    rc = ngx_http_registry_copy_headers(r, f);

    if (rc != NGX_OK) {
        return rc;
    }

    f->body_length = ngx_http_registry_body_length(r);

    if (RAND_bytes(f->random, sizeof(f->random)) != 1) {
        ngx_log_error(NGX_LOG_ALERT, r->connection->log, 0,
                      "registry: no random bytes to be had");
        return NGX_ERROR;
    }

    if (ngx_http_registry_external_url(r, &f->external_url) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_registry_configure(r, f, rlcf);

    ctx->container = *f;
    ctx->container.step = reg_container_steps;

    /* it comes in between: a row of the operation has been asked already */

    ctx->container.judged = NULL;

    ctx->flow = f;

    if (reg_route_parse(&f->uri, &f->route, &e, &detail) != REG_OK) {
        (void) reg_refuse_str(f, e, detail);
        f->step = NULL;
        return NGX_OK;
    }

    /* a write costs the client more than the time to be told */

    if (f->method != REG_GET && f->method != REG_HEAD
        && !ngx_http_registry_healthy(rlcf->health))
    {
        ngx_str_set(&ctx->last_error, "its health check has failed");
        (void) reg_refuse(f, REG_E_UNAVAILABLE,
                          "the storage does not work for now");
        f->step = NULL;
        return NGX_OK;
    }

    if (f->route.kind == REG_ROUTE_BLOB && f->method == REG_GET) {
        ngx_http_registry_redirect(r, f);
    }

    reg_flow_start(f);

    if (f->foreign && !ngx_http_registry_access_by_state(r)) {
        ngx_http_registry_access_foreign(r, f->foreign);
    }

    return f->step ? NGX_OK : NGX_ERROR;
}


/* whether the container is known to be there; the first call finds out */

static ngx_uint_t
ngx_http_registry_container_ready(ngx_http_request_t *r)
{
    ngx_http_registry_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    return (*ngx_http_registry_token_flags(rlcf->account)
            & rlcf->container_bit) != 0;
}


static void
ngx_http_registry_container_found(ngx_http_request_t *r)
{
    ngx_atomic_t                  *flags;
    ngx_atomic_uint_t              old;
    ngx_http_registry_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);
    flags = ngx_http_registry_token_flags(rlcf->account);

    do {
        old = *flags;
    } while (!ngx_atomic_cmp_set(flags, old, old | rlcf->container_bit));
}


void
ngx_http_registry_next(ngx_http_request_t *r, ngx_http_registry_next_t next)
{
    ngx_http_registry_ctx_t  *ctx;

#if (NGX_DEBUG)
    static const char        *names[] = { "wait", "judge", "again", "stop",
                                         "fail" };
#endif

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "http registry -> %s \"%s\"", names[next],
                   ctx->flow->step ? ctx->flow->step->name : "");

    ctx->next = next;
}


static void
ngx_http_registry_drive(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    reg_todo_t                todo;
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    for ( ;; ) {

        todo = ctx->flow->step ? reg_flow_run(ctx->flow) : REG_ANSWER;

        if (ctx->flow->damage.len) {
            ngx_http_registry_log_damage(r, ctx->flow);
        }

        if (todo == REG_CALL) {
            rc = ngx_http_registry_calls_recall(r);

            if (rc == NGX_OK) {
                continue;
            }

            if (rc == NGX_ERROR) {
                ngx_http_registry_fail(r, rc);
                return;
            }
        }

        if (todo == REG_CALL
            && ctx->flow == &ctx->operation
            && !ngx_http_registry_container_ready(r)
            && ctx->container.step == reg_container_steps)
        {
            /*
             * These calls wait until the container is known to be there; a
             * row is not asked for them twice.
             */

            ctx->flow = &ctx->container;
            continue;
        }

        if (todo == REG_ANSWER && !ngx_http_registry_container_done(r)) {
            ngx_http_registry_finish(r);
            return;
        }

        rc = ngx_http_registry_again(r);

        if (rc == NGX_AGAIN) {
            return;
        }

        if (rc != NGX_OK) {
            ngx_http_registry_fail(r, rc);
            return;
        }
    }
}


/* 1: the calls that waited for the container are to be made */

static ngx_uint_t
ngx_http_registry_container_done(ngx_http_request_t *r)
{
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    if (ctx->flow == &ctx->operation) {
        return 0;
    }

    if (ctx->container.answer.status == NGX_HTTP_OK) {
        ngx_http_registry_container_found(r);

    } else if (ctx->operation.calls[0].stale == NULL) {
        ctx->operation.answer = ctx->container.answer;
        return 0;
    }

    ctx->flow = &ctx->operation;

    return 1;
}


/*
 * By an HTTP status or, for NGX_ERROR, by 500; when the header is out already,
 * by closing the connection.
 */

static void
ngx_http_registry_fail(ngx_http_request_t *r, ngx_int_t rc)
{
    ngx_http_registry_early_drop(r);

    if (r->header_sent) {
        rc = NGX_ERROR;

    } else if (rc == NGX_ERROR) {
        rc = NGX_HTTP_INTERNAL_SERVER_ERROR;

    } else if (rc == NGX_HTTP_REQUEST_TIME_OUT) {

        /* nginx would end a request that timed out without a word */

        rc = ngx_http_special_response_handler(r, rc);
    }

    ngx_http_finalize_request(r, rc);
}


/* registry:2 left it, or somebody at the store: never the client's fault */

static void
ngx_http_registry_log_damage(ngx_http_request_t *r, reg_flow_t *f)
{
    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "registry: damage in the storage, repository \"%*s\": %*s",
                  f->route.name.len, f->route.name.data,
                  f->damage.len, f->damage.data);

    f->damage.len = 0;
}


static void
ngx_http_registry_finish(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    ngx_uint_t                level;
    reg_answer_t             *a;
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
    a = &ctx->operation.answer;

    ngx_http_registry_early_drop(r);

    if (a->status >= 400) {
        level = a->status >= 500 ? NGX_LOG_ERR : NGX_LOG_INFO;

        ngx_log_error(level, r->connection->log, 0,
                      "registry: %ui %s while \"%s\"%s%V",
                      (ngx_uint_t) a->status,
                      a->error == REG_E_LAST ? "-" : reg_error_code(a->error),
                      ctx->flow->step ? ctx->flow->step->name : "route",
                      ctx->last_error.len ? ", storage: " : "",
                      &ctx->last_error);
    }

    rc = ctx->body_begun ? NGX_OK : ngx_http_discard_request_body(r);

    /* nginx will close after a body that was not read: the client is told */

    if (r->reading_body) {
        r->keepalive = 0;
    }

    if (rc == NGX_OK) {
        rc = ngx_http_registry_answer(r);

#if (NGX_HTTP_CACHE)
        ngx_http_registry_fill(r);
#endif
    }

    ngx_http_finalize_request(r, rc);
}


/* what the row asks for */

static ngx_int_t
ngx_http_registry_again(ngx_http_request_t *r)
{
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    ngx_http_registry_next(r, NGX_HTTP_REGISTRY_WAIT);

    switch (ctx->flow->todo) {

    case REG_BODY:
        return ngx_http_registry_body_gather(r);

    case REG_PASS:
        return ngx_http_registry_pass(r);

    case REG_PART:
        return ngx_http_registry_part(r);

    default: /* REG_CALL */
        return ngx_http_registry_calls_start(r);
    }
}


/* what the request waited for is there, or the client's socket is writable */

static void
ngx_http_registry_wake(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_http_registry_ctx_t   *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    switch (ctx->next) {

    case NGX_HTTP_REGISTRY_JUDGE:
        rc = ngx_http_registry_renew(r);
        break;

    case NGX_HTTP_REGISTRY_AGAIN:
        rc = ngx_http_registry_again(r);
        break;

    case NGX_HTTP_REGISTRY_STOP:
        rc = ngx_http_registry_calls_stop(r);
        break;

    case NGX_HTTP_REGISTRY_FAIL:
        rc = ctx->status;
        break;

    default: /* NGX_HTTP_REGISTRY_WAIT */
        return;
    }

    if (rc == NGX_AGAIN) {
        return;
    }

    ngx_http_registry_next(r, NGX_HTTP_REGISTRY_WAIT);

    if (rc == NGX_OK) {
        ngx_http_registry_drive(r);

    } else {
        ngx_http_registry_fail(r, rc);
    }
}


/* calls that the storage refused with this token are made by another one */

static ngx_int_t
ngx_http_registry_renew(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    ngx_uint_t                     i;
    reg_flow_t                    *f;
    ngx_http_registry_ctx_t       *ctx;
    ngx_http_registry_loc_conf_t  *rlcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);
    f = ctx->flow;

    for (i = 0; i < f->ncalls; i++) {

        if (f->calls[i].reply.status != NGX_HTTP_UNAUTHORIZED) {
            continue;
        }

        ngx_http_registry_token_refused(rlcf->account, &ctx->token);

        /* a body that was fed is gone: the client has to send it again */

        if (ctx->renewed || f->calls[i].feed) {
            break;
        }

        ctx->renewed = 1;
        ngx_http_registry_count(counters[NGX_HTTP_REGISTRY_RENEWALS]);

        rc = f->todo == REG_PART ? NGX_DECLINED
                                 : ngx_http_registry_calls_recall(r);

        return rc == NGX_DECLINED ? ngx_http_registry_again(r) : rc;
    }

    return NGX_OK;
}


static void
ngx_http_registry_cleanup(void *data)
{
    ngx_http_registry_ctx_t  *ctx = data;

    ngx_http_registry_token_cancel(&ctx->wait);
    ngx_http_registry_calls_free(ctx);

    if (ctx->counted) {
        ngx_http_registry_count_running(ctx->operation.route.kind, -1);
    }
}


/* what nginx refused before us is counted, too */

ngx_int_t
ngx_http_registry_log_handler(ngx_http_request_t *r)
{
    ngx_msec_int_t                 ms;
    ngx_time_t                    *tp;
    reg_error_t                    e;
    reg_str_t                      uri, detail;
    reg_route_t                    route;
    ngx_http_registry_ctx_t       *ctx;
    ngx_http_registry_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    /* "log_subrequest on" brings those, too: their context is another */

    if (rlcf->account == NULL || r != r->main) {
        return NGX_OK;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    if (ctx && ctx->counted) {
        route.kind = ctx->operation.route.kind;

    } else {
        uri.len = r->uri.len;
        uri.data = r->uri.data;

        (void) reg_route_parse(&uri, &route, &e, &detail);
    }

    tp = ngx_timeofday();
    ms = (ngx_msec_int_t) ((tp->sec - r->start_sec) * 1000
                           + (tp->msec - r->start_msec));

    ngx_http_registry_count_request(route.kind, ngx_http_registry_method(r),
                                    r->headers_out.status, ngx_max(ms, 0),
                                    r->request_length, r->connection->sent);

    if (ctx) {
        ngx_http_registry_early_drop(r);
    }

    if (ctx && ctx->own && ctx->storage_busy) {
        ngx_http_registry_count_call(ctx->own->call, 1,
                                  ngx_current_msec - ctx->storage_since);
    }

    e = (ctx && ctx->answered) ? ctx->operation.answer.error
        : r->headers_out.status >= 400
        ? reg_error_of_status(r->headers_out.status, &detail) : REG_E_LAST;

    if (e != REG_E_LAST) {
        ngx_http_registry_count(errors[e]);
    }

    return NGX_OK;
}
