
/*
 * The token in shared memory: who may fetch it and when, who waits for it.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_md5.h>

#include <signal.h>
#include <openssl/crypto.h>

#include "ngx_http_registry_token.h"
#include "shared/ngx_http_registry_stat.h"
#include "ngx_http_registry_token_fetch.h"


#define NGX_HTTP_REGISTRY_TOKEN_ZONE       "registry_account:"
#define NGX_HTTP_REGISTRY_TOKEN_ZONE_SIZE  65536
#define NGX_HTTP_REGISTRY_TOKEN_MAGIC      0x52544b31


/* milliseconds */
#define NGX_HTTP_REGISTRY_TOKEN_OWNED      12000
#define NGX_HTTP_REGISTRY_TOKEN_POLL       20
#define NGX_HTTP_REGISTRY_TOKEN_BACKOFF    1000
#define NGX_HTTP_REGISTRY_TOKEN_BACKOFF_N  10000
#define NGX_HTTP_REGISTRY_TOKEN_YOUNG      60000
#define NGX_HTTP_REGISTRY_TOKEN_IDLE       60000

/* seconds */
#define NGX_HTTP_REGISTRY_TOKEN_LIFE_MIN   10
#define NGX_HTTP_REGISTRY_TOKEN_LIFE_MAX   86400


#define ngx_http_registry_token_before(a, b)                                  \
    ((ngx_msec_int_t) ((a) - (b)) < 0)


typedef struct {
    ngx_msec_t                       got;
    ngx_msec_t                       renew;
    ngx_msec_t                       expires;

    size_t                           token_len;     /* 0: no token */
    size_t                           storage_len;
    u_char                           token[NGX_HTTP_REGISTRY_TOKEN_MAX];
    u_char                           storage[NGX_HTTP_REGISTRY_TOKEN_PATH_MAX];
} ngx_http_registry_token_given_t;


/*
 * In shared memory, under the mutex of the slab pool.  Times are values of
 * ngx_current_msec, which is monotonic and the same for all processes: a step
 * of the wall clock ends no token.
 */
typedef struct {
    ngx_uint_t                       magic;
    size_t                           size;

    ngx_pid_t                        owner;     /* who fetches */
    ngx_msec_t                       deadline;  /* when it must have ended */

    ngx_uint_t                       failures;  /* fetches in a row */
    ngx_uint_t                       refusals;  /* of young tokens in a row */
    ngx_msec_t                       retry;     /* no fetch before */

    ngx_http_registry_token_given_t  now;
    ngx_http_registry_token_given_t  former;    /* until it ends */
} ngx_http_registry_token_shared_t;


static ngx_int_t ngx_http_registry_token_zone_init(ngx_shm_zone_t *zone,
    void *data);
static void ngx_http_registry_token_cleanup(void *data);
static ngx_int_t ngx_http_registry_token_look(
    ngx_http_registry_account_t *account, ngx_pool_t *pool, ngx_str_t *token,
    ngx_str_t *storage);
static void ngx_http_registry_token_drop(
    ngx_http_registry_token_given_t *given);
static void ngx_http_registry_token_tick(ngx_event_t *ev);
static void ngx_http_registry_token_arm(ngx_http_registry_account_t *account);
static void ngx_http_registry_token_wake(ngx_http_registry_account_t *account,
    ngx_int_t rc);
static void ngx_http_registry_token_failed(
    ngx_http_registry_account_t *account);
static void ngx_http_registry_token_done(ngx_http_registry_account_t *account,
    ngx_http_registry_token_answer_t *answer);


/* its address tells our zones from those of others */
static ngx_uint_t  ngx_http_registry_token_tag;


static ngx_msec_t
ngx_http_registry_token_backoff(ngx_uint_t failures)
{
    if (failures > 4) {
        return NGX_HTTP_REGISTRY_TOKEN_BACKOFF_N;
    }

    return NGX_HTTP_REGISTRY_TOKEN_BACKOFF << (failures - 1);
}


