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
#include "storage/ngx_http_registry_ready.h"
#include "storage/ngx_http_registry_subrequest.h"
#include "storage/ngx_http_registry_upstream.h"
#include "ngx_http_registry_slice.h"
#include "ngx_http_registry_verify.h"


static ngx_int_t ngx_http_registry_range_header(ngx_http_request_t *sr,
    ngx_http_registry_call_t *part);
static ngx_int_t ngx_http_registry_range_init(ngx_http_request_t *sr,
    ngx_http_registry_call_t *part);
static ngx_int_t ngx_http_registry_range_filter(ngx_http_request_t *sr,
    ngx_http_registry_call_t *part, ssize_t bytes);
static ngx_int_t ngx_http_registry_part_start(ngx_http_request_t *r,
    ngx_http_registry_call_t *part, ngx_uint_t flags);
static void ngx_http_registry_ahead(ngx_http_request_t *r, reg_call_t *next);
static ngx_int_t ngx_http_registry_ahead_done(ngx_http_request_t *sr,
    void *data, ngx_int_t rc);
static ngx_int_t ngx_http_registry_part_done(ngx_http_request_t *sr,
    void *data, ngx_int_t rc);


static const ngx_http_registry_reply_t  ngx_http_registry_reply_range = {
    NULL,                                  /* upstream */
    NULL,                                  /* started */
    ngx_http_registry_range_header,        /* header */
    ngx_http_registry_range_init,          /* filter_init */
    ngx_http_registry_range_filter,        /* filter */
    NULL,                                  /* pipe */
    NULL                                   /* output */
};


