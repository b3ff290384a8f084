
/*
 * "registry_health": HEAD of the container, by one worker for all.  Whoever
 * finds a check due makes it; the others look again later, so that the next
 * one takes over when it dies.
 */

#include "ngx_http_registry_health.h"
#include "core/reg_swift.h"
#include "base/ngx_http_registry_util.h"
#include "ngx_http_registry_curl.h"
#include "ngx_http_registry_servers.h"
#include "ngx_http_registry_token.h"

#include <ngx_md5.h>
#include <signal.h>


#define NGX_HTTP_REGISTRY_HEALTH_ZONE       "registry_health:"
#define NGX_HTTP_REGISTRY_HEALTH_MAGIC      0x52484c32

/* milliseconds */
#define NGX_HTTP_REGISTRY_HEALTH_TIMEOUT    5000    /* of each server */
#define NGX_HTTP_REGISTRY_HEALTH_TOKEN      15000   /* to get one */

typedef enum {
    NGX_HTTP_REGISTRY_HEALTH_OK = 0,
    NGX_HTTP_REGISTRY_HEALTH_NO_TOKEN,
    NGX_HTTP_REGISTRY_HEALTH_REFUSED,
    NGX_HTTP_REGISTRY_HEALTH_MISSING,
    NGX_HTTP_REGISTRY_HEALTH_NO_ANSWER,
    NGX_HTTP_REGISTRY_HEALTH_STATUS,
    NGX_HTTP_REGISTRY_HEALTH_ABANDONED
} ngx_http_registry_health_why_t;


static const char  *ngx_http_registry_health_texts[] = {
    "", "no token to be had", "the storage refuses the token",
    "the container is missing", "the storage does not answer",
    "the storage answers with an error", "the check did not end in time"
};


/* in shared memory, under the mutex of the slab pool; times as the token's */

typedef struct {
    ngx_uint_t                       magic;
    ngx_pid_t                        owner;     /* who is at it */
    ngx_msec_t                       deadline;  /* when it must have ended */
    ngx_msec_t                       next;
    ngx_atomic_t                     failures;  /* in a row */
    ngx_uint_t                       passed;
    ngx_uint_t                       failed;
    ngx_http_registry_health_why_t   why;
    ngx_uint_t                       status;
    time_t                           checked;
    ngx_uint_t                       seen;      /* the container, since the */
    ngx_uint_t                       unmade;    /* last reload */
} ngx_http_registry_health_shared_t;


struct ngx_http_registry_health_s {
    ngx_http_registry_loc_conf_t    *conf;      /* of one of its locations */
    ngx_msec_t                       interval;
    ngx_uint_t                       threshold;
    ngx_shm_zone_t                  *zone;

    /* private to a worker */

    ngx_event_t                      event;
    ngx_pool_t                      *pool;      /* NULL: no check runs here */
    ngx_http_registry_curl_t        *curl;
    ngx_http_registry_token_wait_t   wait;
    ngx_str_t                        token;
    ngx_str_t                        storage;
    ngx_uint_t                       server;
    unsigned                         renewed:1; /* the token, once */
};


static char *ngx_http_registry_health_zone(ngx_conf_t *cf,
    ngx_http_registry_health_t *health);
static ngx_int_t ngx_http_registry_health_zone_init(ngx_shm_zone_t *zone,
    void *data);
static void ngx_http_registry_health_tick(ngx_event_t *ev);
static void ngx_http_registry_health_cleanup(void *data);
static void ngx_http_registry_health_token(
    ngx_http_registry_health_t *health);
static void ngx_http_registry_health_token_ready(void *data, ngx_int_t rc);
static void ngx_http_registry_health_no_token(
    ngx_http_registry_health_t *health);
static ngx_int_t ngx_http_registry_health_ask(
    ngx_http_registry_health_t *health);
static void ngx_http_registry_health_answered(void *data);
static void ngx_http_registry_health_end(ngx_http_registry_health_t *health,
    ngx_http_registry_health_why_t why, ngx_uint_t status);
static void ngx_http_registry_health_log(ngx_http_registry_health_t *health,
    ngx_http_registry_health_why_t why, ngx_uint_t status,
    ngx_uint_t failures);
static void ngx_http_registry_health_abandon(
    ngx_http_registry_health_t *health);


/* its address tells our zones from those of others */
static ngx_uint_t  ngx_http_registry_health_tag;


/* locations with one container and one way to it have one check */

