/*
 * "registry_redirect": blobs are read from the storage itself, by URLs that
 * expire.
 */

#include "ngx_http_registry_redirect.h"
#include "base/ngx_http_registry_util.h"


ngx_uint_t
ngx_http_registry_redirect_valid(ngx_str_t *url)
{
    u_char     *p;
    ngx_uint_t  i;

    for (i = 0; i < url->len; i++) {
        if (url->data[i] <= 0x20 || url->data[i] >= 0x7f
            || url->data[i] == '"' || url->data[i] == '?'
            || url->data[i] == '#')
        {
            return 0;
        }
    }

    p = url->data + (url->len > 8 ? 8 : url->len);

    return (url->len > 8
            && ngx_strncasecmp(url->data, (u_char *) "https://", 8) == 0
            && *p != '/')
           || (url->len > 7
               && ngx_strncasecmp(url->data, (u_char *) "http://", 7) == 0
               && url->data[7] != '/');
}


static void
ngx_http_registry_redirect_trim(ngx_str_t *url)
{
    if (url->len && url->data[url->len - 1] == '/') {
        url->len--;
    }
}


/* where this request's blob is to be read; no URL: here */

void
ngx_http_registry_redirect_begin(ngx_http_request_t *r, reg_flow_t *f)
{
    ngx_str_t                      url;
    ngx_http_registry_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    if (rlcf->redirect == NULL
        || ngx_http_complex_value(r, rlcf->redirect, &url) != NGX_OK
        || url.len == 0
        || (url.len == 1 && url.data[0] == '0')
        || (url.len == 3 && ngx_strncmp(url.data, "off", 3) == 0))
    {
        return;
    }

    if (!ngx_http_registry_redirect_valid(&url)) {
        url = ngx_http_registry_visible(r, &url);

        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "registry: \"registry_redirect\" became \"%V\", which is"
                      " no URL of a storage: the blob is sent from here",
                      &url);
        return;
    }

    ngx_http_registry_redirect_trim(&url);

    f->redirect.len = url.len;
    f->redirect.data = url.data;
    f->redirect_key.len = rlcf->redirect_key.len;
    f->redirect_key.data = rlcf->redirect_key.data;
    f->redirect_expires = rlcf->redirect_expires;
}