char *
ngx_http_registry_token_zone(ngx_conf_t *cf,
    ngx_http_registry_account_t *account)
{
    u_char     *p, hash[16];
    ngx_str_t   name, path;
    ngx_md5_t   md5;

    if (ngx_http_registry_token_fetch_path(account->auth_url.data,
                                         account->auth_url.len, &path)
        != NGX_OK
        || ngx_http_registry_token_printable(&account->auth_url, '!')
           != NGX_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the auth URL must be http or https, without "
                           "a user in it");
        return NGX_CONF_ERROR;
    }

    ngx_md5_init(&md5);
    ngx_md5_update(&md5, account->identity.data, account->identity.len);
    ngx_md5_final(hash, &md5);

    name.len = sizeof(NGX_HTTP_REGISTRY_TOKEN_ZONE) - 1 + 2 * sizeof(hash);
    name.data = ngx_pnalloc(cf->pool, name.len);
    if (name.data == NULL) {
        return NGX_CONF_ERROR;
    }

    p = ngx_cpymem(name.data, NGX_HTTP_REGISTRY_TOKEN_ZONE,
                   sizeof(NGX_HTTP_REGISTRY_TOKEN_ZONE) - 1);
    ngx_hex_dump(p, hash, sizeof(hash));

    account->zone = ngx_shared_memory_add(cf, &name,
                                          NGX_HTTP_REGISTRY_TOKEN_ZONE_SIZE,
                                          &ngx_http_registry_token_tag);
    if (account->zone == NULL) {
        return NGX_CONF_ERROR;
    }

    account->zone->init = ngx_http_registry_token_zone_init;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_registry_token_zone_init(ngx_shm_zone_t *zone, void *data)
{
    ngx_slab_pool_t                   *shpool;
    ngx_http_registry_token_shared_t  *sh;

    shpool = (ngx_slab_pool_t *) zone->shm.addr;
    sh = data;

    if (sh == NULL && zone->shm.exists) {
        sh = shpool->data;
    }

    if (sh && sh->magic == NGX_HTTP_REGISTRY_TOKEN_MAGIC
        && sh->size == sizeof(ngx_http_registry_token_shared_t))
    {
        /* what failed may have been mended by the new configuration */

        ngx_shmtx_lock(&shpool->mutex);

        sh->failures = 0;
        sh->refusals = 0;

        ngx_shmtx_unlock(&shpool->mutex);

        zone->data = sh;

        return NGX_OK;
    }

    sh = ngx_slab_calloc(shpool, sizeof(ngx_http_registry_token_shared_t));
    if (sh == NULL) {
        return NGX_ERROR;
    }

    sh->magic = NGX_HTTP_REGISTRY_TOKEN_MAGIC;
    sh->size = sizeof(ngx_http_registry_token_shared_t);

    shpool->data = sh;
    zone->data = sh;

    return NGX_OK;
}


