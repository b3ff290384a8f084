/*
 * Storage calls: a token, then one background subrequest for each call of
 * the flow's row.  The reply of a call that is passed is the main request's
 * own upstream.
 */

#include "ngx_http_registry_module.h"


/* a subrequest with its upstream, but for the buffer of the reply */
#define NGX_HTTP_REGISTRY_CALL_POOL  (8 * 1024)
#define NGX_HTTP_REGISTRY_ROW_POOL   (4 * 1024)


static ngx_int_t ngx_http_registry_pause(ngx_http_request_t *r);
static void ngx_http_registry_pause_over(ngx_event_t *ev);
static void ngx_http_registry_pause_cleanup(void *data);
static void ngx_http_registry_token_ready(void *data, ngx_int_t rc);
static ngx_int_t ngx_http_registry_call(ngx_http_request_t *r,
    reg_call_t *call);
static void ngx_http_registry_call_arrived(ngx_http_request_t *r,
    reg_call_t *again);
static void ngx_http_registry_stale(ngx_http_request_t *r,
    reg_call_t *call);
static void ngx_http_registry_busy(ngx_http_registry_ctx_t *ctx,
    ngx_uint_t busy);
static ngx_int_t ngx_http_registry_subrequest(ngx_http_request_t *r,
    reg_call_t *call, ngx_http_registry_flight_t *flight);
static ngx_int_t ngx_http_registry_call_done(ngx_http_request_t *sr,
    void *data, ngx_int_t rc);


ngx_int_t
ngx_http_registry_calls_recall(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    ngx_uint_t                i, left;
    reg_flow_t               *f;
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
    f = ctx->flow;
    left = 0;

    for (i = 0; i < f->ncalls; i++) {
        ngx_memzero(&f->calls[i].reply, sizeof(reg_reply_t));
        f->calls[i].reply.length = -1;

        if (f->calls[i].failed) {
            return NGX_ERROR;
        }

        rc = ngx_http_registry_recall(r, &f->calls[i]);

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        ctx->recalled |= (rc == NGX_OK);
        left += (rc == NGX_DECLINED);
    }

    return left ? NGX_DECLINED : NGX_OK;
}


ngx_int_t
ngx_http_registry_calls_start(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    ngx_uint_t                i, n;
    reg_flow_t               *f;
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
    f = ctx->flow;
    n = f->ncalls;

    if (f->pause) {
        return ngx_http_registry_pause(r);
    }

    rc = ngx_http_registry_token(r);

    if (rc == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    if (rc == NGX_ERROR) {

        /* the store is away: the replies stay without a status, or stale */

        for (i = 0; i < n; i++) {
            ngx_http_registry_stale(r, &f->calls[i]);
        }

        return NGX_OK;
    }

    if (f->calls[0].feed) {
        f->fed = 0;

        rc = ngx_http_registry_body_begin(r);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    ngx_http_registry_busy(ctx, 1);

    ctx->running = 0;

    for (i = 0; i < n; i++) {
        ctx->running += !f->calls[i].reply.cached;
    }

    /* with the last one the request may be gone */

    for (i = 0; i < n; i++) {
        if (!f->calls[i].reply.cached
            && ngx_http_registry_call(r, &f->calls[i]) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_AGAIN;
}


ngx_int_t
ngx_http_registry_token(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    ngx_http_registry_ctx_t       *ctx;
    ngx_http_registry_loc_conf_t  *rlcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    /* what has waited in vain goes on as what need not wait to know */

    if (ctx->tokenless) {
        ctx->tokenless = 0;
        ngx_str_set(&ctx->last_error, "no token to be had");
        return NGX_ERROR;
    }

    /* a write that has begun is not given up */

    if ((r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))
        && !ngx_http_registry_healthy(rlcf->health))
    {
        ngx_str_set(&ctx->last_error, "its health check has failed");
        return NGX_ERROR;
    }

    ctx->wait.handler = ngx_http_registry_token_ready;
    ctx->wait.data = r;

    rc = ngx_http_registry_token_get(rlcf->account, r->pool, &ctx->token,
                                     &ctx->storage, &ctx->wait);

    if (rc == NGX_ERROR) {
        ngx_str_set(&ctx->last_error, "no token to be had");
    }

    return rc;
}


/* the calls are to be made later */

static ngx_int_t
ngx_http_registry_pause(ngx_http_request_t *r)
{
    ngx_event_t              *ev;
    ngx_pool_cleanup_t       *cln;
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
    ev = ctx->pause;

    if (ev == NULL) {
        cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_event_t));
        if (cln == NULL) {
            return NGX_ERROR;
        }

        ev = cln->data;
        ngx_memzero(ev, sizeof(ngx_event_t));

        ev->handler = ngx_http_registry_pause_over;
        ev->data = r;
        ev->log = r->connection->log;

        cln->handler = ngx_http_registry_pause_cleanup;
        ctx->pause = ev;
    }

    ngx_add_timer(ev, ctx->flow->pause);
    ctx->flow->pause = 0;

    return NGX_AGAIN;
}


static void
ngx_http_registry_pause_over(ngx_event_t *ev)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ev->data;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    ngx_http_registry_next(r, NGX_HTTP_REGISTRY_AGAIN);

    r->write_event_handler(r);

    ngx_http_run_posted_requests(c);
}


