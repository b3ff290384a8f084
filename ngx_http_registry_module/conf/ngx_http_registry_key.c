/*
 * Files with keys, which others must not read.
 */

#include "ngx_http_registry_key.h"


#define NGX_HTTP_REGISTRY_KEY_MAX     4096
#define NGX_HTTP_REGISTRY_KEY_GROUPS  64


static ngx_uint_t ngx_http_registry_key_is_open(ngx_conf_t *cf,
    struct stat *st);


/* never tells what it read */

ngx_int_t
ngx_http_registry_key_read(ngx_conf_t *cf, const char *directive,
    ngx_str_t *name, ngx_str_t *key)
{
    ssize_t      n;
    u_char       text[NGX_HTTP_REGISTRY_KEY_MAX + 1];
    ngx_fd_t     fd;
    const char  *why;
    struct stat  st;

    if (ngx_conf_full_name(cf->cycle, name, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    /* a FIFO must not hold up the start */

    fd = open((char *) name->data, O_RDONLY|O_NONBLOCK|O_CLOEXEC);

    if (fd == -1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "\"%s\" \"%V\" cannot be opened", directive, name);
        return NGX_ERROR;
    }

    n = 0;

    if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)) {
        why = "is not a regular file";

    } else if (ngx_http_registry_key_is_open(cf, &st)) {
        why = "is open to others than its owner: chmod 600 mends it";

    } else {
        n = read(fd, text, sizeof(text));

        while (n > 0 && (text[n - 1] == LF || text[n - 1] == CR)) {
            n--;
        }

        why = (n <= 0) ? "is empty"
              : (n > NGX_HTTP_REGISTRY_KEY_MAX) ? "is no key: over 4096 bytes"
              : NULL;
    }

    (void) close(fd);

    if (why) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%s\" \"%V\" %s", directive, name, why);
        return NGX_ERROR;
    }

    key->len = n;
    key->data = ngx_pnalloc(cf->pool, n);
    if (key->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(key->data, text, n);
    ngx_explicit_memzero(text, sizeof(text));

    return NGX_OK;
}


/*
 * A group may read it that has nobody in it but root, or nginx itself: what
 * Kubernetes makes of a Secret is root's and of the pod's group.
 */

static ngx_uint_t
ngx_http_registry_key_is_open(ngx_conf_t *cf, struct stat *st)
{
    int               i, n;
    gid_t             groups[NGX_HTTP_REGISTRY_KEY_GROUPS];
    ngx_core_conf_t  *ccf;

    if (st->st_mode & (S_IWGRP|S_IXGRP|S_IRWXO)) {
        return 1;
    }

    if (!(st->st_mode & S_IRGRP) || st->st_gid == 0
        || st->st_gid == getegid())
    {
        return 0;
    }

    if (geteuid() == 0) {
        ccf = (ngx_core_conf_t *) ngx_get_conf(cf->cycle->conf_ctx,
                                               ngx_core_module);
        return st->st_gid != ccf->group;
    }

    n = getgroups(NGX_HTTP_REGISTRY_KEY_GROUPS, groups);

    for (i = 0; i < n; i++) {
        if (groups[i] == st->st_gid) {
            return 0;
        }
    }

    return 1;
}