char *
ngx_http_registry_health_init(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf)
{
    ngx_uint_t                       i;
    ngx_http_registry_health_t      *health, **checks;
    ngx_http_registry_main_conf_t   *rmcf;

    if (conf->health_interval == 0) {
        return NGX_CONF_OK;
    }

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_registry_module);
    checks = rmcf->checks.elts;

    for (i = 0; i < rmcf->checks.nelts; i++) {
        health = checks[i];

        if (health->conf->account == conf->account
            && health->conf->container.len == conf->container.len
            && ngx_memcmp(health->conf->container.data,
                          conf->container.data, conf->container.len)
               == 0
            && health->conf->upstream.upstream == conf->upstream.upstream)
        {
            if (health->interval != conf->health_interval
                || health->threshold != conf->health_threshold)
            {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "\"registry_health\" of container \"%V\""
                                   " differs between its locations: it is"
                                   " checked once for all", &conf->container);
                return NGX_CONF_ERROR;
            }

            conf->health = health;
            return NGX_CONF_OK;
        }
    }

    health = ngx_pcalloc(cf->pool, sizeof(ngx_http_registry_health_t));
    checks = ngx_array_push(&rmcf->checks);

    if (health == NULL || checks == NULL) {
        return NGX_CONF_ERROR;
    }

    health->conf = conf;
    health->interval = conf->health_interval;
    health->threshold = conf->health_threshold;

    *checks = health;
    conf->health = health;

    return ngx_http_registry_health_zone(cf, health);
}


