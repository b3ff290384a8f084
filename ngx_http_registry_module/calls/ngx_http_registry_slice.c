/*
 * Slices of blobs on disk, in nginx's own cache: a part of the reply whose
 * call is for a whole slice, of which the client gets what it asked for.
 *
 * Behind the bytes of a slice its file has a checksum, by which damage is
 * noticed: such a file is fetched anew.  It is looked at when a worker first
 * serves the file, and when the file has changed since.
 */

#include "ngx_http_registry_slice.h"
#include "shared/ngx_http_registry_stat.h"
#include "client/ngx_http_registry_answer.h"
#include "storage/ngx_http_registry_swift.h"
#include "storage/ngx_http_registry_upstream.h"
#include "ngx_http_registry_slice_file.h"
#include "ngx_http_registry_slice_lock.h"
#include "ngx_http_registry_verify.h"

#include <openssl/evp.h>


#if (NGX_HTTP_CACHE)

#define NGX_HTTP_REGISTRY_SUM       16

/* a digest's bytes do not change: room is made by inactive and max_size */
#define NGX_HTTP_REGISTRY_VALID     (10 * 365 * 24 * 60 * 60)

#define NGX_HTTP_REGISTRY_VERIFIED  4096


struct ngx_http_registry_slice_s {
    ngx_http_registry_slice_lock_t  lock;
    EVP_CIPHER_CTX          *sum;
    ngx_http_request_t      *request;
    off_t                    passed;    /* bytes of the slice */
    unsigned                 heading:1; /* what stands before it is sent */
    unsigned                 headed:1;
};


typedef struct {
    ino_t                    ino;
    off_t                    size;
    struct timespec          changed;
} ngx_http_registry_verified_t;


static ngx_int_t ngx_http_registry_slice_upstream(ngx_http_request_t *sr,
    ngx_http_registry_exchange_t *ex);
static ngx_int_t ngx_http_registry_slice_create_key(ngx_http_request_t *r);
static ngx_int_t ngx_http_registry_slice_create_request(
    ngx_http_request_t *r);
static void ngx_http_registry_slice_wait(ngx_http_request_t *sr,
    ngx_http_registry_exchange_t *ex);
static ngx_int_t ngx_http_registry_slice_header(ngx_http_request_t *sr,
    ngx_http_registry_exchange_t *ex);
static ngx_int_t ngx_http_registry_slice_pipe(ngx_event_pipe_t *p,
    ngx_http_registry_exchange_t *ex, ngx_buf_t *buf);
static ngx_int_t ngx_http_registry_slice_output(ngx_http_request_t *sr,
    ngx_http_registry_exchange_t *ex, ngx_chain_t *in, ngx_chain_t **out);
static void ngx_http_registry_slice_remember(struct stat *st);
static void ngx_http_registry_slice_cleanup(void *data);


const ngx_http_registry_reply_t  ngx_http_registry_reply_slice = {
    ngx_http_registry_slice_upstream,         /* upstream */
    ngx_http_registry_slice_wait,             /* started */
    ngx_http_registry_slice_header,           /* header */
    ngx_http_registry_upstream_pipe_init,     /* filter_init */
    NULL,                                     /* filter */
    ngx_http_registry_slice_pipe,             /* pipe */
    ngx_http_registry_slice_output            /* output */
};


/* of this worker */
static ngx_http_registry_verified_t
    ngx_http_registry_slice_verified[NGX_HTTP_REGISTRY_VERIFIED];


/*
 * The tag of AES-GCM over the bytes as additional data: the fastest sum that
 * OpenSSL has.  There is no secret in it.
 */

static EVP_CIPHER_CTX *
ngx_http_registry_sum_begin(void)
{
    EVP_CIPHER_CTX  *sum;

    static const u_char  zero[16];

    sum = EVP_CIPHER_CTX_new();

    if (sum
        && EVP_EncryptInit_ex(sum, EVP_aes_128_gcm(), NULL, zero, zero) != 1)
    {
        EVP_CIPHER_CTX_free(sum);
        return NULL;
    }

    return sum;
}


static ngx_int_t
ngx_http_registry_sum_update(EVP_CIPHER_CTX *sum, u_char *p, size_t len)
{
    int  n;

    return EVP_EncryptUpdate(sum, NULL, &n, p, (int) len) == 1 ? NGX_OK
                                                               : NGX_ERROR;
}


