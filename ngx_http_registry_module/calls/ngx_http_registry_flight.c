/*
 * Calls that need not be made: the reply is in the cache, or another request
 * has just asked for the same.  Whoever asks first makes the call, the others
 * wait for its reply; when its client leaves, the next one makes it.
 *
 * Waiters of the caller's worker are handed the reply.  Those of other workers
 * look for it in the cache, every few milliseconds.
 *
 * What may change is told by a call as it was when the call began.  Nobody is
 * handed what was registry_cache_valid ago already when he asked.  If that is
 * 0, those who come while a call is under way wait for the next one together.
 */

#include "ngx_http_registry_flight.h"
#include "ops/reg_store.h"
#include "shared/ngx_http_registry_cache.h"
#include "shared/ngx_http_registry_stat.h"


#define NGX_HTTP_REGISTRY_FLIGHTS  256

/* milliseconds */
#define NGX_HTTP_REGISTRY_FLIGHT_POLL  3


typedef struct {
    ngx_queue_t                    queue;
    ngx_event_t                    event;
    ngx_http_request_t            *request;
    reg_call_t                    *call;
    ngx_http_registry_arrived_pt   arrived;
    unsigned                       queued:1;
    unsigned                       again:1;     /* the caller has left */
} ngx_http_registry_waiter_t;


struct ngx_http_registry_flight_s {
    ngx_queue_t                    queue;   /* of those with a like key */
    ngx_queue_t                    waiters;
    ngx_http_registry_cache_key_t  key;
    ngx_shm_zone_t                *zone;

    /* another worker makes the call */
    ngx_queue_t                    distant;

    unsigned                       ended:1;
    unsigned                       claimed:1;
};


static void ngx_http_registry_waiter_wake(ngx_event_t *ev);
static void ngx_http_registry_waiter_cleanup(void *data);
static void ngx_http_registry_flight_cleanup(void *data);
static void ngx_http_registry_flight_poll(ngx_event_t *ev);


/* of this worker */
static ngx_queue_t  ngx_http_registry_flights[NGX_HTTP_REGISTRY_FLIGHTS];
static ngx_queue_t  ngx_http_registry_distant;
static ngx_event_t  ngx_http_registry_flight_timer;


static ngx_queue_t *
ngx_http_registry_flight_bucket(ngx_http_registry_cache_key_t *key)
{
    ngx_queue_t  *q;

    q = &ngx_http_registry_flights[key->data[0]];

    if (q->next == NULL) {
        ngx_queue_init(q);
    }

    return q;
}


