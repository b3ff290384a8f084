/*
 * A reply of several ranges: one subrequest for each, one behind the other,
 * whose output is the client's.  Each has one buffer, which is filled again
 * when the client took it: a slow client makes the storage wait.
 *
 * The client's header is sent when the header of the first part has come and
 * is right.  From there on a part that is short ends the connection.
 */

#include "ngx_http_registry_range.h"
#include "shared/ngx_http_registry_stat.h"
#include "client/ngx_http_registry_answer.h"
#include "client/ngx_http_registry_body.h"
#include "storage/ngx_http_registry_ready.h"
#include "storage/ngx_http_registry_subrequest.h"
#include "storage/ngx_http_registry_upstream.h"
#include "ngx_http_registry_slice.h"
#include "ngx_http_registry_verify.h"


static ngx_int_t ngx_http_registry_range_header(ngx_http_request_t *sr,
    ngx_http_registry_exchange_t *ex);
static ngx_int_t ngx_http_registry_range_init(ngx_http_request_t *sr,
    ngx_http_registry_exchange_t *ex);
static ngx_int_t ngx_http_registry_range_filter(ngx_http_request_t *sr,
    ngx_http_registry_exchange_t *ex, ssize_t bytes);
static ngx_int_t ngx_http_registry_range_start(ngx_http_request_t *r,
    ngx_http_registry_exchange_t *ex, ngx_uint_t flags);
static void ngx_http_registry_ahead(ngx_http_request_t *r, reg_call_t *next);
static ngx_int_t ngx_http_registry_ahead_done(ngx_http_request_t *sr,
    void *data, ngx_int_t rc);
static ngx_int_t ngx_http_registry_range_done(ngx_http_request_t *sr,
    void *data, ngx_int_t rc);


static const ngx_http_registry_reply_t  ngx_http_registry_reply_range = {
    NULL,                                     /* upstream */
    NULL,                                     /* started */
    ngx_http_registry_range_header,           /* header */
    ngx_http_registry_range_init,             /* filter_init */
    ngx_http_registry_range_filter,           /* filter */
    NULL,                                     /* pipe */
    NULL                                      /* output */
};


