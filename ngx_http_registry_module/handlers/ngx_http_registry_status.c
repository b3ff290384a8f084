/*
 * "registry_status": the counters as Prometheus text or as JSON.  One walk
 * over them, two ways to write a sample.
 */

#include "ngx_http_registry_status.h"
#include "base/ngx_http_registry_util.h"
#include "shared/ngx_http_registry_stat.h"
#include "client/ngx_http_registry_body.h"
#include "storage/ngx_http_registry_health.h"


typedef struct {
    const char                *name;
    const char                *value;
} ngx_http_registry_label_t;


typedef struct {
    reg_buf_t                  out;
    ngx_uint_t                 json;
    ngx_uint_t                 samples;         /* of the family */
    const char                *family;
    ngx_http_registry_label_t  labels[4];
    ngx_http_registry_stat_t  *stat;
    ngx_array_t               *checks;
} ngx_http_registry_page_t;


static ngx_int_t ngx_http_registry_status_send(ngx_http_request_t *r,
    ngx_http_registry_page_t *page, ngx_uint_t status);
static void ngx_http_registry_status_requests(ngx_http_registry_page_t *page);
static void ngx_http_registry_status_storage(ngx_http_registry_page_t *page);
static void ngx_http_registry_status_rest(ngx_http_registry_page_t *page);
static ngx_int_t ngx_http_registry_status_zones(ngx_http_registry_page_t *page,
    ngx_pool_t *pool);
static void ngx_http_registry_status_checks(ngx_http_registry_page_t *page);
static ngx_uint_t ngx_http_registry_status_health(
    ngx_http_registry_page_t *page);


/* as registry:2 calls its handlers */

static const char  *ngx_http_registry_handlers[] = {
    [REG_ROUTE_PING] = "base",
    [REG_ROUTE_CATALOG] = "catalog",
    [REG_ROUTE_TAGS] = "tags",
    [REG_ROUTE_MANIFEST] = "manifest",
    [REG_ROUTE_REFERRERS] = "referrers",
    [REG_ROUTE_BLOB] = "blob",
    [REG_ROUTE_UPLOADS] = "blob_upload",
    [REG_ROUTE_UPLOAD] = "blob_upload_chunk",
    [REG_ROUTE_NONE] = "none"
};

static const char  *ngx_http_registry_methods[] = {
    "get", "head", "put", "post", "patch", "delete", "copy", "other"
};

static const char  *ngx_http_registry_actions[] = {
    "GetContent", "PutContent", "Reader", "Writer", "Stat", "List", "Move",
    "Delete"
};

static const char  *ngx_http_registry_cached[] = { "link", "data", "blob" };

static const char  *ngx_http_registry_outcomes[] = {
    "hit", "miss", "stale", "shared"
};


