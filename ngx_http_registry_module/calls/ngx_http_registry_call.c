/*
 * Storage calls: a token, then one background subrequest for each call of
 * the flow's row.  The reply of a call that is passed is the main request's
 * own upstream.
 */

#include "ngx_http_registry_call.h"
#include "base/ngx_http_registry_util.h"
#include "shared/ngx_http_registry_stat.h"
#include "client/ngx_http_registry_body.h"
#include "storage/ngx_http_registry_ready.h"
#include "storage/ngx_http_registry_subrequest.h"
#include "ngx_http_registry_early.h"
#include "ngx_http_registry_feed.h"
#include "ngx_http_registry_flight.h"
#include "ngx_http_registry_memory.h"


/* a subrequest with its upstream, but for the buffer of the reply */
#define NGX_HTTP_REGISTRY_CALL_POOL  (8 * 1024)
#define NGX_HTTP_REGISTRY_ROW_POOL   (4 * 1024)


static ngx_int_t ngx_http_registry_pause(ngx_http_request_t *r);
static void ngx_http_registry_pause_over(ngx_event_t *ev);
static void ngx_http_registry_pause_cleanup(void *data);
static ngx_int_t ngx_http_registry_call(ngx_http_request_t *r,
    reg_call_t *call);
static void ngx_http_registry_call_arrived(ngx_http_request_t *r,
    reg_call_t *again);
static void ngx_http_registry_stale(ngx_http_request_t *r,
    reg_call_t *call);
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

        rc = ngx_http_registry_flight_recall(r, &f->calls[i]);

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

    rc = ngx_http_registry_ready_token(r);

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

    ngx_http_registry_ready_busy(ctx, 1);

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

    rc = ngx_http_registry_early_begin(r, call, flight,
                                       ngx_http_registry_call_arrived);

    return rc == NGX_DECLINED ? ngx_http_registry_subrequest(r, call, flight)
                              : rc;
}


/* an older reply is better than none, if it was asked for */

static void
ngx_http_registry_stale(ngx_http_request_t *r, reg_call_t *call)
{
    ngx_str_t                 name;
    ngx_http_registry_ctx_t  *ctx;

    if (call->stale
        && (call->reply.status == 0 || call->reply.status >= 500))
    {
        name = ngx_http_registry_visible_name(r, &call->object);

        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "registry: the storage is away, object \"%V\" is"
                      " taken to be as it was", &name);

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
        ngx_http_registry_ready_busy(ctx, 0);
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

static ngx_http_registry_exchange_t *
ngx_http_registry_call_create(ngx_http_request_t *r, ngx_uint_t feed)
{
    ngx_pool_t                    *pool;
    ngx_http_registry_ctx_t       *ctx;
    ngx_http_registry_exchange_t  *ex;

    if (feed) {
        return ngx_pcalloc(r->pool, sizeof(ngx_http_registry_exchange_t));
    }

    pool = ngx_create_pool(NGX_HTTP_REGISTRY_CALL_POOL, r->connection->log);
    if (pool == NULL) {
        return NULL;
    }

    ex = ngx_pcalloc(pool, sizeof(ngx_http_registry_exchange_t));
    if (ex == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    ex->pool = pool;
    ex->next = ctx->calls;
    ctx->calls = ex;

    return ex;
}


/*
 * Their subrequests have ended: the parent runs by a posted event, when none
 * of them is on the stack any more.
 */

void
ngx_http_registry_calls_free(void *data)
{
    ngx_http_registry_ctx_t  *ctx = data;

    ngx_pool_t  *pool;

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
    ngx_http_request_t            *sr;
    ngx_http_registry_ctx_t       *ctx;
    ngx_http_registry_exchange_t  *ex;
    ngx_http_post_subrequest_t    *ps;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    ex = ngx_http_registry_call_create(r, call->feed);
    if (ex == NULL) {
        return NGX_ERROR;
    }

    ps = ngx_palloc(ex->pool ? ex->pool : r->pool,
                    sizeof(ngx_http_post_subrequest_t));
    if (ps == NULL) {
        return NGX_ERROR;
    }

    ex->call = call;
    ex->ctx = ctx;
    ex->reply = &ngx_http_registry_reply_memory;
    ex->feed = call->feed ? ngx_http_registry_feed_begin : NULL;
    ex->flight = flight;
    ex->since = ngx_current_msec;
    ex->length = -1;

    ps->handler = ngx_http_registry_call_done;
    ps->data = ex;

    /*
     * In the background, because several run at once and none has output;
     * the parent is woken by call_done().
     */

    sr = ngx_http_registry_subrequest_create(r, ex, ps,
                                             NGX_HTTP_SUBREQUEST_IN_MEMORY
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


/* always NGX_OK: an error page would run inside of the subrequest */

static ngx_int_t
ngx_http_registry_call_done(ngx_http_request_t *sr, void *data, ngx_int_t rc)
{
    ngx_http_registry_exchange_t  *ex = data;

    ngx_http_request_t       *r;
    ngx_http_registry_ctx_t  *ctx;

    ctx = ex->ctx;
    r = sr->main;

    ngx_log_debug3(NGX_LOG_DEBUG_HTTP, sr->connection->log, 0,
                   "http registry reply %ui rc:%i whole:%d",
                   (ngx_uint_t) ex->call->reply.status, rc, ex->whole);

    if (rc != NGX_OK || !ex->whole) {

        /* what is cut short is no reply */

        ex->call->reply.status = 0;
    }

    ex->call->reply.body.data = ex->body.pos;
    ex->call->reply.body.len = ex->body.last - ex->body.pos;

    if (ex->call->feed) {
        ngx_http_registry_feed_end(sr, ex);
    }

    ngx_http_registry_count_call(ex->call, 0,
                                 ngx_current_msec - ex->since);

    ngx_http_registry_flight_changed(r, ex->call);
    ngx_http_registry_stale(r, ex->call);

    if (ex->flight) {
        ngx_http_registry_flight_end(r, ex->call, ex->flight);
    }

    if (ctx->running == 0 || --ctx->running) {
        return NGX_OK;
    }

    ngx_http_registry_ready_busy(ctx, 0);
    ngx_http_registry_next(r, ctx->status ? NGX_HTTP_REGISTRY_FAIL
                                            : NGX_HTTP_REGISTRY_JUDGE);

    return ngx_http_post_request(r, NULL);
}


ngx_int_t
ngx_http_registry_calls_stop(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    ngx_http_request_t            *sr;
    ngx_http_registry_ctx_t       *ctx;
    ngx_http_registry_exchange_t  *ex;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
    sr = ctx->feeder;
    ex = ngx_http_get_module_ctx(sr, ngx_http_registry_module);

    /* the upstream ends without a word to call_done() */

    (*sr->upstream->cleanup)(sr);

    rc = ngx_http_registry_call_done(sr, ex, NGX_ERROR);

    return rc == NGX_OK ? NGX_AGAIN : NGX_ERROR;
}