static void
ngx_http_registry_pause_cleanup(void *data)
{
    ngx_event_t  *ev = data;

    if (ev->timer_set) {
        ngx_del_timer(ev);
    }
}


static void
ngx_http_registry_token_ready(void *data, ngx_int_t rc)
{
    ngx_http_request_t       *r = data;

    ngx_connection_t         *c;
    ngx_http_registry_ctx_t  *ctx;

    c = r->connection;
    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    ctx->tokenless = (rc != NGX_OK);

    ngx_http_registry_next(r, NGX_HTTP_REGISTRY_AGAIN);

    r->write_event_handler(r);

    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_http_registry_call(ngx_http_request_t *r, reg_call_t *call)
{
    ngx_int_t                    rc;
    ngx_http_registry_flight_t  *flight;

    rc = ngx_http_registry_flight_join(r, call, ngx_http_registry_call_arrived,
                                       &flight);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    if (ngx_http_registry_early_take(r, call) == NGX_OK) {

        if (flight) {
            ngx_http_registry_flight_end(r, call, flight);
        }

        ngx_http_registry_call_arrived(r, NULL);
        return NGX_OK;
    }

    rc = ngx_http_registry_early(r, call, flight,
                                 ngx_http_registry_call_arrived);

    return rc == NGX_DECLINED ? ngx_http_registry_subrequest(r, call, flight)
                              : rc;
}


/* how long the request has to wait for the storage */

static void
ngx_http_registry_busy(ngx_http_registry_ctx_t *ctx, ngx_uint_t busy)
{
    if (ctx->storage_busy) {
        ctx->storage_time += ngx_current_msec - ctx->storage_since;
    }

    ctx->storage_busy = busy;
    ctx->storage_since = ngx_current_msec;
}


/* an older reply is better than none, if it was asked for */

static void
ngx_http_registry_stale(ngx_http_request_t *r, reg_call_t *call)
{
    ngx_http_registry_ctx_t  *ctx;

    if (call->stale
        && (call->reply.status == 0 || call->reply.status >= 500))
    {
        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "registry: the storage is away, object \"%*s\" is"
                      " taken to be as it was",
                      call->object.len, call->object.data);

        call->reply = *call->stale;
        call->stale = NULL;

        ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
        ctx->stale = 1;
        ngx_http_registry_count(cache[NGX_HTTP_REGISTRY_LINK]
                                     [NGX_HTTP_REGISTRY_STALE]);
    }
}


static void
ngx_http_registry_call_arrived(ngx_http_request_t *r, reg_call_t *again)
{
    ngx_int_t                 rc;
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    rc = again ? ngx_http_registry_call(r, again) : NGX_OK;

    if (rc != NGX_OK) {
        ctx->status = NGX_ERROR;
        ngx_http_registry_next(r, NGX_HTTP_REGISTRY_FAIL);

    } else if (again == NULL && --ctx->running == 0) {
        ngx_http_registry_busy(ctx, 0);
        ngx_http_registry_next(r, NGX_HTTP_REGISTRY_JUDGE);

    } else {
        return;
    }

    if (ngx_http_post_request(r, NULL) != NGX_OK) {
        ctx->status = NGX_ERROR;
        ngx_http_registry_next(r, NGX_HTTP_REGISTRY_FAIL);
        r->write_event_handler(r);
    }
}