static char *
ngx_http_registry_health_zone(ngx_conf_t *cf,
    ngx_http_registry_health_t *health)
{
    u_char     *p, hash[16];
    ngx_str_t   name;
    ngx_md5_t   md5;

    ngx_md5_init(&md5);
    ngx_md5_update(&md5, health->conf->account->identity.data,
                   health->conf->account->identity.len);
    ngx_md5_update(&md5, "", 1);
    ngx_md5_update(&md5, health->conf->container.data,
                   health->conf->container.len);
    ngx_md5_update(&md5, "", 1);
    ngx_md5_update(&md5, health->conf->host.data, health->conf->host.len);
    ngx_md5_final(hash, &md5);

    name.len = sizeof(NGX_HTTP_REGISTRY_HEALTH_ZONE) - 1 + 2 * sizeof(hash);
    name.data = ngx_pnalloc(cf->pool, name.len);
    if (name.data == NULL) {
        return NGX_CONF_ERROR;
    }

    p = ngx_cpymem(name.data, NGX_HTTP_REGISTRY_HEALTH_ZONE,
                   sizeof(NGX_HTTP_REGISTRY_HEALTH_ZONE) - 1);
    ngx_hex_dump(p, hash, sizeof(hash));

    health->zone = ngx_shared_memory_add(cf, &name, 16 * ngx_pagesize,
                                         &ngx_http_registry_health_tag);
    if (health->zone == NULL) {
        return NGX_CONF_ERROR;
    }

    health->zone->init = ngx_http_registry_health_zone_init;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_registry_health_zone_init(ngx_shm_zone_t *zone, void *data)
{
    ngx_slab_pool_t                    *shpool;
    ngx_http_registry_health_shared_t  *sh;

    shpool = (ngx_slab_pool_t *) zone->shm.addr;
    sh = data ? data : shpool->data;

    if (sh == NULL || sh->magic != NGX_HTTP_REGISTRY_HEALTH_MAGIC) {

        sh = ngx_slab_calloc(shpool,
                             sizeof(ngx_http_registry_health_shared_t));
        if (sh == NULL) {
            return NGX_ERROR;
        }

        sh->magic = NGX_HTTP_REGISTRY_HEALTH_MAGIC;
        shpool->data = sh;
    }

    /* the interval may be another one now */

    sh->next = 0;
    sh->seen = 0;
    sh->unmade = 0;
    zone->data = sh;

    return NGX_OK;
}


ngx_int_t
ngx_http_registry_health_init_worker(ngx_cycle_t *cycle, ngx_array_t *checks)
{
    ngx_uint_t                    i;
    ngx_pool_cleanup_t           *cln;
    ngx_http_registry_health_t  **health;

    health = checks->elts;

    for (i = 0; i < checks->nelts; i++) {

        cln = ngx_pool_cleanup_add(cycle->pool, 0);
        if (cln == NULL) {
            return NGX_ERROR;
        }

        cln->handler = ngx_http_registry_health_cleanup;
        cln->data = health[i];

        health[i]->event.handler = ngx_http_registry_health_tick;
        health[i]->event.data = health[i];
        health[i]->event.log = cycle->log;
        health[i]->event.cancelable = 1;

        ngx_add_timer(&health[i]->event, 1);
    }

    return NGX_OK;
}


static void
ngx_http_registry_health_cleanup(void *data)
{
    ngx_http_registry_health_t *health = data;

    ngx_slab_pool_t                    *shpool;
    ngx_http_registry_health_shared_t  *sh;

    if (health->event.timer_set) {
        ngx_del_timer(&health->event);
    }

    if (health->pool == NULL) {
        return;
    }

    ngx_http_registry_health_abandon(health);

    /* a single process may have unmapped the zone before its old cycle */

    if (ngx_process != NGX_PROCESS_WORKER) {
        return;
    }

    sh = health->zone->data;
    shpool = (ngx_slab_pool_t *) health->zone->shm.addr;

    ngx_shmtx_lock(&shpool->mutex);

    if (sh->owner == ngx_pid) {
        sh->owner = 0;
        sh->next = 0;
    }

    ngx_shmtx_unlock(&shpool->mutex);
}


static void
ngx_http_registry_health_tick(ngx_event_t *ev)
{
    ngx_msec_t                          now, wait;
    ngx_uint_t                          due;
    ngx_slab_pool_t                    *shpool;
    ngx_http_registry_health_t         *health;
    ngx_http_registry_health_shared_t  *sh;

    health = ev->data;

    if (ngx_exiting || ngx_terminate) {
        return;
    }

    sh = health->zone->data;
    shpool = (ngx_slab_pool_t *) health->zone->shm.addr;
    now = ngx_current_msec;

    ngx_shmtx_lock(&shpool->mutex);

    due = (ngx_msec_int_t) (now - sh->next) >= 0
          && (sh->owner == 0
              || (ngx_msec_int_t) (now - sh->deadline) >= 0
              || (kill(sh->owner, 0) == -1 && ngx_errno == NGX_ESRCH));

    if (due) {
        sh->owner = ngx_pid;
        sh->next = now + health->interval;
        sh->deadline = now + NGX_HTTP_REGISTRY_HEALTH_TOKEN
                       + NGX_HTTP_REGISTRY_HEALTH_TIMEOUT
                         * ngx_http_registry_servers_count(health->conf);
    }

    wait = (ngx_msec_int_t) (sh->next - now) > 0 ? sh->next - now
                                                 : health->interval;

    ngx_shmtx_unlock(&shpool->mutex);

    ngx_add_timer(ev, ngx_max(wait, 1));

    if (!due) {
        return;
    }

    if (health->pool) {
        ngx_http_registry_health_abandon(health);
        ngx_http_registry_health_end(health,
                                     NGX_HTTP_REGISTRY_HEALTH_ABANDONED, 0);
        return;
    }

    health->pool = ngx_create_pool(4096, ngx_cycle->log);
    if (health->pool == NULL) {
        return;
    }

    health->server = 0;
    health->renewed = 0;

    ngx_http_registry_health_token(health);
}


static void
ngx_http_registry_health_token(ngx_http_registry_health_t *health)
{
    ngx_int_t  rc;

    ngx_memzero(&health->wait, sizeof(ngx_http_registry_token_wait_t));

    health->wait.handler = ngx_http_registry_health_token_ready;
    health->wait.data = health;

    rc = ngx_http_registry_token_get(health->conf->account, health->pool,
                                     &health->token, &health->storage,
                                     &health->wait);
    if (rc == NGX_AGAIN) {
        return;
    }

    if (rc != NGX_OK) {
        ngx_http_registry_health_no_token(health);
        return;
    }

    if (ngx_http_registry_health_ask(health) != NGX_OK) {
        ngx_http_registry_health_end(health,
                                     NGX_HTTP_REGISTRY_HEALTH_NO_ANSWER, 0);
    }
}


static void
ngx_http_registry_health_token_ready(void *data, ngx_int_t rc)
{
    ngx_http_registry_health_t *health = data;

    if (rc == NGX_OK) {
        ngx_http_registry_health_token(health);
        return;
    }

    ngx_http_registry_health_no_token(health);
}


/* between two tokens that are refused there is none, but that is not why */

static void
ngx_http_registry_health_no_token(ngx_http_registry_health_t *health)
{
    ngx_http_registry_health_end(health,
                  ngx_http_registry_token_useless(health->conf->account)
                  ? NGX_HTTP_REGISTRY_HEALTH_REFUSED
                  : NGX_HTTP_REGISTRY_HEALTH_NO_TOKEN, 0);
}


/* the URL as requests have it; NGX_ERROR: it cannot be asked */

static ngx_int_t
ngx_http_registry_health_url(ngx_http_registry_health_t *health,
    ngx_http_registry_curl_t *curl)
{
    reg_buf_t                      out;
    reg_str_t                      text, container;
    reg_arena_t                    arena;
    ngx_str_t                     *name, address;
    ngx_http_registry_loc_conf_t  *conf;

    conf = health->conf;
    address = ngx_http_registry_servers_address(health->conf,
                                                health->server);

    arena.alloc = ngx_http_registry_alloc;
    arena.ctx = health->pool;

    name = (conf->ssl && conf->ssl_name.len) ? &conf->ssl_name : &conf->host;

    reg_buf_init(&out, &arena, 512);
    reg_buf_text(&out, conf->ssl ? "https://" : "http://");

    if (ngx_strncmp(name->data, "unix:", 5) == 0) {
        reg_buf_text(&out, "localhost");

    } else {
        reg_buf_add_str(&out, name);
    }

    container.len = conf->container.len;
    container.data = conf->container.data;

    reg_buf_add_str(&out, &health->storage);
    reg_buf_char(&out, '/');
    reg_buf_escape(&out, &container, 0);
    reg_buf_char(&out, '\0');

    text = reg_buf_str(&out);
    if (text.data == NULL) {
        return NGX_ERROR;
    }

    curl->url.data = text.data;
    curl->url.len = text.len - 1;

    if (address.len == 0) {
        return NGX_OK;
    }

    curl->connect.data = ngx_pnalloc(health->pool, address.len + 1);
    if (curl->connect.data == NULL) {
        return NGX_ERROR;
    }

    curl->connect.len = address.len;
    (void) ngx_cpystrn(curl->connect.data, address.data, address.len + 1);

    return NGX_OK;
}


static ngx_int_t
ngx_http_registry_health_ask(ngx_http_registry_health_t *health)
{
    ngx_http_registry_curl_t      *curl;
    ngx_http_registry_loc_conf_t  *conf;

    conf = health->conf;

    curl = ngx_http_registry_curl_create();
    if (curl == NULL) {
        return NGX_ERROR;
    }

    health->curl = curl;

    curl->head = 1;
    curl->timeout = NGX_HTTP_REGISTRY_HEALTH_TIMEOUT;
    curl->trusted = conf->ssl_trusted;
    curl->insecure = !conf->ssl_verify;
    curl->data = health;
    curl->done = ngx_http_registry_health_answered;

    if (ngx_http_registry_health_url(health, curl) != NGX_OK
        || ngx_http_registry_curl_header(curl, "Host", &conf->host_told)
           != NGX_OK
        || ngx_http_registry_curl_header(curl, REG_SWIFT_TOKEN,
                                         &health->token)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_registry_curl_start(curl);
}


static void
ngx_http_registry_health_answered(void *data)
{
    ngx_http_registry_health_t *health = data;

    ngx_uint_t                          status;
    ngx_http_registry_health_why_t      why;
    ngx_http_registry_health_shared_t  *sh;

    sh = health->zone->data;
    status = (health->curl->error || health->curl->why)
             ? 0 : health->curl->status;

    if (status == 0) {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "registry: no answer to the check of container \"%V\":"
                      " %s", &health->conf->container,
                      health->curl->why ? health->curl->why
                      : health->curl->error ? health->curl->error
                      : "no status");
    }

    ngx_http_registry_curl_free(health->curl);
    health->curl = NULL;

    if (status == NGX_HTTP_UNAUTHORIZED) {
        ngx_http_registry_token_refused(health->conf->account,
                                        &health->token);

        if (!health->renewed) {
            health->renewed = 1;
            ngx_http_registry_health_token(health);
            return;
        }
    }

    if ((status == 0 || status >= 500)
        && health->server + 1 < ngx_http_registry_servers_count(health->conf))
    {
        health->server++;

        if (ngx_http_registry_health_ask(health) == NGX_OK) {
            return;
        }
    }

    /* what is not there yet is created by the first request that needs it */

    if ((status >= 200 && status < 300)
        || (status == NGX_HTTP_NOT_FOUND && !sh->seen))
    {
        why = NGX_HTTP_REGISTRY_HEALTH_OK;

    } else if (status == 0) {
        why = NGX_HTTP_REGISTRY_HEALTH_NO_ANSWER;

    } else if (status == NGX_HTTP_UNAUTHORIZED
               || status == NGX_HTTP_FORBIDDEN)
    {
        why = NGX_HTTP_REGISTRY_HEALTH_REFUSED;

    } else if (status == NGX_HTTP_NOT_FOUND) {
        why = NGX_HTTP_REGISTRY_HEALTH_MISSING;

    } else {
        why = NGX_HTTP_REGISTRY_HEALTH_STATUS;
    }

    ngx_http_registry_health_end(health, why, status);
}


static void
ngx_http_registry_health_end(ngx_http_registry_health_t *health,
    ngx_http_registry_health_why_t why, ngx_uint_t status)
{
    ngx_uint_t                          before, after;
    ngx_slab_pool_t                    *shpool;
    ngx_http_registry_health_shared_t  *sh;

    ngx_http_registry_health_abandon(health);

    sh = health->zone->data;
    shpool = (ngx_slab_pool_t *) health->zone->shm.addr;

    ngx_shmtx_lock(&shpool->mutex);

    before = sh->failures;

    if (why == NGX_HTTP_REGISTRY_HEALTH_OK) {
        sh->failures = 0;
        sh->passed++;

        if (status != NGX_HTTP_NOT_FOUND) {
            sh->unmade = 0;
        }

    } else {
        sh->failures++;
        sh->failed++;
    }

    after = sh->failures;

    sh->why = why;
    sh->status = status;
    sh->checked = ngx_time();

    if (sh->owner == ngx_pid) {
        sh->owner = 0;
    }

    ngx_shmtx_unlock(&shpool->mutex);

    if (after > before || before >= health->threshold) {
        ngx_http_registry_health_log(health, why, status, after);
    }
}


static void
ngx_http_registry_health_log(ngx_http_registry_health_t *health,
    ngx_http_registry_health_why_t why, ngx_uint_t status,
    ngx_uint_t failures)
{
    ngx_str_t  *container;

    container = &health->conf->container;

    if (failures == 0) {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "registry: container \"%V\" is healthy again",
                      container);

    } else if (failures == health->threshold) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "registry: container \"%V\" is unhealthy: %s, status"
                      " %ui; writes and what is not in the cache are"
                      " answered with 503", container,
                      ngx_http_registry_health_texts[why], status);

    } else if (failures < health->threshold) {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "registry: a check of container \"%V\" failed: %s,"
                      " status %ui", container,
                      ngx_http_registry_health_texts[why], status);
    }
}


