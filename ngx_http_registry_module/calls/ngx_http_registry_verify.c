/*
 * Whether a whole blob's bytes are those of its digest, while they come of
 * the storage.  Its last bytes are not let through before that is known.
 */

#include "ngx_http_registry_verify.h"
#include "base/ngx_http_registry_util.h"
#include "shared/ngx_http_registry_cache.h"
#include "shared/ngx_http_registry_stat.h"
#include "ngx_http_registry_slice_file.h"


struct ngx_http_registry_verify_s {
    reg_hash_t     hash;
    reg_digest_t   digest;
    int64_t        size;
    int64_t        left;
    unsigned       wrong:1;
};


ngx_int_t
ngx_http_registry_verify_begin(ngx_http_request_t *r,
    const reg_digest_t *digest, int64_t size)
{
    ngx_uint_t                     on;
    ngx_http_registry_ctx_t       *ctx;
    ngx_http_registry_verify_t    *verify;
    ngx_http_registry_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    /* what is wrong would stay on disk */

    on = rlcf->verify ? ngx_http_registry_switched(r, rlcf->verify,
                                                   "registry_verify", 1)
                      : rlcf->slice != 0;

    if (!on) {
        return NGX_OK;
    }

    verify = ngx_pcalloc(r->pool, sizeof(ngx_http_registry_verify_t));
    if (verify == NULL) {
        return NGX_ERROR;
    }

    reg_hash_init(&verify->hash, digest->alg);
    verify->digest = *digest;
    verify->size = size;
    verify->left = size;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
    ctx->verify = verify;

    return NGX_OK;
}


ngx_int_t
ngx_http_registry_verify_bytes(ngx_http_request_t *r, const reg_call_t *call,
    u_char *p, size_t len)
{
    ngx_str_t                      id;
    reg_str_t                      text;
    reg_digest_t                   d;
    ngx_http_registry_ctx_t       *ctx;
    ngx_http_registry_verify_t    *verify;
    ngx_http_registry_loc_conf_t  *rlcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
    verify = ctx->verify;

    reg_hash_update(&verify->hash, p, len);
    verify->left -= len;

    if (verify->left) {
        return NGX_OK;
    }

    reg_hash_final(&verify->hash, &d);

    if (reg_digest_equal(&d, &verify->digest)) {
        return NGX_OK;
    }

    verify->wrong = 1;
    text = reg_digest_text(&ctx->arena, &verify->digest);
    id = ngx_http_registry_visible(r->main, &ctx->storage_id);

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "registry: repository \"%*s\": the storage sent other bytes"
                  " than those of \"%*s\", transaction \"%V\"",
                  ctx->operation->route.name.len,
                  ctx->operation->route.name.data, text.len, text.data,
                  &id);

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    if (rlcf->cache_zone) {
        ngx_http_registry_cache_purge(rlcf->cache_zone, &rlcf->container_id,
                                      &call->object);
    }

#if (NGX_HTTP_CACHE)

    /* which slice is wrong is not known */

    if (call->slice) {
        ngx_http_registry_slice_remove(r, call, verify->size);
    }

#endif

    ngx_http_registry_count(counters[NGX_HTTP_REGISTRY_MISMATCHES]);

    return NGX_ERROR;
}


ngx_uint_t
ngx_http_registry_verify_failed(ngx_http_registry_ctx_t *ctx)
{
    return ctx->verify && ctx->verify->wrong;
}


#if (NGX_HTTP_CACHE)

/* who brings the first slice of a whole blob looks at all of them */

ngx_int_t
ngx_http_registry_verify_whole(ngx_http_request_t *sr,
    ngx_http_registry_exchange_t *ex)
{
    reg_flow_t  *f = ex->ctx->operation;

    if (ex->ahead || f->answer.status != NGX_HTTP_OK) {
        return NGX_OK;
    }

    return ngx_http_registry_verify_begin(sr->main, &f->route.digest,
                                          f->answer.length);
}


/* what was fetched ahead, or by others, is a part of the digest, too */

ngx_int_t
ngx_http_registry_verify_slice(ngx_http_request_t *sr,
    ngx_http_registry_exchange_t *ex)
{
    ssize_t            n;
    off_t              offset, end;
    static u_char      block[64 * 1024];
    ngx_http_cache_t  *c;

    c = sr->cache;
    offset = c->body_start;
    end = offset + ex->length;

    while (offset < end) {

        n = pread(c->file.fd, block,
                  ngx_min((off_t) sizeof(block), end - offset), offset);

        if (n <= 0
            || ngx_http_registry_verify_bytes(sr->main, ex->call, block, n)
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        offset += n;
    }

    return NGX_OK;
}

#endif
