/*
 * Files with keys, and the secrets that sign the state of uploads.
 */

#include "ngx_http_registry_module.h"

#include <openssl/hmac.h>


#define NGX_HTTP_REGISTRY_KEY_MAX      4096
#define NGX_HTTP_REGISTRY_SECRET_MIN   32       /* characters */
#define NGX_HTTP_REGISTRY_SECRETS_MAX  8


static ngx_int_t ngx_http_registry_key_derive(
    ngx_http_registry_loc_conf_t *conf, u_char *key, size_t len);


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

    } else if (st.st_mode & (S_IRWXG|S_IRWXO)) {
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


ngx_int_t
ngx_http_registry_key_secrets(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf, ngx_str_t *storage_key)
{
    size_t       len;
    u_char      *p, *last, *end;
    ngx_str_t    file;
    ngx_uint_t   line;
    const char  *why;

    conf->secrets = ngx_pcalloc(cf->pool, NGX_HTTP_REGISTRY_SECRETS_MAX
                                          * REG_SESSION_SECRET);
    if (conf->secrets == NULL) {
        return NGX_ERROR;
    }

    if (conf->secret_file.len == 0) {
        return ngx_http_registry_key_derive(conf, storage_key->data,
                                            storage_key->len);
    }

    if (ngx_http_registry_key_read(cf, "registry_secret_file",
                                   &conf->secret_file, &file)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    p = file.data;
    last = file.data + file.len;

    for (line = 1; p < last; line++) {

        end = ngx_strlchr(p, last, LF);
        if (end == NULL) {
            end = last;
        }

        len = end - p;

        if (len && p[len - 1] == CR) {
            len--;
        }

        why = len < NGX_HTTP_REGISTRY_SECRET_MIN
              ? "is shorter than 32 characters: \"openssl rand -hex 32\""
                " makes one"
              : conf->nsecrets == NGX_HTTP_REGISTRY_SECRETS_MAX
              ? "is the ninth: more than 8 secrets are too many" : NULL;

        if (why) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"registry_secret_file\" \"%V\": line %ui %s",
                               &conf->secret_file, line, why);
            return NGX_ERROR;
        }

        if (ngx_http_registry_key_derive(conf, p, len) != NGX_OK) {
            return NGX_ERROR;
        }

        p = end + 1;
    }

    ngx_explicit_memzero(file.data, file.len);

    return NGX_OK;
}


/*
 * Of the container, too: what was begun in one must not be continued, nor
 * authorised, in another.  All nodes with the same key agree.
 */

static ngx_int_t
ngx_http_registry_key_derive(ngx_http_registry_loc_conf_t *conf, u_char *key,
    size_t len)
{
    u_char    text[sizeof("registry upload state ")
                   + 2 * NGX_HTTP_REGISTRY_NAME_MAX + 1], *p, *secret;
    unsigned  size;

    secret = conf->secrets + conf->nsecrets++ * REG_SESSION_SECRET;

    p = ngx_cpymem(text, "registry upload state ",
                   sizeof("registry upload state ") - 1);
    p = ngx_cpymem(p, conf->root.data, conf->root.len);

    return HMAC(EVP_sha256(), key, (int) len, text, p - text, secret, &size)
           ? NGX_OK : NGX_ERROR;
}
