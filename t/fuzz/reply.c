/*
 * A reply of the storage, as nginx's upstream hands it to the module: the
 * first byte says where it is cut into two reads, the second what was asked.
 */

#include "storage/ngx_http_registry_swift.c"
#include "storage/ngx_http_registry_upstream.c"
#include "calls/ngx_http_registry_memory.c"
#include "base/ngx_http_registry_ctx.c"
#include "base/ngx_http_registry_util.c"

#include "fuzz.h"


static ngx_log_t           no_log;
static ngx_event_t         no_event;
static ngx_connection_t    connection;
static size_t              sunk;

ngx_module_t               ngx_http_registry_module;
volatile ngx_cycle_t      *ngx_cycle;


static void
sink(void *data, const unsigned char *p, size_t len)
{
    (void) data;

    sunk += len + (p == NULL);
}


static void
no_controls(const reg_str_t *s)
{
    size_t  i;

    for (i = 0; i < s->len; i++) {
        fuzz_assert(s->data[i] >= 0x20 && s->data[i] != 0x7f);
    }
}


static void
begin(ngx_http_request_t *r, ngx_http_registry_exchange_t *ex, unsigned what)
{
    reg_call_t  *call;

    static void  *ctx[1];

    call = ex->call;
    call->method = what & 1 ? REG_HEAD : REG_GET;
    call->reply_max = what & 2 ? 10 : 2000;
    call->object = (reg_str_t) reg_string("object");

    if (what & 4) {
        call->sink = sink;
    }

    ex->reply = &ngx_http_registry_reply_memory;

    ctx[0] = ex;
    r->ctx = ctx;

    (void) ngx_http_registry_upstream_reinit(r);
}


/* the body, in what came with the header and what comes behind */

static void
body(ngx_http_request_t *r, ngx_http_registry_exchange_t *ex, size_t later)
{
    size_t                have;
    ngx_int_t             rc;
    ngx_http_upstream_t  *u;

    u = r->upstream;

    if (ngx_http_registry_upstream_filter_init(r) != NGX_OK || u->length == 0) {
        return;
    }

    have = u->buffer.last - u->buffer.pos;

    if (have) {
        u->buffer.last = u->buffer.pos;
        rc = ngx_http_registry_upstream_filter(r, have);
        u->buffer.last += have;

        if (rc != NGX_OK || u->length == 0) {
            return;
        }
    }

    if (later) {
        (void) ngx_http_registry_upstream_filter(r, later);
    }
}


static void
one(ngx_pool_t *pool, const uint8_t *data, size_t size, size_t cut,
    unsigned what)
{
    u_char                    *copy;
    ngx_int_t                  rv;
    reg_call_t                 call;
    ngx_http_request_t         r, main_r;
    ngx_http_upstream_t        u;
    ngx_http_registry_ctx_t    ctx;
    ngx_http_registry_exchange_t   rc;
    void                     *main_ctx[1];

    ngx_memzero(&r, sizeof(r));
    ngx_memzero(&main_r, sizeof(main_r));
    ngx_memzero(&u, sizeof(u));
    ngx_memzero(&rc, sizeof(rc));
    ngx_memzero(&ctx, sizeof(ctx));
    ngx_memzero(&call, sizeof(call));

    connection.log = &no_log;
    connection.read = &no_event;
    connection.write = &no_event;
    connection.fd = (ngx_socket_t) -1;

    copy = ngx_pnalloc(pool, size + 1);
    fuzz_assert(copy != NULL);
    ngx_memcpy(copy, data, size);

    main_r.pool = pool;
    main_r.main = &main_r;
    main_r.ctx = main_ctx;
    main_ctx[0] = &ctx;
    r.main = &main_r;
    r.pool = pool;
    r.connection = &connection;
    r.upstream = &u;
    rc.call = &call;
    rc.ctx = &ctx;
    ctx.request = &main_r;

    u.peer.connection = &connection;
    u.buffer.start = copy;
    u.buffer.pos = copy;
    u.buffer.last = copy + cut;
    u.buffer.end = copy + size;

    begin(&r, &rc, what);

    rv = u.process_header(&r);

    if (rv == NGX_AGAIN) {
        u.buffer.last = copy + size;
        cut = size;
        rv = u.process_header(&r);
    }

    fuzz_assert(u.buffer.pos <= u.buffer.last);

    if (rv != NGX_OK) {
        return;
    }

    fuzz_assert(call.reply.status >= 200 && call.reply.status <= 999);
    fuzz_assert(call.reply.length >= -1 && call.reply.whole >= 0);
    no_controls(&call.reply.etag);
    no_controls(&call.reply.trans_id);
    no_controls(&call.reply.meta_digest);
    no_controls(&call.reply.content_range);
    no_controls(&call.reply.object_manifest);

    body(&r, &rc, size - cut);

    fuzz_assert((size_t) (rc.body.last - rc.body.pos) <= call.reply_max);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_pool_t  *pool;

    if (size < 2) {
        return 0;
    }

    ngx_pagesize = 4096;

    pool = ngx_create_pool(4096, &no_log);
    fuzz_assert(pool != NULL);

    one(pool, data + 2, size - 2, data[0] * (size - 2) / 255, data[1]);

    ngx_destroy_pool(pool);

    return 0;
}
