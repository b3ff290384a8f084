/*
 * nginx's own lock of a file that is to come, with two things more.
 *
 * It ends with its owner: nginx would wait for a worker that was killed, or
 * has exited, until the lock is as old as the longest fetch may take.  So its
 * age is short, and while a worker fetches it moves the end ahead.
 *
 * And it is looked at more often: nginx looks twice a second whether a file
 * has come.
 */

#include "ngx_http_registry_slice_lock.h"


#if (NGX_HTTP_CACHE)

/* milliseconds */
#define NGX_HTTP_REGISTRY_LOCK_POLL   10
#define NGX_HTTP_REGISTRY_LOCK_RENEW  250


static void ngx_http_registry_slice_lock_poll(ngx_event_t *ev);


/* of this worker: those that wait, and those that fetch */
static ngx_queue_t  ngx_http_registry_slice_locks;
static ngx_event_t  ngx_http_registry_slice_lock_timer;


static void
ngx_http_registry_slice_lock_at(ngx_msec_t ms)
{
    ngx_event_t  *timer = &ngx_http_registry_slice_lock_timer;

    /* an earlier end would be taken for the same by ngx_add_timer() */

    if (timer->timer_set) {
        ngx_del_timer(timer);
    }

    ngx_add_timer(timer, ms);
}


ngx_uint_t
ngx_http_registry_slice_lock(ngx_http_registry_slice_lock_t *lock,
    ngx_http_request_t *r)
{
    ngx_event_t       *timer = &ngx_http_registry_slice_lock_timer;
    ngx_http_cache_t  *c;

    c = r->cache;

    if (c == NULL || (!c->waiting && !c->updating)) {
        return 0;
    }

    /*
     * Not cancelable: a worker that is to exit does not while it has a lock,
     * though what it waits for, a thread, sets no timer.
     */

    if (timer->handler == NULL) {
        ngx_queue_init(&ngx_http_registry_slice_locks);

        timer->handler = ngx_http_registry_slice_lock_poll;
        timer->data = timer;
        timer->log = ngx_cycle->log;
    }

    lock->request = r;
    lock->queued = 1;
    ngx_queue_insert_tail(&ngx_http_registry_slice_locks, &lock->queue);

    if (c->waiting) {
        ngx_http_registry_slice_lock_at(NGX_HTTP_REGISTRY_LOCK_POLL);

    } else if (!timer->timer_set) {
        ngx_http_registry_slice_lock_at(NGX_HTTP_REGISTRY_LOCK_RENEW);
    }

    return c->waiting;
}


void
ngx_http_registry_slice_unlock(ngx_http_registry_slice_lock_t *lock)
{
    if (lock->queued) {
        ngx_queue_remove(&lock->queue);
        lock->queued = 0;
    }
}


void
ngx_http_registry_slice_locks_look(void)
{
    if (ngx_http_registry_slice_lock_timer.timer_set) {
        ngx_del_timer(&ngx_http_registry_slice_lock_timer);
        ngx_http_registry_slice_lock_poll(&ngx_http_registry_slice_lock_timer);
    }
}


/* the same end in the request, by which nginx knows whose the lock is */

static void
ngx_http_registry_slice_lock_renew(ngx_http_cache_t *c)
{
    ngx_msec_t  end;

    end = ngx_current_msec + NGX_HTTP_REGISTRY_LOCK_AGE;

    if ((ngx_msec_int_t) (end - c->lock_time) < NGX_HTTP_REGISTRY_LOCK_RENEW) {
        return;
    }

    ngx_shmtx_lock(&c->file_cache->shpool->mutex);

    if (c->node->updating && c->node->lock_time == c->lock_time) {
        c->node->lock_time = end;
        c->lock_time = end;
    }

    ngx_shmtx_unlock(&c->file_cache->shpool->mutex);
}


static void
ngx_http_registry_slice_lock_poll(ngx_event_t *ev)
{
    ngx_msec_t                       next;
    ngx_queue_t                     *q, *following, *all;
    ngx_http_cache_t                *c;
    ngx_http_registry_slice_lock_t  *lock;

    next = NGX_HTTP_REGISTRY_LOCK_RENEW;
    all = &ngx_http_registry_slice_locks;

    for (q = ngx_queue_head(all); q != ngx_queue_sentinel(all); q = following) {

        following = ngx_queue_next(q);
        lock = ngx_queue_data(q, ngx_http_registry_slice_lock_t, queue);
        c = lock->request->cache;

        if (c->waiting) {
            next = NGX_HTTP_REGISTRY_LOCK_POLL;

            /* nginx's own look, only sooner; from the event loop */

            if (c->wait_event.timer_set && !c->wait_event.posted) {
                ngx_del_timer(&c->wait_event);
                ngx_post_event(&c->wait_event, &ngx_posted_events);
            }

        } else if (c->updating) {
            ngx_http_registry_slice_lock_renew(c);

        } else {
            ngx_http_registry_slice_unlock(lock);
        }
    }

    if (!ngx_queue_empty(all)) {
        ngx_add_timer(ev, next);
    }
}

#endif
