/*
 * The file of a slice in nginx's cache: its name, and its end.
 */

#include "ngx_http_registry_slice_file.h"

#include <ngx_md5.h>


#if (NGX_HTTP_CACHE)

/*
 * By the data, and by whose storage it comes of: a range cannot be compared
 * with a digest, so that what one storage sends says nothing of another's.
 */

ngx_int_t
ngx_http_registry_slice_key(ngx_http_request_t *r, const reg_str_t *object,
    const reg_str_t *range, ngx_str_t *key)
{
    u_char                        *p;
    ngx_http_registry_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    p = ngx_pnalloc(r->pool, object->len + range->len
                             + rlcf->blob_cache_id.len + 2);
    if (p == NULL) {
        return NGX_ERROR;
    }

    key->data = p;
    key->len = ngx_sprintf(p, "%*s %*s %V", object->len, object->data,
                           range->len, range->data, &rlcf->blob_cache_id)
               - p;

    return NGX_OK;
}


/* as nginx names it, with a NUL behind */

static ngx_int_t
ngx_http_registry_slice_path(ngx_http_request_t *r, const reg_str_t *object,
    const reg_str_t *range, ngx_str_t *name)
{
    u_char                        *p;
    ngx_md5_t                      md5;
    ngx_str_t                      key;
    ngx_path_t                    *path;
    ngx_http_file_cache_t         *cache;
    ngx_http_registry_loc_conf_t  *rlcf;
    u_char                         hash[NGX_HTTP_CACHE_KEY_LEN];

    if (ngx_http_registry_slice_key(r, object, range, &key) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_md5_init(&md5);
    ngx_md5_update(&md5, key.data, key.len);
    ngx_md5_final(hash, &md5);

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);
    cache = rlcf->blob_cache->data;
    path = cache->path;

    name->len = path->name.len + 1 + path->len + 2 * NGX_HTTP_CACHE_KEY_LEN;

    name->data = ngx_pnalloc(r->pool, name->len + 1);
    if (name->data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(name->data, path->name.data, path->name.len);
    p = ngx_hex_dump(p + 1 + path->len, hash, NGX_HTTP_CACHE_KEY_LEN);
    *p = '\0';

    ngx_create_hashed_filename(path, name->data, name->len);

    return NGX_OK;
}


/* a file that is gone is a miss for nginx */

void
ngx_http_registry_slice_remove(ngx_http_request_t *r, const reg_call_t *call,
    off_t size)
{
    off_t      first, last;
    u_char     text[3 * NGX_OFF_T_LEN + sizeof("bytes -/")];
    ngx_str_t  name;
    reg_str_t  range;

    range.data = text;

    for (first = 0; first < size; first = last + 1) {

        last = ngx_min(first + (off_t) call->slice, size) - 1;

        range.len = ngx_sprintf(text, "bytes %O-%O/%O", first, last, size)
                    - text;

        if (ngx_http_registry_slice_path(r, &call->object, &range, &name)
            != NGX_OK)
        {
            return;
        }

        if (ngx_delete_file(name.data) == NGX_FILE_ERROR
            && ngx_errno != NGX_ENOENT)
        {
            ngx_log_error(NGX_LOG_CRIT, r->connection->log, ngx_errno,
                          ngx_delete_file_n " \"%s\" failed", name.data);
        }
    }
}

#endif
