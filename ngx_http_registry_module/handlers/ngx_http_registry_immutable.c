/*
 * Tags that stay: registry_immutable_tags, asked of one tag at a time.
 *
 * Which tags a request is about is not known before its rules are read: a
 * delete by digest removes whatever points to the manifest.  So $registry_tags
 * is the one tag while the value is made, and what was made for another one,
 * as nginx keeps the result of a map, is made again.
 */

#include "ngx_http_registry_immutable.h"
#include "base/ngx_http_registry_util.h"


static ngx_http_variable_value_t *ngx_http_registry_immutable_values(
    ngx_http_request_t *r, ngx_http_registry_ctx_t *ctx);


int
ngx_http_registry_immutable_tag(void *data, const reg_str_t *tag)
{
    ngx_uint_t                     immutable;
    ngx_http_request_t            *r = data;
    ngx_http_registry_ctx_t       *ctx;
    ngx_http_variable_value_t     *values, *saved;
    ngx_http_registry_loc_conf_t  *rlcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    saved = r->variables;

    if (rlcf->immutable->lengths) {
        values = ngx_http_registry_immutable_values(r, ctx);
        if (values == NULL) {
            return 1;
        }

        r->variables = values;
    }

    ctx->tag = tag;
    immutable = ngx_http_registry_switched(r, rlcf->immutable,
                                           "registry_immutable_tags", 1);
    r->variables = saved;
    ctx->tag = NULL;

    return (int) immutable;
}


/*
 * Of the values that the request has already, those are left which nobody
 * can make again: what "set" wrote, what a regular expression captured, or
 * auth_request_set took from a reply.  Asked again these are not found, or
 * empty.
 */

static ngx_http_variable_value_t *
ngx_http_registry_immutable_values(ngx_http_request_t *r,
    ngx_http_registry_ctx_t *ctx)
{
    ngx_uint_t                  i, n;
    ngx_http_variable_t        *v;
    ngx_http_variable_value_t   value, *kept;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);

    v = cmcf->variables.elts;
    n = cmcf->variables.nelts;

    if (ctx->values == NULL) {

        kept = ngx_pcalloc(r->pool,
                           2 * n * sizeof(ngx_http_variable_value_t));
        if (kept == NULL) {
            return NULL;
        }

        for (i = 0; i < n; i++) {

            if (!r->variables[i].valid) {
                continue;
            }

            if (!(v[i].flags & NGX_HTTP_VAR_WEAK)) {
                ngx_memzero(&value, sizeof(ngx_http_variable_value_t));

                if (v[i].get_handler(r, &value, v[i].data) == NGX_OK
                    && value.valid
                    && (value.len || r->variables[i].len == 0))
                {
                    continue;
                }
            }

            kept[i] = r->variables[i];
        }

        ctx->values = kept;
    }

    kept = ctx->values;

    ngx_memcpy(kept + n, kept, n * sizeof(ngx_http_variable_value_t));

    return kept + n;
}
