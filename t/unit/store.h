/* a store in memory, and what runs a flow against it */

#ifndef _STORE_H_INCLUDED_
#define _STORE_H_INCLUDED_


#include <stdio.h>

#include <openssl/evp.h>

#include "tap.h"
#include "core/reg_digest.h"
#include "ops/reg_ops.h"
#include "core/reg_path.h"
#include "core/reg_session.h"
#include "core/reg_swift.h"


#define OBJECTS_MAX  128
#define NEVER        ((unsigned) -1)


typedef struct {
    char            name[600];
    unsigned char  *data;
    size_t          len;
    unsigned        modified;
    int             expires;
    reg_digest_t    etag;
    char            segments[600];      /* prefix, of a large object */
    int64_t         whole;              /* its REG_SWIFT_WHOLE */
    char            vouched[40];        /* and REG_SWIFT_VOUCHED */
} object_t;


static object_t   objects[OBJECTS_MAX];
static unsigned   nobjects;
static unsigned   calls;                /* made in this run */
static unsigned   fail_call;            /* the one that the store refuses */
static unsigned   lost_call;            /* made, but its answer is lost */
static size_t     hashed;               /* bytes that were read for that */
static unsigned   runs;                 /* each has its own random bytes */
static unsigned   now;
static int        container_deleted;
static int        no_container;         /* and no word for it, as in Swift */
static const char *missing = "Not Found";   /* the word for an object */
static int        looked;               /* for the container */
static int        copies_expire;        /* whatever is asked */
static int        full;                 /* the quota is reached */
static int        late;                 /* listings do not show parts yet */
static unsigned   lagging;              /* nor large objects all segments: for
                                           so many HEADs */
static int64_t    authorize;            /* until when a Location does */

static unsigned   page = 2;             /* entries of a listing */
static int64_t    slice;                /* of blobs that are kept */

/* called before the calls of each row: others may work in between */
static void     (*between)(void);

/* writes a listing, instead of the right one; 0: that one after all */
static int      (*forge)(reg_buf_t *b, const char *prefix,
                         const char *marker);

static const unsigned char  secret[REG_SESSION_SECRET] = { 7 };

/* a node that knows where its uploads end: of one upload is enough */

static int        single;               /* it does */
static char       place_id[40];         /* empty: not known */
static int        place_taken;
static uint64_t   place_tip;

/* what lives until a row is judged, of each flow that is at work; an allocation
   of it counts as one of the flow's arena, so that it fails as those do */

#define SCRATCHES  4

typedef struct {
    tap_arena_t   row;
    tap_arena_t  *of;
} scratch_t;


static scratch_t  scratches[SCRATCHES];
static unsigned   scratches_taken;


static void *
row_alloc(void *ctx, size_t size)
{
    void       *p;
    scratch_t  *r = ctx;

    r->row.left = r->of->left;
    p = tap_alloc(&r->row, size);
    r->of->left = r->row.left;
    r->of->failed |= r->row.failed;

    return p;
}


static void
row_free(void *ctx)
{
    scratch_t  *r = ctx;

    tap_arena_free(&r->row);
}


static scratch_t *
row_begin(tap_arena_t *arena)
{
    scratch_t  *r;
    unsigned    i;

    for (i = 0; i < SCRATCHES && scratches[i].of != arena; i++) { /* void */ }

    r = &scratches[i < SCRATCHES ? i : scratches_taken++ % SCRATCHES];

    row_free(r);
    tap_arena_init(&r->row, 0);
    r->row.arena.alloc = row_alloc;
    r->row.arena.ctx = r;
    r->of = arena;

    return r;
}


/* the store; a copy keeps its source's expiry, as Swift has it */

static object_t *
find(const char *name)
{
    unsigned  i;

    for (i = 0; i < nobjects; i++) {
        if (strcmp(objects[i].name, name) == 0) {
            return &objects[i];
        }
    }

    return NULL;
}


static void
drop(object_t *o)
{
    free(o->data);
    *o = objects[--nobjects];
}


static void
clear(void)
{
    while (nobjects) {
        drop(&objects[0]);
    }

    container_deleted = 0;
    lost_call = NEVER;
    between = NULL;
    forge = NULL;
    place_id[0] = '\0';
}