ngx_int_t
ngx_http_registry_token_init_worker(ngx_cycle_t *cycle,
    ngx_http_registry_account_t *account)
{
    ngx_pool_cleanup_t  *cln;

    if (account->ready
        || (ngx_process != NGX_PROCESS_WORKER
            && ngx_process != NGX_PROCESS_SINGLE))
    {
        return NGX_OK;
    }

    cln = ngx_pool_cleanup_add(cycle->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_registry_token_cleanup;
    cln->data = account;

    ngx_queue_init(&account->waiting);

    account->event.handler = ngx_http_registry_token_tick;
    account->event.data = account;
    account->event.log = cycle->log;
    account->event.cancelable = 1;
    account->ready = 1;

    ngx_add_timer(&account->event, 1);

    return NGX_OK;
}


static void
ngx_http_registry_token_cleanup(void *data)
{
    ngx_http_registry_account_t *account = data;

    ngx_slab_pool_t                   *shpool;
    ngx_http_registry_token_shared_t  *sh;

    if (account->event.timer_set) {
        ngx_del_timer(&account->event);
    }

    account->ready = 0;

    if (account->fetch == NULL) {
        return;
    }

    ngx_http_registry_token_fetch_end(account);

    /* a single process may have unmapped the zone before its old cycle */

    if (ngx_process != NGX_PROCESS_WORKER) {
        return;
    }

    sh = account->zone->data;
    shpool = (ngx_slab_pool_t *) account->zone->shm.addr;

    ngx_shmtx_lock(&shpool->mutex);

    if (sh->owner == ngx_pid) {
        sh->owner = 0;
    }

    ngx_shmtx_unlock(&shpool->mutex);
}


ngx_int_t
ngx_http_registry_token_get(ngx_http_registry_account_t *account,
    ngx_pool_t *pool, ngx_str_t *token, ngx_str_t *storage,
    ngx_http_registry_token_wait_t *w)
{
    ngx_int_t   rc;
    ngx_uint_t  first;

    if (!account->ready
        && ngx_http_registry_token_init_worker((ngx_cycle_t *) ngx_cycle,
                                               account)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    rc = ngx_http_registry_token_look(account, pool, token, storage);

    if (rc == NGX_AGAIN && w->queue.next == NULL) {
        first = ngx_queue_empty(&account->waiting);
        ngx_queue_insert_tail(&account->waiting, &w->queue);

        /* not at each, or a steady stream would put the timer off for ever */

        if (first) {
            ngx_http_registry_token_arm(account);
        }
    }

    return rc;
}


void
ngx_http_registry_token_cancel(ngx_http_registry_token_wait_t *w)
{
    if (w->queue.next) {
        ngx_queue_remove(&w->queue);
        w->queue.next = NULL;
    }
}


void
ngx_http_registry_token_refused(ngx_http_registry_account_t *account,
    ngx_str_t *token)
{
    ngx_uint_t                         refusals, back;
    ngx_slab_pool_t                   *shpool;
    ngx_http_registry_token_shared_t  *sh;

    sh = account->zone->data;
    shpool = (ngx_slab_pool_t *) account->zone->shm.addr;
    refusals = 0;
    back = 0;

    ngx_shmtx_lock(&shpool->mutex);

    if (sh->now.token_len == token->len
        && token->len
        && ngx_memcmp(sh->now.token, token->data, token->len) == 0)
    {
        /* a storage that refuses all tokens must not cause a fetch each */

        if (ngx_current_msec - sh->now.got < NGX_HTTP_REGISTRY_TOKEN_YOUNG) {
            refusals = ++sh->refusals;

        } else {
            sh->refusals = 0;
        }

        back = sh->former.token_len
               && ngx_http_registry_token_before(ngx_current_msec,
                                                 sh->former.expires);

        /* with none at hand the first one is made good at once */

        if (refusals + back > 1) {
            sh->retry = ngx_current_msec
                        + ngx_http_registry_token_backoff(refusals + back - 1);
        } else {
            sh->retry = ngx_current_msec;
        }

        ngx_http_registry_token_drop(&sh->now);

        if (back) {
            sh->now = sh->former;
        }

        ngx_http_registry_token_drop(&sh->former);
    }

    ngx_shmtx_unlock(&shpool->mutex);

    if (refusals + back > 1) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "registry: the storage refused a token just given to "
                      "user \"%V\" by auth server \"%V\", check that both "
                      "are of the same cluster and the user is not suspended"
                      "%s", &account->user, &account->auth_url,
                      back ? "; the former one is used until its end" : "");
    }
}


static void
ngx_http_registry_token_drop(ngx_http_registry_token_given_t *given)
{
    OPENSSL_cleanse(given, sizeof(ngx_http_registry_token_given_t));
}


ngx_uint_t
ngx_http_registry_token_useless(ngx_http_registry_account_t *account)
{
    ngx_uint_t                         useless;
    ngx_slab_pool_t                   *shpool;
    ngx_http_registry_token_shared_t  *sh;

    sh = account->zone->data;
    shpool = (ngx_slab_pool_t *) account->zone->shm.addr;

    ngx_shmtx_lock(&shpool->mutex);

    useless = sh->now.token_len == 0 && sh->failures == 0 && sh->refusals > 1;

    ngx_shmtx_unlock(&shpool->mutex);

    return useless;
}


/*
 * Finds the token and starts a fetch when one is due and nobody is at it.
 * A token past its end is still given out while the auth server fails: only
 * the storage knows whether it is good.
 */

/* a request asks before each row: what it has already is not copied again */

static ngx_int_t
ngx_http_registry_token_copy(ngx_pool_t *pool, ngx_str_t *dst,
    const u_char *data, size_t len)
{
    if (dst->len == len && len && ngx_memcmp(dst->data, data, len) == 0) {
        return NGX_OK;
    }

    dst->data = ngx_pnalloc(pool, len);
    if (dst->data == NULL) {
        return NGX_ERROR;
    }

    dst->len = len;
    ngx_memcpy(dst->data, data, len);

    return NGX_OK;
}