static ngx_int_t
ngx_http_registry_reply_copy(reg_reply_t *dst, const reg_reply_t *src,
    ngx_pool_t *pool)
{
    u_char     *p;
    ngx_uint_t  i;

    reg_str_t  *to[] = { &dst->body, &dst->etag, &dst->object_manifest,
                         &dst->content_range, &dst->trans_id,
                         &dst->meta_digest, &dst->vouched };

    *dst = *src;

    for (i = 0; i < sizeof(to) / sizeof(to[0]); i++) {

        p = ngx_pnalloc(pool, to[i]->len + 1);
        if (p == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(p, to[i]->data, to[i]->len);
        to[i]->data = p;
    }

    return NGX_OK;
}


static void
ngx_http_registry_outcome(const reg_call_t *call,
    ngx_http_registry_outcome_t outcome)
{
    ngx_http_registry_cached_t  kind;

    kind = (call->cache == REG_CACHE_DATA) ? NGX_HTTP_REGISTRY_DATA
                                           : NGX_HTTP_REGISTRY_LINK;

    ngx_http_registry_count(cache[kind][outcome]);
}


ngx_int_t
ngx_http_registry_flight_recall(ngx_http_request_t *r, reg_call_t *call)
{
    ngx_int_t                      rc;
    ngx_http_registry_loc_conf_t  *rlcf;
    ngx_http_registry_cache_key_t  key;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    call->stale = NULL;

    if (call->cache == REG_CACHE_NONE || rlcf->cache_zone == NULL) {
        return NGX_DECLINED;
    }

    ngx_http_registry_cache_key(rlcf->cache_zone, &key, &rlcf->container_id,
                                call);

    rc = ngx_http_registry_cache_fetch(rlcf->cache_zone, &key, &call->reply,
                                       r->pool);

    if (rc == NGX_OK) {
        ngx_http_registry_outcome(call, NGX_HTTP_REGISTRY_HIT);
    }

    if (rc != NGX_HTTP_REGISTRY_CACHE_STALE) {
        return rc;
    }

    if (rlcf->cache_use_stale && call->reply.status == NGX_HTTP_OK) {

        call->stale = ngx_palloc(r->pool, sizeof(reg_reply_t));
        if (call->stale == NULL) {
            return NGX_ERROR;
        }

        *call->stale = call->reply;
    }

    ngx_memzero(&call->reply, sizeof(reg_reply_t));
    call->reply.length = -1;

    return NGX_DECLINED;
}


/* the call began too long ago for who asked then */

static ngx_uint_t
ngx_http_registry_flight_late(ngx_http_registry_flight_t *flight,
    const reg_call_t *call, ngx_msec_t valid)
{
    ngx_msec_int_t  age;

    age = (ngx_msec_int_t) ((ngx_msec_t) call->asked - flight->key.began);

    return age > (ngx_msec_int_t) valid;
}


/* what is on its way must not be older than a change that is done */

static ngx_http_registry_flight_t *
ngx_http_registry_flight_find(ngx_http_registry_cache_key_t *key,
    const reg_call_t *call, ngx_msec_t valid)
{
    ngx_queue_t                 *q, *bucket;
    ngx_http_registry_flight_t  *flight;

    bucket = ngx_http_registry_flight_bucket(key);

    for (q = ngx_queue_head(bucket);
         q != ngx_queue_sentinel(bucket);
         q = ngx_queue_next(q))
    {
        flight = ngx_queue_data(q, ngx_http_registry_flight_t, queue);

        if (ngx_memcmp(flight->key.data, key->data, sizeof(key->data)) == 0
            && flight->key.changes == key->changes
            && (call->cache == REG_CACHE_DATA || valid == 0
                || !ngx_http_registry_flight_late(flight, call, valid)))
        {
            return flight;
        }
    }

    return NULL;
}


static ngx_int_t
ngx_http_registry_flight_own(ngx_http_request_t *r,
    ngx_http_registry_cache_key_t *key, ngx_uint_t claimed,
    ngx_http_registry_flight_t **own)
{
    ngx_pool_cleanup_t            *cln;
    ngx_http_registry_flight_t    *flight;
    ngx_http_registry_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_registry_flight_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    flight = cln->data;
    ngx_memzero(flight, sizeof(ngx_http_registry_flight_t));

    flight->key = *key;
    flight->zone = rlcf->cache_zone;
    flight->claimed = claimed;
    ngx_queue_init(&flight->waiters);
    ngx_queue_insert_tail(ngx_http_registry_flight_bucket(key),
                          &flight->queue);

    cln->handler = ngx_http_registry_flight_cleanup;
    *own = flight;

    return NGX_DECLINED;
}


/* it outlives each of those who wait: it is nobody's */

static ngx_http_registry_flight_t *
ngx_http_registry_flight_distant(ngx_http_request_t *r,
    ngx_http_registry_cache_key_t *key)
{
    ngx_event_t                   *timer = &ngx_http_registry_flight_timer;
    ngx_http_registry_flight_t    *flight;
    ngx_http_registry_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    flight = ngx_calloc(sizeof(ngx_http_registry_flight_t),
                        r->connection->log);
    if (flight == NULL) {
        return NULL;
    }

    flight->key = *key;
    flight->zone = rlcf->cache_zone;
    ngx_queue_init(&flight->waiters);
    ngx_queue_insert_tail(ngx_http_registry_flight_bucket(key),
                          &flight->queue);

    if (timer->handler == NULL) {
        ngx_queue_init(&ngx_http_registry_distant);
        timer->handler = ngx_http_registry_flight_poll;
        timer->data = timer;
        timer->log = ngx_cycle->log;
    }

    ngx_queue_insert_tail(&ngx_http_registry_distant, &flight->distant);

    if (!timer->timer_set) {
        ngx_add_timer(timer, NGX_HTTP_REGISTRY_FLIGHT_POLL);
    }

    return flight;
}


static ngx_int_t
ngx_http_registry_flight_wait(ngx_http_request_t *r, reg_call_t *call,
    ngx_http_registry_arrived_pt arrived, ngx_http_registry_flight_t *flight)
{
    ngx_pool_cleanup_t          *cln;
    ngx_http_registry_waiter_t  *w;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_registry_waiter_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    w = cln->data;
    ngx_memzero(w, sizeof(ngx_http_registry_waiter_t));

    w->request = r;
    w->call = call;
    w->arrived = arrived;
    w->event.handler = ngx_http_registry_waiter_wake;
    w->event.data = w;
    w->event.log = r->connection->log;
    w->queued = 1;

    ngx_queue_insert_tail(&flight->waiters, &w->queue);

    cln->handler = ngx_http_registry_waiter_cleanup;

    ngx_http_registry_outcome(call, NGX_HTTP_REGISTRY_SHARED);

    return NGX_OK;
}


ngx_int_t
ngx_http_registry_flight_join(ngx_http_request_t *r, reg_call_t *call,
    ngx_http_registry_arrived_pt arrived, ngx_http_registry_flight_t **own)
{
    ngx_int_t                      rc;
    ngx_http_registry_flight_t    *flight;
    ngx_http_registry_loc_conf_t  *rlcf;
    ngx_http_registry_cache_key_t  key;

    *own = NULL;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    if (call->cache == REG_CACHE_NONE || rlcf->cache_zone == NULL) {
        return NGX_DECLINED;
    }

    ngx_http_registry_cache_key(rlcf->cache_zone, &key, &rlcf->container_id,
                                call);

    if (call->asked == 0) {
        call->asked = key.began;
    }

    flight = ngx_http_registry_flight_find(&key, call, rlcf->cache_valid);

    if (flight) {
        return ngx_http_registry_flight_wait(r, call, arrived, flight);
    }

    /* what is not kept cannot be found by the other workers */

    rc = (call->cache == REG_CACHE_DATA || rlcf->cache_valid)
         ? ngx_http_registry_cache_claim(rlcf->cache_zone, &key)
         : NGX_DECLINED;

    if (rc == NGX_BUSY) {
        flight = ngx_http_registry_flight_distant(r, &key);

        return flight ? ngx_http_registry_flight_wait(r, call, arrived, flight)
                      : NGX_ERROR;
    }

    ngx_http_registry_outcome(call, NGX_HTTP_REGISTRY_MISS);

    return ngx_http_registry_flight_own(r, &key, rc == NGX_OK, own);
}


static void
ngx_http_registry_flight_unlink(ngx_http_registry_flight_t *flight)
{
    if (!flight->ended) {
        flight->ended = 1;
        ngx_queue_remove(&flight->queue);
    }
}


/* after the reply is kept, where other workers look for it */

static void
ngx_http_registry_flight_release(ngx_http_registry_flight_t *flight)
{
    if (flight->claimed) {
        flight->claimed = 0;
        ngx_http_registry_cache_release(flight->zone, &flight->key);
    }
}


/* each waiter asks anew: the first of them makes the call */

static void
ngx_http_registry_waiter_again(ngx_http_registry_waiter_t *w)
{
    ngx_queue_remove(&w->queue);
    w->queued = 0;
    w->again = 1;

    ngx_post_event(&w->event, &ngx_posted_events);
}


/* 1 when it is what may change; a storage that is away is no fact */

static ngx_uint_t
ngx_http_registry_flight_keep(ngx_http_registry_flight_t *flight,
    const reg_call_t *call, ngx_msec_t valid)
{
    reg_digest_t        d;
    const reg_reply_t  *reply = &call->reply;

    if (reply->status == NGX_HTTP_OK && call->cache == REG_CACHE_DATA) {

        reg_digest_of(&d, call->digest.alg, reply->body.data,
                      reply->body.len);

        if (reg_digest_equal(&d, &call->digest)) {
            ngx_http_registry_cache_store(flight->zone, &flight->key, reply,
                                          0);
            return 0;
        }

        return 1;
    }

    if (reply->status != NGX_HTTP_OK && reply->status != NGX_HTTP_NOT_FOUND) {
        return 0;
    }

    if (valid && !reg_call_no_container(call)) {
        ngx_http_registry_cache_store(flight->zone, &flight->key, reply,
                                      valid);
    }

    return 1;
}


void
ngx_http_registry_flight_end(ngx_http_request_t *r, reg_call_t *call,
    ngx_http_registry_flight_t *flight)
{
    ngx_uint_t                     fact;
    ngx_queue_t                   *q;
    ngx_http_registry_waiter_t    *w;
    ngx_http_registry_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    ngx_http_registry_flight_unlink(flight);

    fact = ngx_http_registry_flight_keep(flight, call, rlcf->cache_valid);

    ngx_http_registry_flight_release(flight);

    while (!ngx_queue_empty(&flight->waiters)) {

        q = ngx_queue_head(&flight->waiters);
        w = ngx_queue_data(q, ngx_http_registry_waiter_t, queue);

        if (fact && ngx_http_registry_flight_late(flight, w->call,
                                                  rlcf->cache_valid))
        {
            ngx_http_registry_waiter_again(w);
            continue;
        }

        ngx_queue_remove(q);
        w->queued = 0;

        if (ngx_http_registry_reply_copy(&w->call->reply, &call->reply,
                                         w->request->pool)
            != NGX_OK)
        {
            ngx_memzero(&w->call->reply, sizeof(reg_reply_t));
        }

        ngx_post_event(&w->event, &ngx_posted_events);
    }
}


/* from the event loop: the waiter's own connection runs now, no other */

static void
ngx_http_registry_waiter_wake(ngx_event_t *ev)
{
    ngx_connection_t            *c;
    ngx_http_registry_waiter_t  *w = ev->data;

    c = w->request->connection;

    w->arrived(w->request, w->again ? w->call : NULL);

    ngx_http_run_posted_requests(c);
}


static void
ngx_http_registry_waiter_cleanup(void *data)
{
    ngx_http_registry_waiter_t  *w = data;

    if (w->queued) {
        ngx_queue_remove(&w->queue);
    }

    if (w->event.posted) {
        ngx_delete_posted_event(&w->event);
    }
}


static void
ngx_http_registry_flight_again(ngx_http_registry_flight_t *flight)
{
    ngx_queue_t  *q;

    while (!ngx_queue_empty(&flight->waiters)) {
        q = ngx_queue_head(&flight->waiters);
        ngx_http_registry_waiter_again(
                     ngx_queue_data(q, ngx_http_registry_waiter_t, queue));
    }
}


/* the request is gone before its reply came */

static void
ngx_http_registry_flight_cleanup(void *data)
{
    ngx_http_registry_flight_t  *flight = data;

    ngx_http_registry_flight_unlink(flight);
    ngx_http_registry_flight_release(flight);
    ngx_http_registry_flight_again(flight);
}


/* 1 when nobody waits any more */

static ngx_uint_t
ngx_http_registry_flight_look(ngx_http_registry_flight_t *flight)
{
    ngx_queue_t                   *q;
    ngx_http_registry_waiter_t    *w;
    ngx_http_registry_cache_key_t  key;

    key = flight->key;

    while (!ngx_queue_empty(&flight->waiters)) {

        q = ngx_queue_head(&flight->waiters);
        w = ngx_queue_data(q, ngx_http_registry_waiter_t, queue);
        key.began = (ngx_msec_t) w->call->asked;

        if (ngx_http_registry_cache_fetch(flight->zone, &key,
                                          &w->call->reply, w->request->pool)
            != NGX_OK)
        {
            ngx_memzero(&w->call->reply, sizeof(reg_reply_t));
            w->call->reply.length = -1;

            if (ngx_http_registry_cache_claimed(flight->zone, &flight->key)) {
                return 0;
            }

            /* it failed, or was overtaken by a change */

            ngx_http_registry_flight_unlink(flight);
            ngx_http_registry_flight_again(flight);
            return 1;
        }

        ngx_queue_remove(q);
        w->queued = 0;
        ngx_post_event(&w->event, &ngx_posted_events);
    }

    return 1;
}


static void
ngx_http_registry_flight_poll(ngx_event_t *ev)
{
    ngx_queue_t                 *q, *next, *all;
    ngx_http_registry_flight_t  *flight;

    all = &ngx_http_registry_distant;

    for (q = ngx_queue_head(all); q != ngx_queue_sentinel(all); q = next) {

        next = ngx_queue_next(q);
        flight = ngx_queue_data(q, ngx_http_registry_flight_t, distant);

        if (ngx_http_registry_flight_look(flight)) {
            ngx_queue_remove(q);
            ngx_http_registry_flight_unlink(flight);
            ngx_free(flight);
        }
    }

    if (!ngx_queue_empty(all)) {
        ngx_add_timer(ev, NGX_HTTP_REGISTRY_FLIGHT_POLL);
    }
}


void
ngx_http_registry_flight_changed(ngx_http_request_t *r, const reg_call_t *call)
{
    ngx_http_registry_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);

    if (call->on_container || rlcf->cache_zone == NULL) {
        return;
    }

    /*
     * What a write has only looked at goes, too: it may say that it is done
     * since another node has done it, which the cache does not know.
     */

    if ((call->method == REG_GET || call->method == REG_HEAD)
        && (r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD)))
    {
        return;
    }

    ngx_http_registry_cache_purge(rlcf->cache_zone, &rlcf->container_id,
                                  &call->object);
}