static void
put(const char *name, const void *data, size_t len)
{
    object_t  *o;

    o = find(name);

    if (o == NULL) {
        o = &objects[nobjects++];
        (void) snprintf(o->name, sizeof(o->name), "%s", name);
        o->data = NULL;
    }

    free(o->data);
    o->data = malloc(len + 1);
    o->len = len;
    o->modified = ++now;
    o->expires = 0;
    o->segments[0] = '\0';
    o->whole = 0;
    o->vouched[0] = '\0';

    if (len) {
        memcpy(o->data, data, len);
    }

    reg_digest_of(&o->etag, REG_SHA256, o->data, len);
}


static void
etag_of(reg_arena_t *arena, reg_str_t *etag, const object_t *o)
{
    *etag = reg_digest_text(arena, &o->etag);
}


static int
by_name(const void *one, const void *two)
{
    return strcmp(((const object_t *) one)->name,
                  ((const object_t *) two)->name);
}


static void
query_value(const reg_call_t *call, const char *name, char *value)
{
    char         query[2000];
    const char  *p;

    (void) sprintf(query, "%.*s", (int) call->query.len,
                   (char *) call->query.data);

    p = strstr(query, name);

    for (p = p ? p + strlen(name) : ""; *p && *p != '&'; p++) {
        if (*p == '%') {
            *value++ = '/';
            p += 2;
        } else {
            *value++ = *p;
        }
    }

    *value = '\0';
}


/*
 * A few at a time, whatever "limit" says: RGW, too, may send less than was asked
 * for, though there is more.
 */

static void
list(reg_flow_t *f, reg_call_t *call)
{
    char        prefix[600], marker[600], delimiter[600], time[16];
    char       *slash, subdir[600];
    size_t      i, n;
    reg_buf_t   b;
    reg_str_t   etag;

    call->reply.status = 200;
    query_value(call, "prefix=", prefix);
    query_value(call, "marker=", marker);
    query_value(call, "delimiter=", delimiter);
    subdir[0] = '\0';

    qsort(objects, nobjects, sizeof(object_t), by_name);

    reg_buf_init(&b, f->row, 256);

    if (forge && forge(&b, prefix, marker)) {
        call->reply.body = reg_buf_str(&b);
        return;
    }

    reg_buf_char(&b, '[');

    for (i = 0, n = 0; i < nobjects && n < page; i++) {
        if (strncmp(objects[i].name, prefix, strlen(prefix)) == 0
            && strcmp(objects[i].name, marker) > 0
            && !(late && strncmp(objects[i].name, REG_PATH_UPLOADS,
                                 sizeof(REG_PATH_UPLOADS) - 1)
                         == 0))
        {
            slash = delimiter[0]
                    ? strchr(objects[i].name + strlen(prefix), '/') : NULL;

            if (slash) {
                if (strncmp(subdir, objects[i].name,
                            (size_t) (slash - objects[i].name) + 1)
                    == 0)
                {
                    continue;
                }

                (void) sprintf(subdir, "%.*s",
                               (int) (slash - objects[i].name) + 1,
                               objects[i].name);
                n++;
                reg_buf_text(&b, b.len > 1 ? ",{\"subdir\":\""
                                           : "{\"subdir\":\"");
                reg_buf_text(&b, subdir);
                reg_buf_text(&b, "\"}");
                continue;
            }

            n++;
            etag_of(f->arena, &etag, &objects[i]);

            reg_buf_text(&b, b.len > 1 ? ",{\"name\":\"" : "{\"name\":\"");
            reg_buf_text(&b, objects[i].name);
            reg_buf_text(&b, "\",\"hash\":\"");
            reg_buf_add_str(&b, &etag);
            reg_buf_text(&b, "\",\"bytes\":");
            reg_buf_number(&b, (int64_t) objects[i].len);
            (void) sprintf(time, "%06u", objects[i].modified);
            reg_buf_text(&b, ",\"last_modified\":\"");
            reg_buf_text(&b, time);
            reg_buf_char(&b, '"');
            reg_buf_char(&b, '}');
        }
    }

    reg_buf_char(&b, ']');
    call->reply.body = reg_buf_str(&b);
}


