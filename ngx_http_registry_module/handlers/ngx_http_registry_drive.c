/*
 * What drives a request: the flow is run until it asks for something, and this
 * is begun.  Who has ended it says so by next(), and wakes the request.  Nobody
 * else reads what is to be done, or finalizes.
 */

#include "ngx_http_registry_drive.h"
#include "ops/reg_ops.h"
#include "ops/reg_store.h"
#include "shared/ngx_http_registry_containers.h"
#include "shared/ngx_http_registry_stat.h"
#include "client/ngx_http_registry_answer.h"
#include "client/ngx_http_registry_body.h"
#include "client/ngx_http_registry_leave.h"
#include "storage/ngx_http_registry_ready.h"
#include "storage/ngx_http_registry_token.h"
#include "storage/ngx_http_registry_upstream.h"
#include "calls/ngx_http_registry_call.h"
#include "calls/ngx_http_registry_early.h"
#include "calls/ngx_http_registry_fill.h"
#include "calls/ngx_http_registry_pass.h"
#include "calls/ngx_http_registry_range.h"
#include "ngx_http_registry_log.h"


/* so many are made without looking whether the client is still there */

#define LISTINGS_PATIENT  16


static ngx_uint_t ngx_http_registry_drive_container_done(ngx_http_request_t *r);
static ngx_uint_t ngx_http_registry_drive_left(ngx_http_request_t *r);
static ngx_int_t ngx_http_registry_drive_again(ngx_http_request_t *r);
static ngx_int_t ngx_http_registry_drive_renew(ngx_http_request_t *r);
static void ngx_http_registry_drive_blame(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx);
static void ngx_http_registry_drive_finish(ngx_http_request_t *r);


void
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
                ngx_http_registry_drive_fail(r, rc);
                return;
            }
        }

        if (todo == REG_CALL
            && ctx->flow == ctx->operation
            && ctx->container == NULL
            && !ngx_http_registry_ready_container(r))
        {
            /*
             * These calls wait until the container is known to be there; a
             * row is not asked for them twice.
             */

            ctx->container = reg_container_flow(ctx->operation);

            if (ctx->container == NULL) {
                ngx_http_registry_drive_fail(r, NGX_ERROR);
                return;
            }

            ctx->flow = ctx->container;
            continue;
        }

        if (todo == REG_ANSWER && !ngx_http_registry_drive_container_done(r)) {
            ngx_http_registry_drive_finish(r);
            return;
        }

        rc = ngx_http_registry_drive_left(r)
             ? NGX_HTTP_CLIENT_CLOSED_REQUEST
             : ngx_http_registry_drive_again(r);

        if (rc == NGX_AGAIN) {
            return;
        }

        if (rc != NGX_OK) {
            ngx_http_registry_drive_fail(r, rc);
            return;
        }
    }
}


/*
 * Of a request that lists and lists, and has changed nothing: nobody waits
 * for it any more.  A stream tells it by itself, as its connection's error.
 */

static ngx_uint_t
ngx_http_registry_drive_left(ngx_http_request_t *r)
{
    char                      byte;
    ngx_connection_t         *c;
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
    c = r->connection;

    if (ctx->operation->listings < LISTINGS_PATIENT
        || ctx->operation->written)
    {
        return 0;
    }

    if (r->http_version >= NGX_HTTP_VERSION_20) {
        return c->error;
    }

    return c->error || c->read->eof || c->read->pending_eof
           || recv(c->fd, &byte, 1, MSG_PEEK) == 0;
}


/* 1: the calls that waited for the container are to be made */

static ngx_uint_t
ngx_http_registry_drive_container_done(ngx_http_request_t *r)
{
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    if (ctx->flow == ctx->operation) {
        return 0;
    }

    if (ctx->container->answer.status == NGX_HTTP_OK) {
        ngx_http_registry_ready_container_is(r,
                                        NGX_HTTP_REGISTRY_CONTAINER_FOUND);

    } else if (ctx->container->calls[0].method == REG_PUT
               && ctx->container->calls[0].reply.status >= 300
               && ctx->container->calls[0].reply.status < 500)
    {
        ngx_http_registry_ready_container_unmade(r);
    }

    if (ctx->container->answer.status != NGX_HTTP_OK
        && ctx->operation->calls[0].stale == NULL)
    {
        ctx->operation->answer = ctx->container->answer;
        return 0;
    }

    ctx->flow = ctx->operation;

    return 1;
}