ngx_int_t
ngx_http_registry_range_begin(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    reg_call_t                    *call;
    ngx_http_registry_ctx_t       *ctx;
    ngx_http_registry_exchange_t  *ex;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
    call = &ctx->flow->calls[0];

    ngx_memzero(&call->reply, sizeof(reg_reply_t));
    call->reply.length = -1;

    if (call->failed) {
        return NGX_ERROR;
    }

    rc = ngx_http_registry_body_discard(r);

    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_registry_ready_token(r);

    if (rc == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    /* what is on disk needs no token */

    if (rc != NGX_OK && call->slice == 0) {

        /* as for other calls: the reply stays without a status */

        return NGX_OK;
    }

    if (ctx->range) {

        /* the last one's buffer would stay as long as the request */

        (void) ngx_pfree(r->pool, ctx->range->upstream->buffer.start);
        ctx->range = NULL;
    }

    if (ctx->ahead && !ctx->ahead->done) {
        ctx->ahead->awaited = 1;
        return NGX_AGAIN;
    }

    ex = ngx_pcalloc(r->pool, sizeof(ngx_http_registry_exchange_t));
    if (ex == NULL) {
        return NGX_ERROR;
    }

    ex->call = call;
    ex->before = ctx->ahead;

    if (ex->before && ex->before->request) {
        (void) ngx_pfree(r->pool,
                         ex->before->request->upstream->buffer.start);
    }

    ctx->ahead = NULL;

    if (ngx_http_registry_range_start(r, ex, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    ctx->storage_calls += (call->slice == 0);

    if (ctx->flow->ncalls > 1 && rc == NGX_OK && !ctx->at_hand) {
        ngx_http_registry_ahead(r, &ctx->flow->calls[1]);
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_http_registry_range_start(ngx_http_request_t *r,
    ngx_http_registry_exchange_t *ex, ngx_uint_t flags)
{
    ngx_http_request_t          *sr;
    ngx_http_post_subrequest_t  *ps;

    ps = ngx_palloc(r->pool, sizeof(ngx_http_post_subrequest_t));
    if (ps == NULL) {
        return NGX_ERROR;
    }

    ex->ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
    ex->reply = &ngx_http_registry_reply_range;
    ex->length = -1;
    ex->since = ngx_current_msec;

#if (NGX_HTTP_CACHE)

    if (ex->call->slice) {
        ex->reply = &ngx_http_registry_reply_slice;
    }

#endif

    ps->handler = ex->ahead ? ngx_http_registry_ahead_done
                              : ngx_http_registry_range_done;
    ps->data = ex;

    sr = ngx_http_registry_subrequest_create(r, ex, ps, flags);
    if (sr == NULL) {
        return NGX_ERROR;
    }

    sr->header_only = ex->ahead;

    return NGX_OK;
}


/*
 * Brings the next slice to the disk while one is sent.  The part is held until
 * then; if the slice did not come, the part asks itself.
 */

static void
ngx_http_registry_ahead(ngx_http_request_t *r, reg_call_t *next)
{
    ngx_http_registry_ctx_t       *ctx;
    ngx_http_registry_exchange_t  *ex;

    ex = ngx_pcalloc(r->pool, sizeof(ngx_http_registry_exchange_t));
    if (ex == NULL || next->failed) {
        return;
    }

    ex->call = ngx_palloc(r->pool, sizeof(reg_call_t));
    if (ex->call == NULL) {
        return;
    }

    /* the flow makes another of its own */

    *ex->call = *next;
    ex->call->reply.length = -1;
    ex->ahead = 1;

    if (ngx_http_registry_range_start(r, ex, NGX_HTTP_SUBREQUEST_BACKGROUND)
        == NGX_OK)
    {
        ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
        ctx->ahead = ex;
    }
}


static ngx_int_t
ngx_http_registry_ahead_done(ngx_http_request_t *sr, void *data, ngx_int_t rc)
{
    ngx_http_registry_exchange_t  *ex = data;

    ngx_log_debug3(NGX_LOG_DEBUG_HTTP, sr->connection->log, 0,
                   "http registry ahead %ui rc:%i whole:%d",
                   (ngx_uint_t) ex->call->reply.status, rc, ex->whole);

    if (!sr->cached) {
        ngx_http_registry_count_call(ex->call, 1,
                                     ngx_current_msec - ex->since);
    }

#if (NGX_HTTP_CACHE)
    ngx_http_registry_slice_come(sr, ex);
#endif

    ex->done = 1;
    ex->request = sr->upstream ? sr : NULL;

    if (!ex->awaited) {
        return NGX_OK;
    }

    ngx_http_registry_next(sr->main, NGX_HTTP_REGISTRY_AGAIN);

    return ngx_http_post_request(sr->main, NULL);
}


static ngx_int_t
ngx_http_registry_range_header(ngx_http_request_t *sr,
    ngx_http_registry_exchange_t *ex)
{
    return ngx_http_registry_upstream_expected(sr, ex) ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_registry_range_init(ngx_http_request_t *sr,
    ngx_http_registry_exchange_t *ex)
{
    ngx_buf_t            *b;
    ngx_chain_t          *cl;
    ngx_http_upstream_t  *u;

    u = sr->upstream;
    u->length = ex->length;

    if (ngx_http_registry_answer_range_header(sr->main) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ex->call->head.len == 0) {
        return NGX_OK;
    }

    b = ngx_calloc_buf(sr->pool);
    cl = ngx_alloc_chain_link(sr->pool);

    if (b == NULL || cl == NULL) {
        return NGX_ERROR;
    }

    b->memory = 1;
    b->pos = ex->call->head.data;
    b->last = b->pos + ex->call->head.len;

    cl->buf = b;
    cl->next = NULL;

    u->out_bufs = cl;

    return NGX_OK;
}


static ngx_int_t
ngx_http_registry_range_filter(ngx_http_request_t *sr,
    ngx_http_registry_exchange_t *ex, ssize_t bytes)
{
    size_t                len;
    ngx_chain_t          *cl, **last;
    ngx_http_upstream_t  *u;

    u = sr->upstream;

    if (bytes > u->length && !ex->excess) {
        ngx_log_error(NGX_LOG_ERR, sr->connection->log, 0,
                      "registry: the storage sent more than it said");
        return NGX_ERROR;
    }

    len = ngx_min(bytes, u->length);

    if (len == 0) {
        return NGX_OK;
    }

    for (last = &u->out_bufs; *last; last = &(*last)->next) { /* void */ }

    cl = ngx_chain_get_free_buf(sr->pool, &u->free_bufs);
    if (cl == NULL) {
        return NGX_ERROR;
    }

    cl->buf->memory = 1;
    cl->buf->flush = 1;
    cl->buf->tag = u->output.tag;
    cl->buf->pos = u->buffer.last;

    cl->buf->last = cl->buf->pos + len;

    u->buffer.last += bytes;
    u->length -= len;

    *last = cl;

    if (u->length == 0) {
        u->keepalive = !ex->close;
        ex->whole = 1;
    }

    return NGX_OK;
}


/* nginx wakes the parent itself, when the output of the part is sent */

static ngx_int_t
ngx_http_registry_range_done(ngx_http_request_t *sr, void *data, ngx_int_t rc)
{
    ngx_http_registry_exchange_t  *ex = data;

    ngx_http_request_t  *r;

    r = sr->main;

    ngx_log_debug3(NGX_LOG_DEBUG_HTTP, sr->connection->log, 0,
                   "http registry part %ui rc:%i whole:%d",
                   (ngx_uint_t) ex->call->reply.status, rc, ex->whole);

    if (ex->slice == NULL || !sr->cached) {
        ngx_http_registry_count_call(ex->call, 1,
                                     ngx_current_msec - ex->since);
    }

#if (NGX_HTTP_CACHE)

    if (ex->slice) {
        ngx_http_registry_slice_come(sr, ex);
    }

    if (rc == NGX_ERROR && ngx_http_registry_slice_failed(sr, ex)) {

        /* its buffer may have yet to be sent, and stays */

        ngx_http_registry_next(r, NGX_HTTP_REGISTRY_JUDGE);

        return NGX_OK;
    }

#endif

    ngx_http_registry_next(r, NGX_HTTP_REGISTRY_JUDGE);
    ex->ctx->range = sr->upstream ? sr : NULL;

    /* NGX_AGAIN: some of it has yet to be sent, which nginx waits for */

    if ((rc == NGX_OK || rc == NGX_AGAIN) && ex->whole) {
        return NGX_OK;
    }

    if (!r->header_sent) {

        /* nothing is lost yet: the flow answers; 401 asks for a new token */

        if (ex->call->reply.status < 400) {
            ex->call->reply.status = 0;
        }

        return NGX_OK;
    }

    /* the client left, or does not read: nginx has said so */

    if (ngx_http_registry_verify_failed(ex->ctx)
        || sr->connection->error || sr->connection->timedout
        || rc == NGX_HTTP_CLIENT_CLOSED_REQUEST)
    {
        return NGX_ERROR;
    }

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "registry: a range of \"%*s\" was cut short by the"
                  " storage, the client's connection is closed",
                  ex->call->object.len, ex->call->object.data);

    return NGX_ERROR;
}