ngx_int_t
ngx_http_registry_status_handler(ngx_http_request_t *r)
{
    ngx_int_t                       rc;
    ngx_uint_t                      status;
    reg_arena_t                     arena;
    ngx_http_registry_page_t        page;
    ngx_http_registry_loc_conf_t   *rlcf;
    ngx_http_registry_main_conf_t  *rmcf;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_registry_body_discard(r);

    if (rc != NGX_OK) {
        return rc;
    }

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_registry_module);
    rmcf = ngx_http_get_module_main_conf(r, ngx_http_registry_module);

    arena.alloc = ngx_http_registry_alloc;
    arena.ctx = r->pool;

    ngx_memzero(&page, sizeof(ngx_http_registry_page_t));

    page.json = (rlcf->status != NGX_HTTP_REGISTRY_PROMETHEUS);
    page.stat = ngx_http_registry_stat;
    page.checks = &rmcf->checks;

    if (page.stat == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    status = NGX_HTTP_OK;
    reg_buf_init(&page.out, &arena, 32 * 1024);

    if (rlcf->status == NGX_HTTP_REGISTRY_HEALTH) {
        status = ngx_http_registry_status_health(&page);

    } else {
        reg_buf_text(&page.out, page.json ? "{" : "");

        ngx_http_registry_status_requests(&page);
        ngx_http_registry_status_storage(&page);
        ngx_http_registry_status_rest(&page);

        if (ngx_http_registry_status_zones(&page, r->pool) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ngx_http_registry_status_checks(&page);

        reg_buf_text(&page.out, page.json ? "\n]}\n}\n" : "");
    }

    return ngx_http_registry_status_send(r, &page, status);
}


static ngx_int_t
ngx_http_registry_status_send(ngx_http_request_t *r,
    ngx_http_registry_page_t *page, ngx_uint_t status)
{
    reg_str_t         text;
    ngx_int_t         rc;
    ngx_buf_t        *b;
    ngx_chain_t       out;
    ngx_table_elt_t  *h;

    text = reg_buf_str(&page->out);

    b = ngx_calloc_buf(r->pool);
    h = ngx_list_push(&r->headers_out.headers);

    if (b == NULL || h == NULL || text.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = 1;
    ngx_str_set(&h->key, "Cache-Control");
    ngx_str_set(&h->value, "no-store");

    if (page->json) {
        ngx_str_set(&r->headers_out.content_type, "application/json");

    } else {
        ngx_str_set(&r->headers_out.content_type,
                    "text/plain; version=0.0.4");
    }

    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.status = status;
    r->headers_out.content_length_n = text.len;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b->memory = 1;
    b->pos = text.data;
    b->last = text.data + text.len;
    b->last_buf = 1;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


static void
ngx_http_registry_family(ngx_http_registry_page_t *page, const char *name,
    const char *type, const char *help)
{
    reg_buf_t  *out = &page->out;

    if (page->json) {
        reg_buf_text(out, page->family ? "\n]},\n\"" : "\n\"");
        reg_buf_text(out, name);
        reg_buf_text(out, "\": {\"type\": \"");
        reg_buf_text(out, type);
        reg_buf_text(out, "\", \"help\": \"");
        reg_buf_text(out, help);
        reg_buf_text(out, "\", \"samples\": [");

    } else {
        reg_buf_text(out, "# HELP ");
        reg_buf_text(out, name);
        reg_buf_char(out, ' ');
        reg_buf_text(out, help);
        reg_buf_text(out, "\n# TYPE ");
        reg_buf_text(out, name);
        reg_buf_char(out, ' ');
        reg_buf_text(out, type);
        reg_buf_char(out, '\n');
    }

    page->family = name;
    page->samples = 0;
    ngx_memzero(page->labels, sizeof(page->labels));
}


/* values are numbers, or milliseconds to be written as seconds */

static void
ngx_http_registry_number(reg_buf_t *out, int64_t value, ngx_uint_t ms)
{
    if (!ms) {
        reg_buf_number(out, value);
        return;
    }

    reg_buf_number(out, value / 1000);
    reg_buf_char(out, '.');
    reg_buf_char(out, (char) ('0' + value / 100 % 10));
    reg_buf_char(out, (char) ('0' + value / 10 % 10));
    reg_buf_char(out, (char) ('0' + value % 10));
}


/* within quotes, in both formats; names of containers may have anything */

static void
ngx_http_registry_text(reg_buf_t *out, const char *text)
{
    u_char  ch;

    for ( /* void */ ; *text; text++) {
        ch = (u_char) *text;

        if (ch == '"' || ch == '\\') {
            reg_buf_char(out, '\\');
        }

        reg_buf_char(out, (ch < 0x20 || ch >= 0x7f) ? '?' : *text);
    }
}


static void
ngx_http_registry_sample(ngx_http_registry_page_t *page, const char *suffix,
    int64_t value, ngx_uint_t ms)
{
    ngx_uint_t                  i;
    const char                 *comma;
    reg_buf_t                  *out = &page->out;
    ngx_http_registry_label_t  *label;

    if (page->json) {
        reg_buf_text(out, page->samples++ ? ",\n{\"name\": \""
                                          : "\n{\"name\": \"");
    }

    reg_buf_text(out, page->family);
    reg_buf_text(out, suffix);
    reg_buf_text(out, page->json ? "\", \"labels\": {" : "{");

    comma = "";

    for (i = 0; i < 4; i++) {
        label = &page->labels[i];

        if (label->name == NULL) {
            continue;
        }

        reg_buf_text(out, comma);
        reg_buf_text(out, page->json ? "\"" : "");
        reg_buf_text(out, label->name);
        reg_buf_text(out, page->json ? "\": \"" : "=\"");
        ngx_http_registry_text(out, label->value);
        reg_buf_text(out, "\"");

        comma = page->json ? ", " : ",";
    }

    reg_buf_text(out, page->json ? "}, \"value\": " : "} ");
    ngx_http_registry_number(out, value, ms);
    reg_buf_text(out, page->json ? "}" : "\n");
}


static void
ngx_http_registry_set_label(ngx_http_registry_page_t *page, ngx_uint_t n,
    const char *name, const char *value)
{
    page->labels[n].name = name;
    page->labels[n].value = value;
}


static int64_t
ngx_http_registry_total(ngx_atomic_t *p, ngx_uint_t n)
{
    int64_t     sum;
    ngx_uint_t  i;

    sum = 0;

    for (i = 0; i < n; i++) {
        sum += (int64_t) p[i];
    }

    return sum;
}


static void
ngx_http_registry_status_time(ngx_http_registry_page_t *page,
    ngx_http_registry_histogram_t *h)
{
    int64_t     sum;
    ngx_uint_t  i;

    static const char  *limits[] = {
        "0.001", "0.002", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25",
        "0.5", "1", "2.5", "5", "10", "60", "+Inf"
    };

    sum = 0;

    for (i = 0; i <= NGX_HTTP_REGISTRY_STAT_BUCKETS; i++) {
        sum += (int64_t) h->buckets[i];
        ngx_http_registry_set_label(page, 3, "le", limits[i]);
        ngx_http_registry_sample(page, "_bucket", sum, 0);
    }

    page->labels[3].name = NULL;

    ngx_http_registry_sample(page, "_sum", (int64_t) h->sum, 1);
    ngx_http_registry_sample(page, "_count", sum, 0);
}


/* what of a handler and method is written */

typedef enum {
    NGX_HTTP_REGISTRY_BY_CODE,
    NGX_HTTP_REGISTRY_BY_TIME,
    NGX_HTTP_REGISTRY_BYTES_IN,
    NGX_HTTP_REGISTRY_BYTES_OUT
} ngx_http_registry_what_t;


static void
ngx_http_registry_status_asked(ngx_http_registry_page_t *page,
    ngx_http_registry_asked_t *asked, ngx_http_registry_what_t what)
{
    int64_t     n;
    ngx_uint_t  i;

    n = ngx_http_registry_total(asked->statuses,
                                NGX_HTTP_REGISTRY_STAT_STATUSES);

    /* what was never asked for is left out */

    if (n == 0) {
        return;
    }

    if (what == NGX_HTTP_REGISTRY_BY_TIME) {
        ngx_http_registry_status_time(page, &asked->time);
        return;
    }

    if (what != NGX_HTTP_REGISTRY_BY_CODE) {
        ngx_http_registry_sample(page, "_sum",
                                 (int64_t) (what == NGX_HTTP_REGISTRY_BYTES_IN
                                            ? asked->in : asked->out), 0);
        ngx_http_registry_sample(page, "_count", n, 0);
        return;
    }

    for (i = 0; ngx_http_registry_stat_status(i); i++) {
        if (asked->statuses[i]) {
            ngx_http_registry_set_label(page, 2, "code",
                                        ngx_http_registry_stat_status(i));
            ngx_http_registry_sample(page, "", (int64_t) asked->statuses[i],
                                     0);
        }
    }

    page->labels[2].name = NULL;
}


static void
ngx_http_registry_status_requests(ngx_http_registry_page_t *page)
{
    ngx_uint_t  i, kind, method;

    static const struct {
        const char                *name;
        const char                *type;
        const char                *help;
        ngx_http_registry_what_t   what;
    } families[] = {
        { "registry_http_requests_total", "counter",
          "Requests by handler, method and status.",
          NGX_HTTP_REGISTRY_BY_CODE },
        { "registry_http_request_duration_seconds", "histogram",
          "Time of requests, bodies included.", NGX_HTTP_REGISTRY_BY_TIME },
        { "registry_http_request_size_bytes", "summary",
          "Bytes of requests, headers included.",
          NGX_HTTP_REGISTRY_BYTES_IN },
        { "registry_http_response_size_bytes", "summary",
          "Bytes of answers, headers included.",
          NGX_HTTP_REGISTRY_BYTES_OUT }
    };

    for (i = 0; i < sizeof(families) / sizeof(families[0]); i++) {

        ngx_http_registry_family(page, families[i].name, families[i].type,
                                 families[i].help);

        for (kind = 0; kind < NGX_HTTP_REGISTRY_STAT_KINDS; kind++) {
            ngx_http_registry_set_label(page, 0, "handler",
                                        ngx_http_registry_handlers[kind]);

            for (method = 0; method < NGX_HTTP_REGISTRY_STAT_METHODS;
                 method++)
            {
                ngx_http_registry_set_label(page, 1, "method",
                                       ngx_http_registry_methods[method]);
                ngx_http_registry_status_asked(page,
                                        &page->stat->asked[kind][method],
                                        families[i].what);
            }
        }
    }

    ngx_http_registry_family(page, "registry_http_in_flight_requests",
                             "gauge", "Requests that are being answered.");

    for (kind = 0; kind < NGX_HTTP_REGISTRY_STAT_KINDS; kind++) {
        ngx_http_registry_set_label(page, 0, "handler",
                                    ngx_http_registry_handlers[kind]);
        ngx_http_registry_sample(page, "",
                                 ngx_http_registry_stat_running(kind), 0);
    }
}


static void
ngx_http_registry_status_storage(ngx_http_registry_page_t *page)
{
    ngx_uint_t                 i, n;
    ngx_http_registry_done_t  *done = page->stat->done;

    ngx_http_registry_family(page, "registry_storage_action_seconds",
                             "histogram", "Time of calls of the storage.");
    ngx_http_registry_set_label(page, 1, "driver", "swift");

    for (i = 0; i < NGX_HTTP_REGISTRY_ACTIONS; i++) {
        ngx_http_registry_set_label(page, 0, "action",
                                    ngx_http_registry_actions[i]);
        ngx_http_registry_status_time(page, &done[i].time);
    }

    ngx_http_registry_family(page, "registry_storage_responses_total",
                             "counter",
                             "Calls of the storage by its status.");

    for (i = 0; i < NGX_HTTP_REGISTRY_ACTIONS; i++) {
        ngx_http_registry_set_label(page, 0, "action",
                                    ngx_http_registry_actions[i]);

        for (n = 0; ngx_http_registry_stat_status(n); n++) {
            if (done[i].statuses[n]) {
                ngx_http_registry_set_label(page, 1, "code",
                                        ngx_http_registry_stat_status(n));
                ngx_http_registry_sample(page, "",
                                         (int64_t) done[i].statuses[n], 0);
            }
        }
    }

    ngx_http_registry_family(page, "registry_storage_cache_total", "counter",
                             "What became of questions to the cache: hit,"
                             " miss, stale, or shared with another's call.");

    for (i = 0; i < NGX_HTTP_REGISTRY_CACHED; i++) {
        ngx_http_registry_set_label(page, 0, "kind",
                                    ngx_http_registry_cached[i]);

        for (n = 0; n < NGX_HTTP_REGISTRY_OUTCOMES; n++) {
            ngx_http_registry_set_label(page, 1, "type",
                                        ngx_http_registry_outcomes[n]);
            ngx_http_registry_sample(page, "",
                                     (int64_t) page->stat->cache[i][n], 0);
        }
    }
}


static void
ngx_http_registry_status_rest(ngx_http_registry_page_t *page)
{
    ngx_uint_t  i;

    static const struct {
        const char  *name;
        const char  *help;
    } counters[] = {
        { "registry_storage_retries_total",
          "Calls made again, since the storage refused the token." },
        { "registry_token_renewals_total",
          "Tokens got from the auth server." },
        { "registry_token_failures_total",
          "Tokens that could not be got." },
        { "registry_storage_mismatches_total",
          "Blobs of which the storage sent other bytes." }
    };

    ngx_http_registry_family(page, "registry_errors_total", "counter",
                             "Errors answered, by their code.");

    for (i = 0; i < REG_E_LAST; i++) {
        ngx_http_registry_set_label(page, 0, "code", reg_error_code(i));
        ngx_http_registry_sample(page, "", (int64_t) page->stat->errors[i],
                                 0);
    }

    for (i = 0; i < NGX_HTTP_REGISTRY_COUNTERS; i++) {
        ngx_http_registry_family(page, counters[i].name, "counter",
                                 counters[i].help);
        ngx_http_registry_sample(page, "",
                                 (int64_t) page->stat->counters[i], 0);
    }

    ngx_http_registry_family(page, "registry_start_time_seconds", "gauge",
                             "When counting began.");
    ngx_http_registry_sample(page, "", (int64_t) page->stat->since, 0);

    ngx_http_registry_family(page, "registry_build_info", "gauge",
                             "Versions.");
    ngx_http_registry_set_label(page, 0, "version",
                                NGX_HTTP_REGISTRY_VERSION);
    ngx_http_registry_set_label(page, 1, "nginx", NGINX_VERSION);
    ngx_http_registry_sample(page, "", 1, 0);
}


/*
 * All zones, those of other modules too: whatever is full is wanted.  Pages in
 * which a chunk is free count as used.
 */

static ngx_int_t
ngx_http_registry_status_zones(ngx_http_registry_page_t *page,
    ngx_pool_t *pool)
{
    char             *name;
    ngx_uint_t        i, n;
    ngx_shm_zone_t   *zone;
    ngx_list_part_t  *part;
    ngx_slab_pool_t  *slab;

    static const struct {
        const char  *name;
        const char  *help;
    } families[] = {
        { "registry_shared_memory_bytes", "Sizes of the zones." },
        { "registry_shared_memory_free_bytes",
          "Whole pages that are free in them." }
    };

    for (n = 0; n < 2; n++) {

        ngx_http_registry_family(page, families[n].name, "gauge",
                                 families[n].help);

        for (part = (ngx_list_part_t *) &ngx_cycle->shared_memory.part;
             part;
             part = part->next)
        {
            zone = part->elts;

            for (i = 0; i < part->nelts; i++) {
                slab = (ngx_slab_pool_t *) zone[i].shm.addr;

                name = ngx_pnalloc(pool, zone[i].shm.name.len + 1);
                if (name == NULL) {
                    return NGX_ERROR;
                }

                ngx_cpystrn((u_char *) name, zone[i].shm.name.data,
                            zone[i].shm.name.len + 1);

                ngx_http_registry_set_label(page, 0, "zone", name);
                ngx_http_registry_sample(page, "",
                                         n == 0 ? (int64_t) zone[i].shm.size
                                         : (int64_t) (slab->pfree
                                                      * ngx_pagesize), 0);
            }
        }
    }

    return NGX_OK;
}


/* the text ends with a zero: these come from the configuration */

static void
ngx_http_registry_status_checks(ngx_http_registry_page_t *page)
{
    ngx_uint_t                          i, n;
    ngx_http_registry_health_t        **health;
    ngx_http_registry_health_state_t    state;

    static const struct {
        const char  *name;
        const char  *type;
        const char  *help;
    } families[] = {
        { "registry_health", "gauge",
          "1: the container can be used, as far as was checked." },
        { "registry_health_checks_total", "counter",
          "Checks of the container by their result." }
    };

    health = page->checks->elts;

    for (n = 0; n < 2; n++) {

        ngx_http_registry_family(page, families[n].name, families[n].type,
                                 families[n].help);

        for (i = 0; i < page->checks->nelts; i++) {
            ngx_http_registry_health_state(health[i], &state);

            ngx_http_registry_set_label(page, 0, "container",
                                        (char *) state.container.data);
            ngx_http_registry_set_label(page, 1, "user",
                                        (char *) state.user.data);
            ngx_http_registry_set_label(page, 2, "upstream",
                                        (char *) state.upstream.data);

            if (n == 0) {
                ngx_http_registry_sample(page, "", state.healthy, 0);
                continue;
            }

            ngx_http_registry_set_label(page, 3, "result", "passed");
            ngx_http_registry_sample(page, "", state.passed, 0);
            ngx_http_registry_set_label(page, 3, "result", "failed");
            ngx_http_registry_sample(page, "", state.failed, 0);
        }
    }
}


/* for load balancers; the status to answer with */

static ngx_uint_t
ngx_http_registry_status_health(ngx_http_registry_page_t *page)
{
    ngx_uint_t                          i, ill;
    reg_buf_t                          *out = &page->out;
    ngx_http_registry_health_t        **health;
    ngx_http_registry_health_state_t    state;

    health = page->checks->elts;
    ill = 0;

    for (i = 0; i < page->checks->nelts; i++) {
        ngx_http_registry_health_state(health[i], &state);
        ill += !state.healthy;
    }

    reg_buf_text(out, ill ? "{\"status\": \"unhealthy\""
                          : "{\"status\": \"healthy\"");
    reg_buf_text(out, ", \"containers\": [");

    for (i = 0; i < page->checks->nelts; i++) {
        ngx_http_registry_health_state(health[i], &state);

        reg_buf_text(out, i ? ",\n{\"container\": \""
                            : "\n{\"container\": \"");
        ngx_http_registry_text(out, (char *) state.container.data);
        reg_buf_text(out, "\", \"healthy\": ");
        reg_buf_text(out, state.healthy ? "true" : "false");
        reg_buf_text(out, ", \"why\": \"");
        reg_buf_text(out, state.why);
        reg_buf_text(out, "\", \"storage_status\": ");
        reg_buf_number(out, state.status);
        reg_buf_text(out, ", \"checked\": ");
        reg_buf_number(out, state.checked);
        reg_buf_char(out, '}');
    }

    reg_buf_text(out, "\n]}\n");

    return ill ? NGX_HTTP_SERVICE_UNAVAILABLE : NGX_HTTP_OK;
}