/*
 * A call in a pool of its own, which calls_free() destroys: all that nginx
 * makes for a subrequest would stay as long as the request, some 20k a call.
 * Not of a feed, which shares the client's body with the request.
 */

static ngx_http_registry_call_t *
ngx_http_registry_call_create(ngx_http_request_t *r, ngx_uint_t feed)
{
    ngx_pool_t                *pool;
    ngx_http_registry_ctx_t   *ctx;
    ngx_http_registry_call_t  *rc;

    if (feed) {
        return ngx_pcalloc(r->pool, sizeof(ngx_http_registry_call_t));
    }

    pool = ngx_create_pool(NGX_HTTP_REGISTRY_CALL_POOL, r->connection->log);
    if (pool == NULL) {
        return NULL;
    }

    rc = ngx_pcalloc(pool, sizeof(ngx_http_registry_call_t));
    if (rc == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    rc->pool = pool;
    rc->next = ctx->calls;
    ctx->calls = rc;

    return rc;
}


/*
 * Their subrequests have ended: the parent runs by a posted event, when none
 * of them is on the stack any more.
 */

void
ngx_http_registry_calls_free(void *data)
{
    ngx_http_registry_ctx_t  *ctx = data;

    ngx_pool_t               *pool;

    if (ctx->calls) {
        ngx_http_set_log_request(ctx->request->connection->log, ctx->request);
    }

    while (ctx->calls) {
        pool = ctx->calls->pool;
        ctx->calls = ctx->calls->next;
        ngx_destroy_pool(pool);
    }

    if (ctx->row_pool) {
        ngx_destroy_pool(ctx->row_pool);
        ctx->row_pool = NULL;
    }
}


void *
ngx_http_registry_row_alloc(void *data, size_t size)
{
    ngx_http_registry_ctx_t  *ctx = data;

    if (ctx->row_pool == NULL) {
        ctx->row_pool = ngx_create_pool(NGX_HTTP_REGISTRY_ROW_POOL,
                                        ctx->request->connection->log);
        if (ctx->row_pool == NULL) {
            return NULL;
        }
    }

    return ngx_palloc(ctx->row_pool, size);
}


static ngx_int_t
ngx_http_registry_subrequest(ngx_http_request_t *r, reg_call_t *call,
    ngx_http_registry_flight_t *flight)
{
    ngx_http_request_t          *sr;
    ngx_http_registry_ctx_t     *ctx;
    ngx_http_registry_call_t    *rc;
    ngx_http_post_subrequest_t  *ps;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    rc = ngx_http_registry_call_create(r, call->feed);
    if (rc == NULL) {
        return NGX_ERROR;
    }

    ps = ngx_palloc(rc->pool ? rc->pool : r->pool,
                    sizeof(ngx_http_post_subrequest_t));
    if (ps == NULL) {
        return NGX_ERROR;
    }

    rc->call = call;
    rc->ctx = ctx;
    rc->reply = &ngx_http_registry_reply_memory;
    rc->feed = call->feed ? ngx_http_registry_feed_begin : NULL;
    rc->flight = flight;
    rc->since = ngx_current_msec;
    rc->length = -1;

    ps->handler = ngx_http_registry_call_done;
    ps->data = rc;

    /*
     * In the background, because several run at once and none has output;
     * the parent is woken by call_done().
     */

    sr = ngx_http_registry_clone(r, rc, ps, NGX_HTTP_SUBREQUEST_IN_MEMORY
                                            |NGX_HTTP_SUBREQUEST_BACKGROUND);
    if (sr == NULL) {
        return NGX_ERROR;
    }

    ctx->storage_calls++;

    if (call->feed) {
        ctx->feeder = sr;
        r->read_event_handler = ngx_http_registry_feed_event;
    }

    return NGX_OK;
}


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
ngx_http_registry_clone(ngx_http_request_t *r, ngx_http_registry_call_t *call,
    ngx_http_post_subrequest_t *ps, ngx_uint_t flags)
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

    pool = call->pool ? call->pool : r->pool;

    body = ngx_pcalloc(pool, sizeof(ngx_http_request_body_t));
    variables = call->pool ? ngx_http_registry_variables(r, pool)
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

    ngx_http_set_ctx(sr, call, ngx_http_registry_module);

    sr->method = NGX_HTTP_GET;
    sr->header_only = 0;
    sr->request_body = body;
    sr->variables = variables;

    return sr;
}