static void
ngx_http_registry_health_abandon(ngx_http_registry_health_t *health)
{
    ngx_http_registry_token_cancel(&health->wait);

    if (health->curl) {
        ngx_http_registry_curl_free(health->curl);
        health->curl = NULL;
    }

    if (health->pool) {
        ngx_destroy_pool(health->pool);
        health->pool = NULL;

        /* they were in it, and are compared with the next ones */

        ngx_str_null(&health->token);
        ngx_str_null(&health->storage);
    }
}


void
ngx_http_registry_health_container(ngx_http_registry_health_t *health,
    ngx_uint_t found)
{
    ngx_slab_pool_t                    *shpool;
    ngx_http_registry_health_shared_t  *sh;

    if (health == NULL) {
        return;
    }

    sh = health->zone->data;
    shpool = (ngx_slab_pool_t *) health->zone->shm.addr;

    ngx_shmtx_lock(&shpool->mutex);

    sh->seen |= found;
    sh->unmade = !found;

    ngx_shmtx_unlock(&shpool->mutex);
}


ngx_uint_t
ngx_http_registry_healthy(ngx_http_registry_health_t *health)
{
    ngx_http_registry_health_shared_t  *sh;

    if (health == NULL) {
        return 1;
    }

    sh = health->zone->data;

    return sh->failures < health->threshold;
}


void
ngx_http_registry_health_state(ngx_http_registry_health_t *health,
    ngx_http_registry_health_state_t *state)
{
    ngx_slab_pool_t                    *shpool;
    ngx_http_registry_health_shared_t  *sh;

    sh = health->zone->data;
    shpool = (ngx_slab_pool_t *) health->zone->shm.addr;

    ngx_shmtx_lock(&shpool->mutex);

    state->healthy = (sh->failures < health->threshold && !sh->unmade);
    state->passed = sh->passed;
    state->failed = sh->failed;
    state->why = sh->unmade ? "the container cannot be created"
                            : ngx_http_registry_health_texts[sh->why];
    state->status = sh->status;
    state->checked = sh->checked;

    ngx_shmtx_unlock(&shpool->mutex);

    state->container = health->conf->container;
    state->user = health->conf->account->user;
    state->upstream = health->conf->host;
}