static ngx_int_t
ngx_http_registry_token_look(ngx_http_registry_account_t *account,
    ngx_pool_t *pool, ngx_str_t *token, ngx_str_t *storage)
{
    ngx_int_t                          rc;
    ngx_msec_t                         now;
    ngx_uint_t                         due, held;
    ngx_slab_pool_t                   *shpool;
    ngx_http_registry_token_shared_t  *sh;

    sh = account->zone->data;
    shpool = (ngx_slab_pool_t *) account->zone->shm.addr;
    now = ngx_current_msec;

    ngx_shmtx_lock(&shpool->mutex);

    held = (sh->failures || sh->refusals)
           && ngx_http_registry_token_before(now, sh->retry);

    if (sh->now.token_len
        && (sh->failures
            || ngx_http_registry_token_before(now, sh->now.expires)))
    {
        rc = NGX_OK;
        due = !held && !ngx_http_registry_token_before(now, sh->now.renew);

        if (pool
            && (ngx_http_registry_token_copy(pool, token, sh->now.token,
                                             sh->now.token_len)
                != NGX_OK
                || ngx_http_registry_token_copy(pool, storage,
                                                sh->now.storage,
                                                sh->now.storage_len)
                   != NGX_OK))
        {
            token->len = 0;
            storage->len = 0;
            rc = NGX_ERROR;
        }

    } else {
        rc = held ? NGX_ERROR : NGX_AGAIN;
        due = !held;
    }

    /* whoever died without a word is known by its pid or its deadline */

    if (due
        && (account->fetch != NULL
            || (sh->owner
                && ngx_http_registry_token_before(now, sh->deadline)
                && (kill(sh->owner, 0) == 0 || ngx_errno != ESRCH))))
    {
        due = 0;
    }

    if (due) {
        sh->owner = ngx_pid;
        sh->deadline = now + NGX_HTTP_REGISTRY_TOKEN_OWNED;
    }

    ngx_shmtx_unlock(&shpool->mutex);

    if (due
        && ngx_http_registry_token_fetch(account, ngx_http_registry_token_done)
           != NGX_OK)
    {
        ngx_http_registry_token_failed(account);

        if (rc == NGX_AGAIN) {
            return NGX_ERROR;
        }
    }

    return rc;
}


static void
ngx_http_registry_token_tick(ngx_event_t *ev)
{
    ngx_int_t                     rc;
    ngx_http_registry_account_t  *account;

    account = ev->data;

    if (ngx_exiting && ngx_queue_empty(&account->waiting)) {
        return;
    }

    rc = ngx_http_registry_token_look(account, NULL, NULL, NULL);

    if (rc != NGX_AGAIN) {
        ngx_http_registry_token_wake(account, rc);
    }

    ngx_http_registry_token_arm(account);
}


static void
ngx_http_registry_token_arm(ngx_http_registry_account_t *account)
{
    ngx_msec_t                         at;
    ngx_msec_int_t                     delay;
    ngx_slab_pool_t                   *shpool;
    ngx_http_registry_token_shared_t  *sh;

    if (ngx_queue_empty(&account->waiting)) {
        sh = account->zone->data;
        shpool = (ngx_slab_pool_t *) account->zone->shm.addr;

        ngx_shmtx_lock(&shpool->mutex);

        at = sh->now.token_len && sh->failures == 0 ? sh->now.renew : sh->retry;

        ngx_shmtx_unlock(&shpool->mutex);

        delay = (ngx_msec_int_t) (at - ngx_current_msec);
        delay = ngx_max(delay, NGX_HTTP_REGISTRY_TOKEN_BACKOFF);
        delay = ngx_min(delay, NGX_HTTP_REGISTRY_TOKEN_IDLE);

        account->event.cancelable = 1;

    } else {
        delay = NGX_HTTP_REGISTRY_TOKEN_POLL;

        /* a worker that shuts down still answers the requests it has */
        account->event.cancelable = 0;
    }

    /* a timer that is set would not be moved by less than 300 ms */

    if (account->event.timer_set) {
        ngx_del_timer(&account->event);
    }

    ngx_add_timer(&account->event, (ngx_msec_t) delay);
}