static const char *
header(const reg_call_t *call, const char *name, char *value)
{
    size_t                n;
    const unsigned char  *p, *end;

    p = call->headers.data;
    end = p ? p + call->headers.len : p;

    for ( /* void */ ; p < end; p = memchr(p, '\n', (size_t) (end - p)),
         p = p ? p + 1 : end)
    {
        n = strlen(name);

        if (strncmp((const char *) p, name, n) == 0) {
            n += 2;
            (void) sprintf(value, "%.*s",
                           (int) strcspn((const char *) p + n, "\r"),
                           (const char *) p + n);
            return value;
        }
    }

    return NULL;
}


/* a large object is its segments that are there now */

static void
join(object_t *large)
{
    unsigned  i;

    if (large == NULL || large->segments[0] == '\0') {
        return;
    }

    large->len = 0;

    for (i = 0; i < nobjects; i++) {
        if (strncmp(objects[i].name, large->segments,
                    strlen(large->segments)) == 0)
        {
            large->data = realloc(large->data, large->len + objects[i].len
                                               + 1);
            memcpy(large->data + large->len, objects[i].data, objects[i].len);
            large->len += objects[i].len;
        }
    }
}


static void
put_large(const char *name, const char *segments, const char *whole,
    const char *vouched)
{
    object_t  *o;

    put(name, "", 0);
    qsort(objects, nobjects, sizeof(object_t), by_name);

    o = find(name);
    (void) snprintf(o->segments, sizeof(o->segments), "%s", segments);
    o->whole = whole ? atoll(whole) : 0;
    (void) snprintf(o->vouched, sizeof(o->vouched), "%s",
                    vouched ? vouched : "");
}


/* of a large object: over those of its segments that are there */

static void
etag_of_large(reg_arena_t *arena, reg_str_t *etag, const object_t *large)
{
    unsigned        i, len;
    EVP_MD_CTX     *ctx;
    unsigned char   raw[EVP_MAX_MD_SIZE], hex[2 * EVP_MAX_MD_SIZE];

    ctx = EVP_MD_CTX_new();
    (void) EVP_DigestInit_ex(ctx, EVP_md5(), NULL);

    for (i = 0; i < nobjects; i++) {
        if (strncmp(objects[i].name, large->segments,
                    strlen(large->segments)) == 0)
        {
            etag_of(arena, etag, &objects[i]);
            (void) EVP_DigestUpdate(ctx, etag->data, etag->len);
        }
    }

    (void) EVP_DigestFinal_ex(ctx, raw, &len);
    EVP_MD_CTX_free(ctx);

    (void) reg_hex(hex, raw, len);
    (void) reg_str_copy(arena, etag, hex, 2 * len);
}


