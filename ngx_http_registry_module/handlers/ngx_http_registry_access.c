/*
 * A signed Location that authorises the requests of its upload: beside
 * "satisfy any" it stands for the password of the request that began the
 * upload.
 */

#include "ngx_http_registry_access.h"
#include "base/ngx_http_registry_util.h"
#include "core/reg_session.h"


/* seconds between lines about states of another secret */
#define NGX_HTTP_REGISTRY_FOREIGN  60


static ngx_int_t ngx_http_registry_access_handler(ngx_http_request_t *r);


static ngx_uint_t
ngx_http_registry_access_by_state(ngx_http_request_t *r)
{
    ngx_http_core_loc_conf_t      *clcf;
    ngx_http_registry_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);
    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    return rlcf->account
           && rlcf->upload_authorize
           && clcf->satisfy == NGX_HTTP_SATISFY_ANY
           && (r->method & (NGX_HTTP_PATCH|NGX_HTTP_PUT|NGX_HTTP_GET
                            |NGX_HTTP_HEAD|NGX_HTTP_DELETE));
}


/* made up by whoever is not let in yet, it says nothing of the nodes */

static ngx_uint_t
ngx_http_registry_access_level(ngx_uint_t allowed)
{
    static time_t  next;                /* of this worker */

    if (!allowed || ngx_time() < next) {
        return NGX_LOG_INFO;
    }

    next = ngx_time() + NGX_HTTP_REGISTRY_FOREIGN;

    return NGX_LOG_ERR;
}


void
ngx_http_registry_access_foreign(ngx_http_request_t *r,
    const unsigned char *key_id, ngx_uint_t allowed)
{
    u_char                         theirs[2 * REG_SESSION_KEY_ID];
    u_char                         ours[2 * REG_SESSION_KEY_ID];
    u_char                         id[REG_SESSION_KEY_ID];
    ngx_http_registry_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    reg_session_key_id(id, rlcf->secrets);

    (void) ngx_hex_dump(ours, id, REG_SESSION_KEY_ID);
    (void) ngx_hex_dump(theirs, (u_char *) key_id, REG_SESSION_KEY_ID);

    ngx_log_error(ngx_http_registry_access_level(allowed), r->connection->log,
                  0, "registry: _state was signed by another secret"
                  " (key id %*s, ours is %*s): set the same"
                  " registry_secret_file on all nodes",
                  sizeof(theirs), theirs, sizeof(ours), ours);
}


/*
 * NGX_OK for exactly what was allowed; NGX_DECLINED leaves it to the others,
 * and never opens or closes anything by itself.
 */

static ngx_int_t
ngx_http_registry_access_handler(ngx_http_request_t *r)
{
    reg_str_t                      uri, args, detail;
    reg_error_t                    e;
    reg_arena_t                    arena;
    reg_route_t                    route;
    reg_session_t                  session;
    reg_session_rc_t               rc;
    ngx_http_registry_loc_conf_t  *rlcf;

    if (r->args.len == 0 || !ngx_http_registry_access_by_state(r)) {
        return NGX_DECLINED;
    }

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    arena.alloc = ngx_http_registry_alloc;
    arena.ctx = r->pool;

    uri.len = r->uri.len;
    uri.data = r->uri.data;
    args.len = r->args.len;
    args.data = r->args.data;

    if (reg_route_parse(&uri, &route, &e, &detail) != REG_OK
        || route.kind != REG_ROUTE_UPLOAD)
    {
        return NGX_DECLINED;
    }

    rc = reg_session_read(&arena, &session, rlcf->secrets, rlcf->nsecrets,
                          &route.name, &route.reference, &args);

    if (rc == REG_SESSION_FOREIGN) {
        ngx_http_registry_access_foreign(r, session.key_id, 0);
    }

    return rc == REG_SESSION_GOOD && session.authorized > ngx_time()
           ? NGX_OK : NGX_DECLINED;
}


ngx_int_t
ngx_http_registry_access_init(ngx_conf_t *cf)
{
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_ACCESS_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_registry_access_handler;

    return NGX_OK;
}