ngx_int_t
ngx_http_registry_part(ngx_http_request_t *r)
{
    ngx_int_t                    rc;
    reg_call_t                  *call;
    ngx_http_registry_ctx_t     *ctx;
    ngx_http_registry_call_t    *part;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
    call = &ctx->flow->calls[0];

    ngx_memzero(&call->reply, sizeof(reg_reply_t));
    call->reply.length = -1;

    if (call->failed) {
        return NGX_ERROR;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_registry_token(r);

    if (rc == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    /* what is on disk needs no token */

    if (rc != NGX_OK && call->slice == 0) {

        /* as for other calls: the reply stays without a status */

        return NGX_OK;
    }

    if (ctx->part) {

        /* the last one's buffer would stay as long as the request */

        (void) ngx_pfree(r->pool, ctx->part->upstream->buffer.start);
        ctx->part = NULL;
    }

    if (ctx->ahead && !ctx->ahead->done) {
        ctx->ahead->awaited = 1;
        return NGX_AGAIN;
    }

    part = ngx_pcalloc(r->pool, sizeof(ngx_http_registry_call_t));
    if (part == NULL) {
        return NGX_ERROR;
    }

    part->call = call;
    part->before = ctx->ahead;

    if (part->before && part->before->request) {
        (void) ngx_pfree(r->pool,
                         part->before->request->upstream->buffer.start);
    }

    ctx->ahead = NULL;

    if (ngx_http_registry_part_start(r, part, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    ctx->storage_calls += (call->slice == 0);

    if (ctx->flow->ncalls > 1 && rc == NGX_OK && !ctx->at_hand) {
        ngx_http_registry_ahead(r, &ctx->flow->calls[1]);
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_http_registry_part_start(ngx_http_request_t *r,
    ngx_http_registry_call_t *part, ngx_uint_t flags)
{
    ngx_http_request_t          *sr;
    ngx_http_post_subrequest_t  *ps;

    ps = ngx_palloc(r->pool, sizeof(ngx_http_post_subrequest_t));
    if (ps == NULL) {
        return NGX_ERROR;
    }

    part->ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
    part->reply = &ngx_http_registry_reply_range;
    part->length = -1;
    part->since = ngx_current_msec;

#if (NGX_HTTP_CACHE)

    if (part->call->slice) {
        part->reply = &ngx_http_registry_reply_slice;
    }

#endif

    ps->handler = part->ahead ? ngx_http_registry_ahead_done
                              : ngx_http_registry_part_done;
    ps->data = part;

    sr = ngx_http_registry_clone(r, part, ps, flags);
    if (sr == NULL) {
        return NGX_ERROR;
    }

    sr->header_only = part->ahead;

    return NGX_OK;
}


/*
 * Brings the next slice to the disk while one is sent.  The part is held until
 * then; if the slice did not come, the part asks itself.
 */

static void
ngx_http_registry_ahead(ngx_http_request_t *r, reg_call_t *next)
{
    ngx_http_registry_ctx_t   *ctx;
    ngx_http_registry_call_t  *part;

    part = ngx_pcalloc(r->pool, sizeof(ngx_http_registry_call_t));
    if (part == NULL || next->failed) {
        return;
    }

    part->call = ngx_palloc(r->pool, sizeof(reg_call_t));
    if (part->call == NULL) {
        return;
    }

    /* the flow makes another of its own */

    *part->call = *next;
    part->call->reply.length = -1;
    part->ahead = 1;

    if (ngx_http_registry_part_start(r, part, NGX_HTTP_SUBREQUEST_BACKGROUND)
        == NGX_OK)
    {
        ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
        ctx->ahead = part;
    }
}


static ngx_int_t
ngx_http_registry_ahead_done(ngx_http_request_t *sr, void *data, ngx_int_t rc)
{
    ngx_http_registry_call_t  *part = data;

    ngx_log_debug3(NGX_LOG_DEBUG_HTTP, sr->connection->log, 0,
                   "http registry ahead %ui rc:%i whole:%d",
                   (ngx_uint_t) part->call->reply.status, rc, part->whole);

    if (!sr->cached) {
        ngx_http_registry_count_call(part->call, 1,
                                     ngx_current_msec - part->since);
    }

#if (NGX_HTTP_CACHE)
    ngx_http_registry_slice_come(sr, part);
#endif

    part->done = 1;
    part->request = sr->upstream ? sr : NULL;

    if (!part->awaited) {
        return NGX_OK;
    }

    ngx_http_registry_next(sr->main, NGX_HTTP_REGISTRY_AGAIN);

    return ngx_http_post_request(sr->main, NULL);
}


static ngx_int_t
ngx_http_registry_range_header(ngx_http_request_t *sr,
    ngx_http_registry_call_t *part)
{
    return ngx_http_registry_expected(sr, part) ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_registry_range_init(ngx_http_request_t *sr,
    ngx_http_registry_call_t *part)
{
    ngx_buf_t            *b;
    ngx_chain_t          *cl;
    ngx_http_upstream_t  *u;

    u = sr->upstream;
    u->length = part->length;

    if (ngx_http_registry_part_header(sr->main) != NGX_OK) {
        return NGX_ERROR;
    }

    if (part->call->head.len == 0) {
        return NGX_OK;
    }

    b = ngx_calloc_buf(sr->pool);
    cl = ngx_alloc_chain_link(sr->pool);

    if (b == NULL || cl == NULL) {
        return NGX_ERROR;
    }

    b->memory = 1;
    b->pos = part->call->head.data;
    b->last = b->pos + part->call->head.len;

    cl->buf = b;
    cl->next = NULL;

    u->out_bufs = cl;

    return NGX_OK;
}


static ngx_int_t
ngx_http_registry_range_filter(ngx_http_request_t *sr,
    ngx_http_registry_call_t *part, ssize_t bytes)
{
    size_t                len;
    ngx_chain_t          *cl, **last;
    ngx_http_upstream_t  *u;

    u = sr->upstream;

    if (bytes > u->length && !part->excess) {
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
        u->keepalive = !part->close;
        part->whole = 1;
    }

    return NGX_OK;
}


/* nginx wakes the parent itself, when the output of the part is sent */

static ngx_int_t
ngx_http_registry_part_done(ngx_http_request_t *sr, void *data, ngx_int_t rc)
{
    ngx_http_registry_call_t  *part = data;

    ngx_http_request_t        *r;

    r = sr->main;

    ngx_log_debug3(NGX_LOG_DEBUG_HTTP, sr->connection->log, 0,
                   "http registry part %ui rc:%i whole:%d",
                   (ngx_uint_t) part->call->reply.status, rc, part->whole);

    if (part->slice == NULL || !sr->cached) {
        ngx_http_registry_count_call(part->call, 1,
                                     ngx_current_msec - part->since);
    }

#if (NGX_HTTP_CACHE)

    if (part->slice) {
        ngx_http_registry_slice_come(sr, part);
    }

    if (rc == NGX_ERROR && ngx_http_registry_slice_failed(sr, part)) {

        /* its buffer may have yet to be sent, and stays */

        ngx_http_registry_next(r, NGX_HTTP_REGISTRY_JUDGE);

        return NGX_OK;
    }

#endif

    ngx_http_registry_next(r, NGX_HTTP_REGISTRY_JUDGE);
    part->ctx->part = sr->upstream ? sr : NULL;

    /* NGX_AGAIN: some of it has yet to be sent, which nginx waits for */

    if ((rc == NGX_OK || rc == NGX_AGAIN) && part->whole) {
        return NGX_OK;
    }

    if (!r->header_sent) {

        /* nothing is lost yet: the flow answers; 401 asks for a new token */

        if (part->call->reply.status < 400) {
            part->call->reply.status = 0;
        }

        return NGX_OK;
    }

    /* the client left, or does not read: nginx has said so */

    if (ngx_http_registry_verify_failed(part->ctx)
        || sr->connection->error || sr->connection->timedout
        || rc == NGX_HTTP_CLIENT_CLOSED_REQUEST)
    {
        return NGX_ERROR;
    }

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "registry: a range of \"%*s\" was cut short by the"
                  " storage, the client's connection is closed",
                  part->call->object.len, part->call->object.data);

    return NGX_ERROR;
}