static void
make_call(reg_flow_t *f, reg_call_t *call, const reg_str_t *body)
{
    char            name[600], value[600], whole[600], vouched[600];
    int             expires;
    object_t       *o;
    reg_buf_t       manifest;

    memset(&call->reply, 0, sizeof(reg_reply_t));
    call->reply.length = -1;

    if (calls++ == fail_call) {
        call->reply.status = 503;
        return;
    }

    if (no_container) {
        call->reply.status = 404;
        return;
    }

    if (call->on_container) {
        container_deleted |= (call->method == REG_DELETE);
        looked |= (call->method == REG_HEAD);
        list(f, call);
        return;
    }

    (void) snprintf(name, sizeof(name), "%.*s", (int) call->object.len,
                    (char *) call->object.data);

    if (call->method == REG_PUT && full) {
        call->reply.status = 413;
        call->reply.trans_id = (reg_str_t) reg_string("tx1");
        return;
    }

    if (call->method == REG_PUT) {
        call->reply.status = 201;
        expires = 0;

        if (header(call, "X-Copy-From", value)) {
            o = find(value + sizeof("/c/") - 1);
            if (o == NULL) {
                call->reply.status = 404;
                return;
            }

            expires = o->expires
                      && (copies_expire
                          || !header(call, "X-Fresh-Metadata", value));
            put(name, o->data, o->len);

        } else if (header(call, "X-Object-Manifest", value)) {
            put_large(name, value + sizeof("c/") - 1,
                      header(call, REG_SWIFT_WHOLE, whole),
                      header(call, REG_SWIFT_VOUCHED, vouched));

        } else if (call->feed) {

            reg_flow_hash(f, body->data, body->len);
            (void) reg_flow_hash_end(f);

            if (f->refused) {
                call->reply.status = 0;
                return;
            }

            f->fed = (int64_t) body->len;
            f->fed_to_end = 1;
            put(name, body->data, body->len);

        } else {
            put(name, call->body.data, call->body.len);
        }

        o = find(name);
        o->expires = expires || header(call, "X-Delete-After", value);
        etag_of(f->arena, &call->reply.etag, o);
        return;
    }

    o = find(name);
    call->reply.status = o ? 200 : 404;

    if (o == NULL) {
        if (call->method == REG_GET) {
            (void) reg_str_copy(f->row, &call->reply.body, missing,
                                strlen(missing));
        }

        return;
    }

    if (call->method == REG_DELETE) {
        drop(o);
        call->reply.status = 204;
        return;
    }

    join(o);

    if (o->segments[0]) {
        reg_buf_init(&manifest, f->arena, 256);
        reg_buf_text(&manifest, "c/");
        reg_buf_text(&manifest, o->segments);
        call->reply.object_manifest = reg_buf_str(&manifest);
        call->reply.whole = o->whole;
    }

    call->reply.length = (int64_t) o->len;
    call->reply.expires = (o->expires != 0);

    if (o->segments[0] && lagging) {
        lagging--;
        call->reply.length--;
    }

    if (o->segments[0]) {
        etag_of_large(f->arena, &call->reply.etag, o);

        if (call->reply.length != (int64_t) o->len) {
            call->reply.etag.data[0] ^= 1;
        }

        (void) reg_str_copy(f->arena, &call->reply.vouched, o->vouched,
                            strlen(o->vouched));

    } else {
        etag_of(f->arena, &call->reply.etag, o);
    }

    if (call->sink) {
        hashed += o->len;
        call->sink(call->sink_data, o->data, o->len);

    } else if (call->method == REG_GET) {
        (void) reg_str_copy(f->row, &call->reply.body, o->data, o->len);
    }
}


/* as ngx_http_registry_places.c does it */

static int
place(void *places, reg_place_t what, const reg_str_t *id, uint64_t tip)
{
    int  mine, held;

    (void) places;

    mine = (strlen(place_id) == id->len
            && memcmp(place_id, id->data, id->len) == 0);
    held = 0;

    if (what == REG_PLACE_BEGIN) {
        (void) sprintf(place_id, "%.*s", (int) id->len, (char *) id->data);
        place_taken = 0;
        place_tip = 0;

    } else if (mine && what == REG_PLACE_TAKE) {
        held = (!place_taken && place_tip == tip);
        place_taken |= held;

    } else if (mine && what == REG_PLACE_LEAVE) {
        held = 1;
        place_taken = 0;
        place_tip = tip;

    } else if (mine && what == REG_PLACE_LOSE) {
        place_id[0] = '\0';
    }

    return held;
}


/* what runs a flow, a row of calls at a time; 0, or a status at once */

static unsigned
start(reg_flow_t *f, tap_arena_t *arena, reg_method_t method, const char *uri,
    const char *body, const char *type)
{
    scratch_t   *r;
    size_t       n;
    reg_str_t    text, detail;
    reg_error_t  e;
    const char  *args;

    memset(f, 0, sizeof(reg_flow_t));

    r = row_begin(arena);

    f->arena = &arena->arena;
    f->row = &r->row.arena;
    f->judged = row_free;
    f->judged_data = r;
    f->method = method;
    f->secret = secret;
    f->nsecrets = 1;
    f->container.data = (unsigned char *) "c";
    f->container.len = 1;
    f->part_size = 1 << 20;
    f->slice = slice;
    f->place = single ? place : NULL;
    f->upload_expires = 60;
    f->authorize_until = authorize;
    f->manifest_max = 4096;
    f->delete_allowed = 1;
    f->content_type.data = (unsigned char *) type;
    f->content_type.len = strlen(type);
    f->body_length = (int64_t) strlen(body);

    runs++;
    memcpy(f->random, &runs, sizeof(runs));
    memcpy(f->random + 12, &runs, sizeof(runs));

    args = strchr(uri, '?');
    n = args ? (size_t) (args - uri) : strlen(uri);
    f->args.data = (unsigned char *) (args ? args + 1 : "");
    f->args.len = args ? strlen(args + 1) : 0;

    text.data = (unsigned char *) uri;
    text.len = n;

    if (reg_route_parse(&text, &f->route, &e, &detail) != REG_OK) {
        return 404;
    }

    reg_flow_start(f);

    return f->step ? 0 : 500;
}


