
/*
 * The token of a storage account, by Swift's TempAuth v1 or Keystone v3.
 *
 * One token per account is kept in shared memory and used by all workers.
 * The worker that finds it absent or due fetches it, the others wait.
 */

#ifndef _NGX_HTTP_REGISTRY_TOKEN_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_TOKEN_H_INCLUDED_


#include "base/ngx_http_registry.h"
#include "core/reg_keystone.h"


typedef struct ngx_http_registry_token_fetch_s
    ngx_http_registry_token_fetch_t;


/* one per distinct storage, and account of it; configuration */
struct ngx_http_registry_account_s {
    ngx_str_t                         identity;  /* all that tells it apart */
    ngx_str_t                         salt;      /* the same of all storages */
    ngx_str_t                         auth_url;  /* zero-terminated */
    ngx_str_t                         user;      /* for v1, and for people */
    reg_keystone_t                   *keystone;  /* NULL: TempAuth v1 */
    ngx_str_t                         key;       /* never logged */
    ngx_str_t                         trusted;   /* certificates; zero-t. */
    unsigned                          insecure:1;
    unsigned                          weak:1;    /* the key; was told */
    unsigned                          nameless:1;    /* so was this */
    ngx_str_t                         secret;    /* slowly, of the key */
    ngx_str_t                         file;      /* of its registry_pass */
    ngx_uint_t                        line;
    ngx_shm_zone_t                   *zone;

    /* private to a worker */
    ngx_http_registry_token_fetch_t  *fetch;
    ngx_queue_t                       waiting;
    ngx_event_t                       event;
    unsigned                          ready:1;
};


/*
 * Makes the shared zone of the account, once at configuration time.  The
 * token survives a reload; the record of failures does not.
 */
char *ngx_http_registry_token_zone(ngx_conf_t *cf,
    ngx_http_registry_account_t *account);

/* for init_process: starts fetching, so that the first request need not */
ngx_int_t ngx_http_registry_token_init_worker(ngx_cycle_t *cycle,
    ngx_http_registry_account_t *account);

/*
 * NGX_OK: the token and the path of the storage, without a slash at its end,
 * were copied to the pool; NGX_AGAIN: w was queued, its handler is called
 * later, never from within this call; NGX_ERROR: no token for now.
 */
ngx_int_t ngx_http_registry_token_get(ngx_http_registry_account_t *account,
    ngx_pool_t *pool, ngx_str_t *token, ngx_str_t *storage,
    ngx_http_registry_token_wait_t *w);

/* safe when not queued */
void ngx_http_registry_token_cancel(ngx_http_registry_token_wait_t *w);

/*
 * The storage said 401 to this very token: drops it unless it was renewed.
 * The one before takes its place again, when it has not ended.
 */
void ngx_http_registry_token_refused(ngx_http_registry_account_t *account,
    ngx_str_t *token);

/* 1: there is none since the storage refuses even those just given */
ngx_uint_t ngx_http_registry_token_useless(
    ngx_http_registry_account_t *account);


#endif /* _NGX_HTTP_REGISTRY_TOKEN_H_INCLUDED_ */
