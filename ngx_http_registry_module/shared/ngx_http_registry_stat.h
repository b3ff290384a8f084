/*
 * Counters of all workers in shared memory: what was asked, what the storage
 * did, what the cache saved.  Counting never fails and allocates nothing.
 */

#ifndef _NGX_HTTP_REGISTRY_STAT_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_STAT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ops/reg_flow.h"


#define NGX_HTTP_REGISTRY_STAT_KINDS     (REG_ROUTE_NONE + 1)
#define NGX_HTTP_REGISTRY_STAT_METHODS   (REG_OTHER + 1)
#define NGX_HTTP_REGISTRY_STAT_BUCKETS   14
#define NGX_HTTP_REGISTRY_STAT_STATUSES  32


/* what a storage call does, by the names of registry:2 */
typedef enum {
    NGX_HTTP_REGISTRY_GET_CONTENT = 0,
    NGX_HTTP_REGISTRY_PUT_CONTENT,
    NGX_HTTP_REGISTRY_READER,
    NGX_HTTP_REGISTRY_WRITER,
    NGX_HTTP_REGISTRY_STAT,
    NGX_HTTP_REGISTRY_LIST,
    NGX_HTTP_REGISTRY_MOVE,
    NGX_HTTP_REGISTRY_DELETE,
    NGX_HTTP_REGISTRY_ACTIONS
} ngx_http_registry_action_t;


typedef enum {
    NGX_HTTP_REGISTRY_HIT = 0,
    NGX_HTTP_REGISTRY_MISS,
    NGX_HTTP_REGISTRY_STALE,
    NGX_HTTP_REGISTRY_SHARED,           /* waited for another's call */
    NGX_HTTP_REGISTRY_OUTCOMES
} ngx_http_registry_outcome_t;


typedef enum {
    NGX_HTTP_REGISTRY_LINK = 0,
    NGX_HTTP_REGISTRY_DATA,
    NGX_HTTP_REGISTRY_BLOB,             /* a slice of it, on disk */
    NGX_HTTP_REGISTRY_CACHED
} ngx_http_registry_cached_t;


typedef enum {
    NGX_HTTP_REGISTRY_RENEWALS = 0,     /* calls made again with a new token */
    NGX_HTTP_REGISTRY_TOKENS,
    NGX_HTTP_REGISTRY_TOKEN_FAILURES,
    NGX_HTTP_REGISTRY_MISMATCHES,       /* of a blob's bytes and digest */
    NGX_HTTP_REGISTRY_COUNTERS
} ngx_http_registry_counter_t;


/* the last bucket has no upper limit; milliseconds */
typedef struct {
    ngx_atomic_t    buckets[NGX_HTTP_REGISTRY_STAT_BUCKETS + 1];
    ngx_atomic_t    sum;
} ngx_http_registry_histogram_t;


typedef struct {
    ngx_atomic_t                   statuses[NGX_HTTP_REGISTRY_STAT_STATUSES];
    ngx_http_registry_histogram_t  time;
    ngx_atomic_t                   in;          /* bytes */
    ngx_atomic_t                   out;
} ngx_http_registry_asked_t;


typedef struct {
    ngx_atomic_t                   statuses[NGX_HTTP_REGISTRY_STAT_STATUSES];
    ngx_http_registry_histogram_t  time;
} ngx_http_registry_done_t;


typedef struct {
    ngx_pid_t                      pid;
    ngx_atomic_t                   kinds[NGX_HTTP_REGISTRY_STAT_KINDS];
} ngx_http_registry_running_t;


typedef struct {
    ngx_uint_t                     magic;
    time_t                         since;

    ngx_http_registry_asked_t      asked[NGX_HTTP_REGISTRY_STAT_KINDS]
                                        [NGX_HTTP_REGISTRY_STAT_METHODS];
    ngx_http_registry_done_t       done[NGX_HTTP_REGISTRY_ACTIONS];
    ngx_atomic_t                   cache[NGX_HTTP_REGISTRY_CACHED]
                                        [NGX_HTTP_REGISTRY_OUTCOMES];
    ngx_atomic_t                   errors[REG_E_LAST];
    ngx_atomic_t                   counters[NGX_HTTP_REGISTRY_COUNTERS];

    /* of each process, so that one that is killed takes its own along */
    ngx_http_registry_running_t    running[NGX_MAX_PROCESSES];
} ngx_http_registry_stat_t;


extern ngx_http_registry_stat_t  *ngx_http_registry_stat;


/* once per configuration; the counts survive a reload */
ngx_int_t ngx_http_registry_stat_zone(ngx_conf_t *cf);

/* for init_process */
void ngx_http_registry_stat_init_worker(void);

#define ngx_http_registry_count(what)                                         \
    if (ngx_http_registry_stat) {                                             \
        (void) ngx_atomic_fetch_add(&ngx_http_registry_stat->what, 1);        \
    }

void ngx_http_registry_count_request(reg_route_kind_t kind,
    reg_method_t method, ngx_uint_t status, ngx_msec_t ms, off_t in,
    off_t out);
void ngx_http_registry_count_call(const reg_call_t *call, ngx_uint_t pass,
    ngx_msec_t ms);
void ngx_http_registry_count_running(reg_route_kind_t kind, ngx_int_t n);

/* the requests of all processes that are alive */
int64_t ngx_http_registry_stat_running(reg_route_kind_t kind);

/* "200"; "other" for the last of them; NULL: there are no more */
const char *ngx_http_registry_stat_status(ngx_uint_t n);

/* upper limits of the buckets in milliseconds */
extern const ngx_msec_t
    ngx_http_registry_stat_limits[NGX_HTTP_REGISTRY_STAT_BUCKETS];


#endif /* _NGX_HTTP_REGISTRY_STAT_H_INCLUDED_ */