/* 0: there is more to do; else the answer, 500 for one that is not whole */

static unsigned
proceed(reg_flow_t *f, const char *body)
{
    unsigned   i;
    reg_str_t  text;

    text.data = (unsigned char *) body;
    text.len = strlen(body);

    switch (reg_flow_run(f)) {

    case REG_CALL:
        for (i = 0; i < f->ncalls; i++) {
            if (f->calls[i].failed) {
                return 500;
            }
        }

        if (between) {
            between();
        }

        for (i = 0; i < f->ncalls; i++) {
            make_call(f, &f->calls[i], &text);

            if (calls - 1 == lost_call) {
                f->calls[i].reply.status = 0;
            }
        }

        return 0;

    case REG_BODY:
        f->body = text;
        return 0;

    case REG_PASS:
        return f->calls[0].failed ? 500 : f->answer.status;

    default:
        for (i = 0; i < f->answer.nheaders; i++) {
            if (f->answer.headers[i].value.data == NULL) {
                return 500;
            }
        }

        return f->answer.status;
    }
}


static unsigned
run(reg_flow_t *f, tap_arena_t *arena, reg_method_t method, const char *uri,
    const char *body, const char *type)
{
    unsigned  status;

    status = start(f, arena, method, uri, body, type);

    while (status == 0) {
        status = proceed(f, body);
    }

    return status;
}


static int
location(const reg_flow_t *f, char *uri)
{
    unsigned  i;

    for (i = 0; i < f->answer.nheaders; i++) {
        if (strcmp(f->answer.headers[i].name, "Location") == 0) {
            (void) sprintf(uri, "%.*s",
                           (int) f->answer.headers[i].value.len,
                           (char *) f->answer.headers[i].value.data);
            return 1;
        }
    }

    return 0;
}


static void
text_of(char *dst, const char *data)
{
    unsigned char  *end;
    reg_digest_t    d;

    reg_digest_of(&d, REG_SHA256, data, strlen(data));
    end = reg_digest_print((unsigned char *) dst, &d);
    *end = '\0';
}


/* every blob has the bytes of its name, every link names what is there */

static int
store_is_right(void)
{
    char          want[REG_DIGEST_TEXT_MAX + 1], path[600];
    unsigned      i;
    reg_digest_t  d;

    qsort(objects, nobjects, sizeof(object_t), by_name);

    for (i = 0; i < nobjects; i++) {

        if (strstr(objects[i].name, "/blobs/sha256/")) {
            join(&objects[i]);
            reg_digest_of(&d, REG_SHA256, objects[i].data, objects[i].len);
            *reg_digest_print((unsigned char *) want, &d) = '\0';

            if (strstr(objects[i].name, want + 7) == NULL) {
                printf("# wrong bytes at %s\n", objects[i].name);
                return 0;
            }
        }

        if (objects[i].expires
            && strncmp(objects[i].name, "uploads/", 8) != 0)
        {
            printf("# %s expires\n", objects[i].name);
            return 0;
        }

        if (strstr(objects[i].name, "/link")) {
            (void) sprintf(path, "files/docker/registry/v2/blobs/sha256"
                           "/%.2s/%.64s/data", (char *) objects[i].data + 7,
                           (char *) objects[i].data + 7);

            if (objects[i].len != 71 || find(path) == NULL) {
                printf("# a link to nothing: %s\n", objects[i].name);
                return 0;
            }
        }
    }

    return !container_deleted;
}


#endif /* _STORE_H_INCLUDED_ */