static void
ngx_http_registry_token_wake(ngx_http_registry_account_t *account,
    ngx_int_t rc)
{
    ngx_queue_t                      waiting, *q;
    ngx_http_registry_token_wait_t  *w;

    if (ngx_queue_empty(&account->waiting)) {
        return;
    }

    /* a handler may queue itself again or cancel any other */

    ngx_queue_init(&waiting);
    ngx_queue_add(&waiting, &account->waiting);
    ngx_queue_init(&account->waiting);

    while (!ngx_queue_empty(&waiting)) {
        q = ngx_queue_head(&waiting);
        ngx_queue_remove(q);
        q->next = NULL;

        w = ngx_queue_data(q, ngx_http_registry_token_wait_t, queue);
        w->handler(w->data, rc);
    }
}


/* the fetch of this worker ended; without an answer it failed and was logged */

static void
ngx_http_registry_token_done(ngx_http_registry_account_t *account,
    ngx_http_registry_token_answer_t *answer)
{
    ngx_int_t                          rc;
    ngx_msec_t                         life, now;
    ngx_uint_t                         failures, level;
    ngx_slab_pool_t                   *shpool;
    ngx_http_registry_token_shared_t  *sh;

    if (answer == NULL) {
        ngx_http_registry_token_failed(account);

    } else {
        sh = account->zone->data;
        shpool = (ngx_slab_pool_t *) account->zone->shm.addr;
        now = ngx_current_msec;

        life = (ngx_msec_t) answer->life;
        life = ngx_max(life, NGX_HTTP_REGISTRY_TOKEN_LIFE_MIN);
        life = ngx_min(life, NGX_HTTP_REGISTRY_TOKEN_LIFE_MAX) * 1000;

        ngx_shmtx_lock(&shpool->mutex);

        /* it is not known yet whether the storage takes the new one */

        if (sh->now.token_len
            && ngx_http_registry_token_before(now, sh->now.expires))
        {
            sh->former = sh->now;
        }

        ngx_http_registry_token_drop(&sh->now);

        sh->now.token_len = answer->token.len;
        ngx_memcpy(sh->now.token, answer->token.data, answer->token.len);
        sh->now.storage_len = answer->storage.len;
        ngx_memcpy(sh->now.storage, answer->storage.data, answer->storage.len);

        sh->now.got = now;
        sh->now.expires = now + life;

        if (life > 2 * NGX_HTTP_REGISTRY_TOKEN_YOUNG) {
            sh->now.renew = now + ngx_min(life / 10 * 9,
                                      life - NGX_HTTP_REGISTRY_TOKEN_YOUNG);
        } else {
            sh->now.renew = now + life / 2;
        }

        failures = sh->failures;
        sh->failures = 0;

        if (sh->owner == ngx_pid) {
            sh->owner = 0;
        }

        ngx_shmtx_unlock(&shpool->mutex);

        ngx_http_registry_count(counters[NGX_HTTP_REGISTRY_TOKENS]);

        level = failures ? NGX_LOG_NOTICE : NGX_LOG_INFO;

        ngx_log_error(level, ngx_cycle->log, 0,
                      "registry: auth server \"%V\" gave user \"%V\" a token "
                      "for %M s%s", &account->auth_url, &account->user,
                      life / 1000, failures ? ", recovered" : "");
    }

    rc = ngx_http_registry_token_look(account, NULL, NULL, NULL);

    if (rc != NGX_AGAIN) {
        ngx_http_registry_token_wake(account, rc);
    }

    ngx_http_registry_token_arm(account);
}


static void
ngx_http_registry_token_failed(ngx_http_registry_account_t *account)
{
    ngx_slab_pool_t                   *shpool;
    ngx_http_registry_token_shared_t  *sh;

    sh = account->zone->data;
    shpool = (ngx_slab_pool_t *) account->zone->shm.addr;

    ngx_shmtx_lock(&shpool->mutex);

    /* else another took over, and what it finds counts */

    if (sh->owner == ngx_pid) {
        sh->owner = 0;
        sh->failures++;
        ngx_http_registry_count(counters[NGX_HTTP_REGISTRY_TOKEN_FAILURES]);
        sh->retry = ngx_current_msec
                    + ngx_http_registry_token_backoff(sh->failures);
    }

    ngx_shmtx_unlock(&shpool->mutex);
}