ngx_int_t
ngx_http_registry_call_run(ngx_http_request_t *sr)
{
    ngx_http_registry_call_t  *rc;

    rc = ngx_http_get_module_ctx(sr, ngx_http_registry_module);

    if (rc == NULL || ngx_http_registry_upstream(sr, rc) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    sr->main->count++;

    ngx_http_upstream_init(sr);

    if (rc->reply->started) {
        rc->reply->started(sr, rc);
    }

    return NGX_DONE;
}


/* always NGX_OK: an error page would run inside of the subrequest */

static ngx_int_t
ngx_http_registry_call_done(ngx_http_request_t *sr, void *data, ngx_int_t rc)
{
    ngx_http_registry_call_t  *done = data;

    ngx_http_request_t        *r;
    ngx_http_registry_ctx_t   *ctx;

    ctx = done->ctx;
    r = sr->main;

    ngx_log_debug3(NGX_LOG_DEBUG_HTTP, sr->connection->log, 0,
                   "http registry reply %ui rc:%i whole:%d",
                   (ngx_uint_t) done->call->reply.status, rc, done->whole);

    if (rc != NGX_OK || !done->whole) {

        /* what is cut short is no reply */

        done->call->reply.status = 0;
    }

    done->call->reply.body.data = done->body.pos;
    done->call->reply.body.len = done->body.last - done->body.pos;

    if (done->call->feed) {
        ngx_http_registry_feed_end(sr, done);
    }

    ngx_http_registry_count_call(done->call, 0,
                                 ngx_current_msec - done->since);

    ngx_http_registry_changed(r, done->call);
    ngx_http_registry_stale(r, done->call);

    if (done->flight) {
        ngx_http_registry_flight_end(r, done->call, done->flight);
    }

    if (ctx->running == 0 || --ctx->running) {
        return NGX_OK;
    }

    ngx_http_registry_busy(ctx, 0);
    ngx_http_registry_next(r, ctx->status ? NGX_HTTP_REGISTRY_FAIL
                                            : NGX_HTTP_REGISTRY_JUDGE);

    return ngx_http_post_request(r, NULL);
}


ngx_int_t
ngx_http_registry_calls_stop(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_http_request_t        *sr;
    ngx_http_registry_ctx_t   *ctx;
    ngx_http_registry_call_t  *call;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
    sr = ctx->feeder;
    call = ngx_http_get_module_ctx(sr, ngx_http_registry_module);

    /* the upstream ends without a word to call_done() */

    (*sr->upstream->cleanup)(sr);

    rc = ngx_http_registry_call_done(sr, call, NGX_ERROR);

    return rc == NGX_OK ? NGX_AGAIN : NGX_ERROR;
}


ngx_int_t
ngx_http_registry_pass(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_http_registry_ctx_t   *ctx;
    ngx_http_registry_call_t  *pass;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    if (ctx->flow->calls[0].failed) {
        return NGX_ERROR;
    }

    if (ctx->early) {
        ngx_http_registry_busy(ctx, 1);

        rc = ngx_http_registry_early_pass(r, &ctx->flow->calls[0],
                                          &ngx_http_registry_reply_pass);

        if (rc != NGX_DECLINED) {
            return rc == NGX_OK ? NGX_AGAIN : rc;
        }

        ngx_http_registry_early_drop(r);
    }

    if (ctx->own == NULL) {
        pass = ngx_pcalloc(r->pool, sizeof(ngx_http_registry_call_t));
        if (pass == NULL) {
            return NGX_ERROR;
        }

        pass->call = &ctx->flow->calls[0];
        pass->ctx = ctx;
        pass->reply = &ngx_http_registry_reply_pass;
        pass->length = -1;
        ctx->own = pass;
    }

    rc = ngx_http_registry_token(r);

    if (rc != NGX_OK) {
        return rc == NGX_AGAIN ? NGX_AGAIN : NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_http_registry_upstream(r, ctx->own) != NGX_OK) {
        return NGX_ERROR;
    }

    ctx->storage_calls++;
    ngx_http_registry_busy(ctx, 1);

    ngx_http_upstream_init(r);

    return NGX_AGAIN;
}