static ngx_int_t
ngx_http_registry_sum_end(EVP_CIPHER_CTX *sum, u_char *tag)
{
    int     n;
    u_char  none[16];

    return EVP_EncryptFinal_ex(sum, none, &n) == 1
           && EVP_CIPHER_CTX_ctrl(sum, EVP_CTRL_GCM_GET_TAG,
                                  NGX_HTTP_REGISTRY_SUM, tag)
              == 1 ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_registry_slice_upstream(ngx_http_request_t *sr,
    ngx_http_registry_exchange_t *ex)
{
    ngx_pool_cleanup_t            *cln;
    ngx_http_upstream_t           *u;
    ngx_http_registry_slice_t     *slice;
    ngx_http_registry_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(sr, ngx_http_registry_module);

    slice = ngx_pcalloc(sr->pool, sizeof(ngx_http_registry_slice_t));
    cln = ngx_pool_cleanup_add(sr->pool, 0);

    if (slice == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    slice->request = sr;
    ex->slice = slice;

    cln->handler = ngx_http_registry_slice_cleanup;
    cln->data = slice;

    u = sr->upstream;

    u->conf = &rlcf->blobs;
    u->create_key = ngx_http_registry_slice_create_key;
    u->create_request = ngx_http_registry_slice_create_request;

    return ngx_http_registry_upstream_pipe(sr);
}


/* the storage is asked; a damaged file may have told a header before */

static ngx_int_t
ngx_http_registry_slice_create_request(ngx_http_request_t *r)
{
    ngx_http_registry_exchange_t  *ex;

    ex = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    ngx_http_registry_upstream_reset(r, ex);
    ex->ctx->storage_calls++;

    return ngx_http_registry_swift_create_request(r);
}


static ngx_int_t
ngx_http_registry_slice_create_key(ngx_http_request_t *r)
{
    ngx_str_t                     *key;
    reg_call_t                    *call;
    ngx_http_registry_exchange_t  *ex;

    ex = ngx_http_get_module_ctx(r, ngx_http_registry_module);
    call = ex->call;

    key = ngx_array_push(&r->cache->keys);
    if (key == NULL) {
        return NGX_ERROR;
    }

    return ngx_http_registry_slice_key(r, &call->object, &call->want_range,
                                       key);
}


/* a slice that another request fetches is waited for */

static void
ngx_http_registry_slice_wait(ngx_http_request_t *sr,
    ngx_http_registry_exchange_t *ex)
{
    ngx_http_registry_slice_t  *slice = ex->slice;

    if (ngx_http_registry_slice_lock(&slice->lock, sr)) {
        ngx_http_registry_count(cache[NGX_HTTP_REGISTRY_BLOB]
                                     [NGX_HTTP_REGISTRY_SHARED]);
    }
}


void
ngx_http_registry_slice_come(ngx_http_request_t *sr,
    ngx_http_registry_exchange_t *ex)
{
    struct stat  st;

    if (!sr->cached && ex->whole && sr->cache
        && stat((char *) sr->cache->file.name.data, &st) == 0
        && st.st_size == (off_t) sr->cache->body_start + ex->length
                         + NGX_HTTP_REGISTRY_SUM)
    {
        ngx_http_registry_slice_remember(&st);
    }

    /* of a call that could not begin nginx would keep the lock */

    if (sr->cache && !sr->cached && !ex->whole) {
        ngx_http_file_cache_free(sr->cache, NULL);
    }

    ngx_http_registry_slice_locks_look();
}


static void
ngx_http_registry_slice_cleanup(void *data)
{
    ngx_http_registry_slice_t  *slice = data;

    ngx_http_registry_slice_unlock(&slice->lock);

    if (slice->request->cache && slice->request->cache->wait_event.posted) {
        ngx_delete_posted_event(&slice->request->cache->wait_event);
    }

    if (slice->sum) {
        EVP_CIPHER_CTX_free(slice->sum);
        slice->sum = NULL;
    }
}


/* its bytes have been summed up: no need to look at them again */

static void
ngx_http_registry_slice_remember(struct stat *st)
{
    ngx_http_registry_verified_t  *v;

    v = &ngx_http_registry_slice_verified[st->st_ino
                                          % NGX_HTTP_REGISTRY_VERIFIED];
    v->ino = st->st_ino;
    v->size = st->st_size;
    v->changed = st->st_ctim;
}


/* NGX_DECLINED: damaged */

static ngx_int_t
ngx_http_registry_slice_verify(ngx_http_request_t *sr, off_t length)
{
    ssize_t                        n;
    off_t                          offset, end;
    u_char                         tag[NGX_HTTP_REGISTRY_SUM];
    static u_char                  block[64 * 1024];
    ngx_int_t                      rc;
    struct stat                    st;
    EVP_CIPHER_CTX                *sum;
    ngx_http_cache_t              *c;
    ngx_http_registry_verified_t  *v;

    c = sr->cache;
    offset = c->body_start;
    end = offset + length;

    if (fstat(c->file.fd, &st) == -1
        || st.st_size != end + NGX_HTTP_REGISTRY_SUM)
    {
        return NGX_DECLINED;
    }

    v = &ngx_http_registry_slice_verified[st.st_ino
                                          % NGX_HTTP_REGISTRY_VERIFIED];

    if (v->ino == st.st_ino && v->size == st.st_size
        && v->changed.tv_sec == st.st_ctim.tv_sec
        && v->changed.tv_nsec == st.st_ctim.tv_nsec)
    {
        return NGX_OK;
    }

    sum = ngx_http_registry_sum_begin();
    if (sum == NULL) {
        return NGX_ERROR;
    }

    rc = NGX_OK;

    while (rc == NGX_OK && offset < end) {

        n = pread(c->file.fd, block,
                  ngx_min((off_t) sizeof(block), end - offset), offset);

        if (n <= 0) {
            rc = NGX_DECLINED;
            break;
        }

        rc = ngx_http_registry_sum_update(sum, block, n);
        offset += n;
    }

    if (rc == NGX_OK) {
        rc = ngx_http_registry_sum_end(sum, tag);
    }

    EVP_CIPHER_CTX_free(sum);

    if (rc == NGX_OK
        && (pread(c->file.fd, block, sizeof(tag), end) != sizeof(tag)
            || ngx_memcmp(block, tag, sizeof(tag)) != 0))
    {
        rc = NGX_DECLINED;
    }

    if (rc == NGX_OK) {
        ngx_http_registry_slice_remember(&st);
    }

    return rc;
}


/* what stands before the bytes, when they are known to be right */

static ngx_int_t
ngx_http_registry_slice_head(ngx_http_request_t *sr,
    ngx_http_registry_exchange_t *ex)
{
    ngx_int_t                   rc;
    ngx_buf_t                  *b;
    ngx_chain_t                 out;
    reg_str_t                  *head;
    ngx_http_registry_slice_t  *slice = ex->slice;

    head = &ex->call->head;

    if (slice->headed || head->len == 0) {
        return NGX_OK;
    }

    b = ngx_create_temp_buf(sr->pool, head->len);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->last = ngx_cpymem(b->pos, head->data, head->len);

    out.buf = b;
    out.next = NULL;

    slice->heading = 1;
    rc = ngx_http_output_filter(sr, &out);
    slice->heading = 0;
    slice->headed = 1;

    return rc == NGX_ERROR ? NGX_ERROR : NGX_OK;
}


/* of the storage or of the disk: NGX_HTTP_UPSTREAM_INVALID_HEADER: damaged */

static ngx_int_t
ngx_http_registry_slice_header(ngx_http_request_t *sr,
    ngx_http_registry_exchange_t *ex)
{
    ngx_int_t                   rc;
    ngx_http_registry_slice_t  *slice = ex->slice;

    if (!ngx_http_registry_upstream_expected(sr, ex)) {
        return sr->cached ? NGX_HTTP_UPSTREAM_INVALID_HEADER : NGX_ERROR;
    }

    if (sr->cached && ex->ahead) {
        ex->ctx->at_hand = 1;
        return NGX_OK;
    }

    if (sr->cached) {
        rc = ngx_http_registry_slice_verify(sr, ex->length);

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (rc == NGX_DECLINED) {
            ngx_log_error(NGX_LOG_ERR, sr->connection->log, 0,
                          "registry: cache file \"%V\" is damaged, it is"
                          " fetched anew", &sr->cache->file.name);

            /* nginx asks the storage, then */

            return NGX_HTTP_UPSTREAM_INVALID_HEADER;
        }

        if (ex->ctx->verify
            && ngx_http_registry_verify_slice(sr, ex) != NGX_OK)
        {
            return NGX_ERROR;
        }

        ex->whole = 1;
        ex->ctx->recalled = 1;

    } else {
        slice->sum = ngx_http_registry_sum_begin();
        if (slice->sum == NULL) {
            return NGX_ERROR;
        }

        if (!sr->main->header_sent
            && ngx_http_registry_verify_whole(sr, ex) != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (sr->cache) {
            sr->cache->valid_sec = ngx_time() + NGX_HTTP_REGISTRY_VALID;
        }
    }

    if (ex->before == NULL || !ex->before->fetched) {
        ngx_http_registry_count(cache[NGX_HTTP_REGISTRY_BLOB]
                                     [sr->cached ? NGX_HTTP_REGISTRY_HIT
                                                 : NGX_HTTP_REGISTRY_MISS]);
    }

    if (!sr->cached) {
        ex->fetched = ex->ahead;
        ex->ctx->at_hand = 0;
    }

    if (ex->ahead) {
        return NGX_OK;
    }

    if (ngx_http_registry_answer_range_header(sr->main) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_registry_slice_head(sr, ex);
}


/* sums up what comes of the storage, and puts the sum behind it */

static ngx_int_t
ngx_http_registry_slice_pipe(ngx_event_pipe_t *p,
    ngx_http_registry_exchange_t *ex, ngx_buf_t *buf)
{
    off_t                       len;
    ngx_buf_t                  *b;
    ngx_chain_t                *cl;
    ngx_http_request_t         *sr;
    ngx_http_registry_slice_t  *slice = ex->slice;

    sr = p->input_ctx;

    /* the byte that RGW sends too many */

    if (ex->excess && buf->last - buf->pos > p->length) {
        buf->last = buf->pos + p->length;
    }

    len = ngx_min((off_t) (buf->last - buf->pos), p->length);

    if (len > 0
        && (ngx_http_registry_sum_update(slice->sum, buf->pos, len) != NGX_OK
            || (ex->ctx->verify && !ex->ahead
                && ngx_http_registry_verify_bytes(sr->main, ex->call, buf->pos,
                                                  len)
                   != NGX_OK)))
    {
        return NGX_ERROR;
    }

    if (ngx_event_pipe_copy_input_filter(p, buf) != NGX_OK) {
        return NGX_ERROR;
    }

    if (p->length != 0 || ex->whole) {
        return NGX_OK;
    }

    sr->upstream->keepalive = !ex->close;
    ex->whole = 1;

    cl = ngx_chain_get_free_buf(p->pool, &p->free);
    b = ngx_create_temp_buf(p->pool, NGX_HTTP_REGISTRY_SUM);

    if (cl == NULL || b == NULL
        || ngx_http_registry_sum_end(slice->sum, b->pos) != NGX_OK)
    {
        return NGX_ERROR;
    }

    b->last = b->end;
    b->tag = p->tag;

    *cl->buf = *b;
    *p->last_in = cl;
    p->last_in = &cl->next;

    return NGX_OK;
}


/* cuts a buffer of the slice to what the client is to get of it */

static off_t
ngx_http_registry_slice_cut(ngx_buf_t *b, off_t from, off_t to)
{
    off_t  size, skip, drop;

    size = ngx_buf_size(b);

    skip = ngx_max(from, 0);
    skip = ngx_min(skip, size);

    drop = ngx_max(size - to, 0);
    drop = ngx_min(drop, size - skip);

    if (ngx_buf_in_memory(b)) {
        b->pos += skip;
        b->last -= drop;
    }

    if (b->in_file) {
        b->file_pos += skip;
        b->file_last -= drop;
    }

    return size;
}


/* the client gets of a slice what it asked for */

static ngx_int_t
ngx_http_registry_slice_output(ngx_http_request_t *sr,
    ngx_http_registry_exchange_t *ex, ngx_chain_t *in, ngx_chain_t **out)
{
    off_t                       from;
    ngx_chain_t                *cl, *ln, **last;
    reg_call_t                 *call = ex->call;
    ngx_http_registry_slice_t  *slice = ex->slice;

    if (slice == NULL || slice->heading) {
        *out = in;
        return NGX_OK;
    }

    last = out;

    for (cl = in; cl; cl = cl->next) {

        if (!ngx_buf_special(cl->buf)) {

            from = (off_t) call->skip - slice->passed;

            slice->passed += ngx_http_registry_slice_cut(cl->buf, from,
                                              from + (off_t) call->take);

            if (ngx_buf_size(cl->buf) == 0) {
                continue;
            }
        }

        ln = ngx_alloc_chain_link(sr->pool);
        if (ln == NULL) {
            return NGX_ERROR;
        }

        ln->buf = cl->buf;
        *last = ln;
        last = &ln->next;
    }

    *last = NULL;

    return NGX_OK;
}


/*
 * nginx ends a reply whose file it cannot write.  Neither the storage nor the
 * client has failed then, and how much the client gets of it is known: what is
 * left of the blob is read past the cache.
 */

ngx_uint_t
ngx_http_registry_slice_failed(ngx_http_request_t *sr,
    ngx_http_registry_exchange_t *ex)
{
    off_t                       sent;
    ngx_event_pipe_t           *p;
    reg_call_t                 *call = ex->call;
    ngx_http_registry_slice_t  *slice = ex->slice;

    p = sr->upstream ? sr->upstream->pipe : NULL;

    if (slice == NULL || sr->cached || sr->connection->error
        || p == NULL || p->upstream_error || p->downstream_error
        || (p->upstream_eof && !ex->whole)
        || call->reply.status != call->want_status)
    {
        return 0;
    }

    sent = slice->passed - (off_t) call->skip;
    sent = ngx_max(sent, 0);
    sent = ngx_min(sent, (off_t) call->take);

    if (sent == 0 && slice->headed && call->head.len) {
        return 0;
    }

    ngx_log_error(NGX_LOG_WARN, sr->connection->log, 0,
                  "registry: a slice of \"%*s\" could not be kept on disk, the"
                  " rest of the blob is read past the cache",
                  call->object.len, call->object.data);

    call->take = sent;
    ex->ctx->flow->slice = 0;

    return 1;
}

#endif
