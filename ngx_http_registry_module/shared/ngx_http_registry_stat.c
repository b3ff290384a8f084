/*
 * Counting.
 */

#include "ngx_http_registry_stat.h"


#define NGX_HTTP_REGISTRY_STAT_MAGIC  0x52535431


static ngx_int_t ngx_http_registry_stat_init(ngx_shm_zone_t *zone,
    void *data);


/* of this process; NULL as long as there is no zone */
ngx_http_registry_stat_t  *ngx_http_registry_stat;


const ngx_msec_t
ngx_http_registry_stat_limits[NGX_HTTP_REGISTRY_STAT_BUCKETS] = {
    1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 60000
};


/* 0: there was none; the place behind the last is for all others */
static const ngx_uint_t  ngx_http_registry_stat_codes[] = {
    0, 200, 201, 202, 204, 206, 301, 304, 307, 308,
    400, 401, 403, 404, 405, 408, 409, 411, 412, 413, 414, 416, 429, 431,
    499, 500, 502, 503, 504
};

static const char  *ngx_http_registry_stat_texts[] = {
    "none", "200", "201", "202", "204", "206", "301", "304", "307", "308",
    "400", "401", "403", "404", "405", "408", "409", "411", "412", "413",
    "414", "416", "429", "431", "499", "500", "502", "503", "504", "other"
};

#define NGX_HTTP_REGISTRY_STAT_CODES                                          \
    (sizeof(ngx_http_registry_stat_codes)                                     \
     / sizeof(ngx_http_registry_stat_codes[0]))


/* its address tells our zone from those of others */
static ngx_uint_t  ngx_http_registry_stat_tag;


ngx_int_t
ngx_http_registry_stat_zone(ngx_conf_t *cf)
{
    size_t           size;
    ngx_str_t        name = ngx_string("registry_stat");
    ngx_shm_zone_t  *zone;

    size = ngx_align(sizeof(ngx_http_registry_stat_t), ngx_pagesize)
           + 16 * ngx_pagesize;

    zone = ngx_shared_memory_add(cf, &name, size,
                                 &ngx_http_registry_stat_tag);
    if (zone == NULL) {
        return NGX_ERROR;
    }

    zone->init = ngx_http_registry_stat_init;

    return NGX_OK;
}


static ngx_int_t
ngx_http_registry_stat_init(ngx_shm_zone_t *zone, void *data)
{
    ngx_slab_pool_t           *slab;
    ngx_http_registry_stat_t  *stat;

    slab = (ngx_slab_pool_t *) zone->shm.addr;
    stat = data ? data : slab->data;

    if (stat == NULL || stat->magic != NGX_HTTP_REGISTRY_STAT_MAGIC) {

        stat = ngx_slab_calloc(slab, sizeof(ngx_http_registry_stat_t));
        if (stat == NULL) {
            return NGX_ERROR;
        }

        stat->magic = NGX_HTTP_REGISTRY_STAT_MAGIC;
        stat->since = ngx_time();
        slab->data = stat;
    }

    zone->data = stat;
    ngx_http_registry_stat = stat;

    return NGX_OK;
}


void
ngx_http_registry_stat_init_worker(void)
{
    ngx_http_registry_running_t  *running;

    if (ngx_http_registry_stat) {
        running = &ngx_http_registry_stat->running[ngx_process_slot];

        ngx_memzero((void *) running, sizeof(ngx_http_registry_running_t));
        running->pid = ngx_pid;
    }
}


const char *
ngx_http_registry_stat_status(ngx_uint_t n)
{
    return n <= NGX_HTTP_REGISTRY_STAT_CODES
           ? ngx_http_registry_stat_texts[n] : NULL;
}


static ngx_uint_t
ngx_http_registry_stat_code(ngx_uint_t status)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_REGISTRY_STAT_CODES; i++) {
        if (ngx_http_registry_stat_codes[i] == status) {
            break;
        }
    }

    return i;
}


static void
ngx_http_registry_stat_time(ngx_http_registry_histogram_t *h, ngx_msec_t ms)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_REGISTRY_STAT_BUCKETS; i++) {
        if (ms <= ngx_http_registry_stat_limits[i]) {
            break;
        }
    }

    (void) ngx_atomic_fetch_add(&h->buckets[i], 1);
    (void) ngx_atomic_fetch_add(&h->sum, ms);
}


void
ngx_http_registry_count_request(reg_route_kind_t kind, reg_method_t method,
    ngx_uint_t status, ngx_msec_t ms, off_t in, off_t out)
{
    ngx_http_registry_asked_t  *asked;

    if (ngx_http_registry_stat == NULL) {
        return;
    }

    asked = &ngx_http_registry_stat->asked[kind][method];

    (void) ngx_atomic_fetch_add(
               &asked->statuses[ngx_http_registry_stat_code(status)], 1);
    (void) ngx_atomic_fetch_add(&asked->in, in);
    (void) ngx_atomic_fetch_add(&asked->out, out);

    ngx_http_registry_stat_time(&asked->time, ms);
}


static ngx_http_registry_action_t
ngx_http_registry_stat_action(const reg_call_t *call, ngx_uint_t pass)
{
    if (call->on_container) {
        return call->method == REG_GET ? NGX_HTTP_REGISTRY_LIST
                                       : NGX_HTTP_REGISTRY_STAT;
    }

    switch (call->method) {

    case REG_GET:
        return (pass || call->sink) ? NGX_HTTP_REGISTRY_READER
                                    : NGX_HTTP_REGISTRY_GET_CONTENT;
    case REG_HEAD:
        return NGX_HTTP_REGISTRY_STAT;

    case REG_DELETE:
        return NGX_HTTP_REGISTRY_DELETE;

    case REG_COPY:
        return NGX_HTTP_REGISTRY_MOVE;

    default:
        return call->feed ? NGX_HTTP_REGISTRY_WRITER
               : call->body.len ? NGX_HTTP_REGISTRY_PUT_CONTENT
               : call->headers.len ? NGX_HTTP_REGISTRY_MOVE
               : NGX_HTTP_REGISTRY_PUT_CONTENT;
    }
}


void
ngx_http_registry_count_call(const reg_call_t *call, ngx_uint_t pass,
    ngx_msec_t ms)
{
    ngx_http_registry_done_t  *done;

    if (ngx_http_registry_stat == NULL) {
        return;
    }

    done = &ngx_http_registry_stat->done[
                                    ngx_http_registry_stat_action(call, pass)];

    (void) ngx_atomic_fetch_add(
        &done->statuses[ngx_http_registry_stat_code(call->reply.status)], 1);

    ngx_http_registry_stat_time(&done->time, ms);
}


void
ngx_http_registry_count_running(reg_route_kind_t kind, ngx_int_t n)
{
    ngx_http_registry_running_t  *running;

    if (ngx_http_registry_stat) {
        running = &ngx_http_registry_stat->running[ngx_process_slot];

        (void) ngx_atomic_fetch_add(&running->kinds[kind], n);
    }
}


int64_t
ngx_http_registry_stat_running(reg_route_kind_t kind)
{
    int64_t                       n;
    ngx_uint_t                    i;
    ngx_http_registry_running_t  *running;

    n = 0;

    for (i = 0; i < NGX_MAX_PROCESSES; i++) {
        running = &ngx_http_registry_stat->running[i];

        if (running->kinds[kind]
            && (kill(running->pid, 0) == 0 || ngx_errno != NGX_ESRCH))
        {
            n += (int64_t) running->kinds[kind];
        }
    }

    return n;
}
