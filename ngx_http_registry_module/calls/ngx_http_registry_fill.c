/*
 * After a push, its blob is read into the cache on disk, slice by slice: on
 * subrequests in the background, when the client has its answer.
 */

#include "ngx_http_registry_fill.h"
#include "ops/reg_blob.h"
#include "ops/reg_data.h"
#include "shared/ngx_http_registry_stat.h"
#include "storage/ngx_http_registry_subrequest.h"
#include "ngx_http_registry_slice.h"
#include "ngx_http_registry_verify.h"


#if (NGX_HTTP_CACHE)

typedef struct {
    reg_flow_t                   flow;          /* never run: for its calls */
    reg_data_t                   data;
    int64_t                      next;
    ngx_http_request_t          *slice;         /* that has ended */
    ngx_http_post_subrequest_t   done;
} ngx_http_registry_fill_t;


static ngx_int_t ngx_http_registry_fill_next(ngx_http_request_t *r,
    ngx_http_registry_fill_t *fill);
static ngx_int_t ngx_http_registry_fill_done(ngx_http_request_t *sr,
    void *data, ngx_int_t rc);


void
ngx_http_registry_fill_begin(ngx_http_request_t *r)
{
    reg_flow_t                    *f;
    ngx_http_registry_ctx_t       *ctx;
    ngx_http_registry_fill_t      *fill;
    ngx_http_registry_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);
    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
    f = ctx->operation;

    /* small blobs are kept in memory, when they are read */

    if (!rlcf->blob_fill || rlcf->slice == 0
        || f->answer.status != NGX_HTTP_CREATED
        || f->made_size <= REG_SMALL_MAX)
    {
        return;
    }

    fill = ngx_pcalloc(r->pool, sizeof(ngx_http_registry_fill_t));
    if (fill == NULL) {
        return;
    }

    fill->flow = *f;
    fill->data.digest = f->made;
    fill->data.size = f->made_size;
    fill->done.handler = ngx_http_registry_fill_done;
    fill->done.data = fill;

    if (ngx_http_registry_verify_begin(r, &f->made, f->made_size) != NGX_OK) {
        return;
    }

    (void) ngx_http_registry_fill_next(r, fill);
}


static ngx_int_t
ngx_http_registry_fill_next(ngx_http_request_t *r,
    ngx_http_registry_fill_t *fill)
{
    ngx_http_request_t            *sr;
    ngx_http_registry_exchange_t  *ex;

    if (fill->slice) {

        /* its buffer would stay as long as the request */

        (void) ngx_pfree(r->pool, fill->slice->upstream->buffer.start);
        fill->slice = NULL;
    }

    fill->flow.ncalls = 0;
    fill->next = reg_data_slice(&fill->flow, &fill->data, fill->next);

    ex = ngx_pcalloc(r->pool, sizeof(ngx_http_registry_exchange_t));

    if (ex == NULL || fill->flow.calls[0].failed) {
        return NGX_ERROR;
    }

    ex->call = &fill->flow.calls[0];
    ex->ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
    ex->reply = &ngx_http_registry_reply_slice;
    ex->length = -1;
    ex->since = ngx_current_msec;

    sr = ngx_http_registry_subrequest_create(r, ex, &fill->done,
                                             NGX_HTTP_SUBREQUEST_BACKGROUND);
    if (sr == NULL) {
        return NGX_ERROR;
    }

    sr->header_only = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_http_registry_fill_done(ngx_http_request_t *sr, void *data, ngx_int_t rc)
{
    ngx_http_registry_fill_t  *fill = data;

    ngx_http_registry_exchange_t  *ex;

    ex = ngx_http_get_module_ctx(sr, ngx_http_registry_module);

    if (!sr->cached) {
        ngx_http_registry_count_call(ex->call, 1,
                                     ngx_current_msec - ex->since);
    }

    if (!ex->whole || rc == NGX_ERROR) {
        ngx_log_error(NGX_LOG_WARN, sr->connection->log, 0,
                      "registry: object \"%*s\" could not be read into the"
                      " cache of blobs", ex->call->object.len,
                      ex->call->object.data);
        return NGX_OK;
    }

    if (fill->next < fill->data.size) {
        (void) ngx_http_registry_fill_next(sr->main, fill);
    }

    fill->slice = sr->upstream ? sr : NULL;

    return NGX_OK;
}

#endif