/* what the row asks for */

static ngx_int_t
ngx_http_registry_drive_again(ngx_http_request_t *r)
{
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    ngx_http_registry_next(r, NGX_HTTP_REGISTRY_WAIT);

    switch (ctx->flow->todo) {

    case REG_BODY:
        return ngx_http_registry_body_gather(r);

    case REG_PASS:
        return ngx_http_registry_pass_begin(r);

    case REG_RANGE:
        return ngx_http_registry_range_begin(r);

    default: /* REG_CALL */
        return ngx_http_registry_calls_start(r);
    }
}


/* what the request waited for is there, or the client's socket is writable */

void
ngx_http_registry_drive_wake(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    switch (ctx->next) {

    case NGX_HTTP_REGISTRY_JUDGE:
        rc = ngx_http_registry_drive_renew(r);
        break;

    case NGX_HTTP_REGISTRY_AGAIN:
        rc = ngx_http_registry_drive_again(r);
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
        ngx_http_registry_drive_fail(r, rc);
    }
}


/*
 * Calls that the storage refused with this token are made by another one: the
 * former may have come back, and be over as well, so that there are two tries.
 */

static ngx_int_t
ngx_http_registry_drive_renew(ngx_http_request_t *r)
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

        /* the next upload looks for it, and makes it */

        if (f == ctx->operation && reg_call_no_container(&f->calls[i])) {
            ngx_http_registry_ready_container_is(r,
                                         NGX_HTTP_REGISTRY_CONTAINER_LOST);
        }

        if (f->calls[i].reply.status != NGX_HTTP_UNAUTHORIZED) {
            continue;
        }

        ngx_http_registry_token_refused(rlcf->account, &ctx->token);

        /* a body that was fed is gone: the client has to send it again */

        if (ctx->renewed == 2 || f->calls[i].feed) {
            return NGX_OK;
        }

        ctx->renewed++;
        ngx_http_registry_count(counters[NGX_HTTP_REGISTRY_RENEWALS]);

        rc = f->todo == REG_RANGE ? NGX_DECLINED
                                 : ngx_http_registry_calls_recall(r);

        return rc == NGX_DECLINED ? ngx_http_registry_drive_again(r) : rc;
    }

    ctx->renewed = 0;

    return NGX_OK;
}


/*
 * By an HTTP status or, for NGX_ERROR, by 500; when the header is out already,
 * by closing the connection.
 */

void
ngx_http_registry_drive_fail(ngx_http_request_t *r, ngx_int_t rc)
{
    ngx_http_registry_early_drop(r);
    ngx_http_registry_leave_release(r);

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


/* of an answer that is no refusal by itself, and of none */

static void
ngx_http_registry_drive_blame(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    unsigned          i;
    const reg_call_t  *call;

    for (i = 0; i < ctx->flow->ncalls; i++) {

        call = &ctx->flow->calls[i];

        if (call->reply.status == 0 || call->reply.status >= 300) {
            ngx_http_registry_upstream_remember(r, call);
            return;
        }
    }
}


static void
ngx_http_registry_drive_finish(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    ngx_uint_t                level;
    reg_answer_t             *a;
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
    a = &ctx->operation->answer;

    ngx_http_registry_early_drop(r);
    ngx_http_registry_leave_release(r);

    if (a->status == NGX_HTTP_SERVICE_UNAVAILABLE
        && ctx->last_error.len == 0)
    {
        ngx_http_registry_drive_blame(r, ctx);
    }

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

    rc = ctx->body_begun ? NGX_OK : ngx_http_registry_body_discard(r);

    /* nginx will close after a body that was not read: the client is told */

    if (r->reading_body) {
        r->keepalive = 0;
    }

    if (rc == NGX_OK) {
        rc = ngx_http_registry_answer_send(r);

#if (NGX_HTTP_CACHE)
        ngx_http_registry_fill_begin(r);
#endif
    }

    ngx_http_finalize_request(r, rc);
}
