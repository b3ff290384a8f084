/*
 * The flows, driven against a store in memory: what they write, and that no
 * call and no allocation that fails leaves a wrong blob, a link to nothing,
 * or an acknowledged thing that is not there.
 */

#include <stdio.h>

#include "tap.h"
#include "reg_digest.h"
#include "reg_ops.h"
#include "reg_path.h"
#include "reg_session.h"


#define OBJECTS_MAX  64
#define NEVER        ((unsigned) -1)


typedef struct {
    char            name[600];
    unsigned char  *data;
    size_t          len;
} object_t;


static object_t   objects[OBJECTS_MAX];
static unsigned   nobjects;
static unsigned   calls;                /* made in this run */
static unsigned   fail_call;            /* the one that the store refuses */
static int        container_deleted;

static const unsigned char  secret[REG_SESSION_SECRET] = { 7 };

static const char  layer[] = "the bytes of a layer";
static const char  rest[] = " and of its second part";


/* the store */

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

    if (len) {
        memcpy(o->data, data, len);
    }
}


static void
etag_of(reg_arena_t *arena, reg_str_t *etag, const object_t *o)
{
    reg_digest_t  d;

    reg_digest_of(&d, REG_SHA256, o->data, o->len);
    *etag = reg_digest_text(arena, &d);
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
 * Two at a time, whatever "limit" says: RGW, too, may send less than was asked
 * for, though there is more.
 */

static void
list(reg_flow_t *f, reg_call_t *call)
{
    char        prefix[600], marker[600];
    size_t      i, n;
    reg_buf_t   b;
    reg_str_t   etag;

    call->reply.status = 200;
    query_value(call, "prefix=", prefix);
    query_value(call, "marker=", marker);

    qsort(objects, nobjects, sizeof(object_t), by_name);

    reg_buf_init(&b, f->arena, 256);
    reg_buf_char(&b, '[');

    for (i = 0, n = 0; i < nobjects && n < 2; i++) {
        if (strncmp(objects[i].name, prefix, strlen(prefix)) == 0
            && strcmp(objects[i].name, marker) > 0)
        {
            n++;
            etag_of(f->arena, &etag, &objects[i]);

            reg_buf_text(&b, b.len > 1 ? ",{\"name\":\"" : "{\"name\":\"");
            reg_buf_text(&b, objects[i].name);
            reg_buf_text(&b, "\",\"hash\":\"");
            reg_buf_add_str(&b, &etag);
            reg_buf_text(&b, "\",\"bytes\":");
            reg_buf_number(&b, (int64_t) objects[i].len);
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


/* the segments of a large object, one behind the other */

static void
join(const char *name, const char *prefix)
{
    char      all[600];
    size_t    len;
    unsigned  i;

    qsort(objects, nobjects, sizeof(object_t), by_name);

    for (len = 0, i = 0; i < nobjects; i++) {
        if (strncmp(objects[i].name, prefix, strlen(prefix)) == 0) {
            memcpy(all + len, objects[i].data, objects[i].len);
            len += objects[i].len;
        }
    }

    put(name, all, len);
}


static void
make_call(reg_flow_t *f, reg_call_t *call, const reg_str_t *body)
{
    char            name[600], value[600];
    object_t       *o;
    reg_digest_t    d;

    memset(&call->reply, 0, sizeof(reg_reply_t));
    call->reply.length = -1;

    if (calls++ == fail_call) {
        call->reply.status = 503;
        return;
    }

    if (call->on_container) {
        container_deleted |= (call->method == REG_DELETE);
        list(f, call);
        return;
    }

    (void) snprintf(name, sizeof(name), "%.*s", (int) call->object.len,
                    (char *) call->object.data);

    if (call->method == REG_PUT) {
        call->reply.status = 201;

        if (header(call, "X-Copy-From", value)) {
            o = find(value + sizeof("/c/") - 1);
            if (o == NULL) {
                call->reply.status = 404;
                return;
            }

            put(name, o->data, o->len);

        } else if (header(call, "X-Object-Manifest", value)) {
            join(name, value + sizeof("c/") - 1);

        } else if (call->feed) {

            if (f->hash) {
                reg_hash_update(f->hash, body->data, body->len);

                if (f->expected) {
                    reg_hash_final(f->hash, &d);
                    f->refused = !reg_digest_equal(&d, f->expected);
                }
            }

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
        etag_of(f->arena, &call->reply.etag, o);
        return;
    }

    o = find(name);
    call->reply.status = o ? 200 : 404;

    if (o == NULL) {
        return;
    }

    if (call->method == REG_DELETE) {
        drop(o);
        call->reply.status = 204;
        return;
    }

    call->reply.length = (int64_t) o->len;
    etag_of(f->arena, &call->reply.etag, o);

    if (call->sink) {
        call->sink(call->sink_data, o->data, o->len);

    } else if (call->method == REG_GET) {
        (void) reg_str_copy(f->arena, &call->reply.body, o->data, o->len);
    }
}


/* what runs a flow: the status of its answer; 500 for one that is not whole */

static unsigned
run(reg_flow_t *f, tap_arena_t *arena, reg_method_t method, const char *uri,
    const char *body, const char *type)
{
    size_t       n;
    unsigned     i;
    reg_str_t    text, detail;
    reg_error_t  e;
    const char  *args;

    memset(f, 0, sizeof(reg_flow_t));

    f->arena = &arena->arena;
    f->method = method;
    f->secret = secret;
    f->nsecrets = 1;
    f->container.data = (unsigned char *) "c";
    f->container.len = 1;
    f->part_size = 1 << 20;
    f->upload_expires = 60;
    f->manifest_max = 4096;
    f->delete_allowed = 1;
    f->content_type.data = (unsigned char *) type;
    f->content_type.len = strlen(type);
    f->body_length = (int64_t) strlen(body);

    args = strchr(uri, '?');
    n = args ? (size_t) (args - uri) : strlen(uri);
    f->args.data = (unsigned char *) (args ? args + 1 : "");
    f->args.len = args ? strlen(args + 1) : 0;

    text.data = (unsigned char *) uri;
    text.len = n;

    if (reg_route_parse(&text, &f->route, &e, &detail) != REG_OK) {
        return 404;
    }

    text.data = (unsigned char *) body;
    text.len = strlen(body);

    reg_flow_start(f);

    if (f->step == NULL) {
        return 500;
    }

    for ( ;; ) {
        switch (reg_flow_run(f)) {

        case REG_CALL:
            for (i = 0; i < f->ncalls; i++) {
                if (f->calls[i].failed) {
                    return 500;
                }
            }

            for (i = 0; i < f->ncalls; i++) {
                make_call(f, &f->calls[i], &text);
            }

            break;

        case REG_BODY:
            f->body = text;
            break;

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

    for (i = 0; i < nobjects; i++) {

        if (strstr(objects[i].name, "/blobs/sha256/")) {
            reg_digest_of(&d, REG_SHA256, objects[i].data, objects[i].len);
            *reg_digest_print((unsigned char *) want, &d) = '\0';

            if (strstr(objects[i].name, want + 7) == NULL) {
                printf("# wrong bytes at %s\n", objects[i].name);
                return 0;
            }
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


/* POST, PATCH, perhaps a second one, PUT, then the manifest and its tag */

static unsigned
push(tap_arena_t *arena, int parts, unsigned *manifest)
{
    char        uri[2000], digest[100], bytes[100], doc[600];
    unsigned    status;
    reg_flow_t  f;

    *manifest = 0;

    (void) sprintf(bytes, "%s%s", layer, parts > 1 ? rest : "");
    text_of(digest, bytes);

    status = run(&f, arena, REG_POST, "/v2/a/b/blobs/uploads/", "", "");
    if (status != 202 || !location(&f, uri)) {
        return status;
    }

    status = run(&f, arena, REG_PATCH, uri, layer, "");
    if (status != 202 || !location(&f, uri)) {
        return status;
    }

    if (parts > 1) {
        status = run(&f, arena, REG_PATCH, uri, rest, "");
        if (status != 202 || !location(&f, uri)) {
            return status;
        }
    }

    (void) sprintf(uri + strlen(uri), "&digest=%s", digest);

    status = run(&f, arena, REG_PUT, uri, "", "");
    if (status != 201) {
        return status;
    }

    (void) sprintf(doc, "{\"schemaVersion\":2,\"mediaType\":"
                   "\"application/vnd.oci.image.manifest.v1+json\","
                   "\"config\":{\"mediaType\":\"x/y\",\"digest\":\"%s\","
                   "\"size\":1},\"layers\":[]}", digest);

    *manifest = run(&f, arena, REG_PUT, "/v2/a/b/manifests/v1", doc,
                    "application/vnd.oci.image.manifest.v1+json");

    return status;
}


/* what was told to a client must be there */

static int
acknowledged(unsigned blob, unsigned manifest, int parts)
{
    char         uri[300], digest[100], bytes[100];
    unsigned     got;
    reg_flow_t   f;
    tap_arena_t  arena;

    fail_call = NEVER;

    (void) sprintf(bytes, "%s%s", layer, parts > 1 ? rest : "");
    text_of(digest, bytes);
    (void) sprintf(uri, "/v2/a/b/blobs/%s", digest);

    tap_arena_init(&arena, (size_t) -1);

    got = run(&f, &arena, REG_HEAD, uri, "", "");
    if (blob == 201 && got != 200) {
        tap_arena_free(&arena);
        return 0;
    }

    got = run(&f, &arena, REG_GET, "/v2/a/b/manifests/v1", "", "");
    tap_arena_free(&arena);

    return manifest != 201 || got == 200;
}


static void
test_push(int parts)
{
    unsigned     blob, manifest, total, n;
    tap_arena_t  arena;

    clear();
    calls = 0;
    fail_call = NEVER;

    tap_arena_init(&arena, (size_t) -1);
    blob = push(&arena, parts, &manifest);
    total = calls;
    tap_arena_free(&arena);

    ok(blob == 201 && manifest == 201, "a push", (size_t) parts);
    ok(store_is_right() && acknowledged(blob, manifest, parts),
       "is complete", (size_t) parts);
    ok(total > 5, "with its calls counted", total);

    for (n = 0; n < total; n++) {
        clear();
        calls = 0;
        fail_call = n;

        tap_arena_init(&arena, (size_t) -1);
        blob = push(&arena, parts, &manifest);
        tap_arena_free(&arena);

        ok(store_is_right() && acknowledged(blob, manifest, parts),
           "a call that fails", n);
    }
}


static void
test_memory(int parts)
{
    int          done, right;
    size_t       left;
    unsigned     blob, manifest;
    tap_arena_t  arena;

    right = 1;

    for (left = 0, done = 0; !done && left < 10000; left++) {
        clear();
        calls = 0;
        fail_call = NEVER;

        tap_arena_init(&arena, left);
        blob = push(&arena, parts, &manifest);
        done = !arena.failed;
        tap_arena_free(&arena);

        if (!store_is_right() || !acknowledged(blob, manifest, parts)) {
            printf("# after %zu allocations\n", left);
            right = 0;
        }
    }

    ok(right, "each allocation failing in turn", left);
    ok(done && left > 50, "up to the last one", left);
}


static void
test_refusals(void)
{
    char         uri[2000], digest[100];
    unsigned     manifest, status;
    reg_flow_t   f;
    tap_arena_t  arena;

    clear();
    fail_call = NEVER;
    text_of(digest, "other bytes");

    tap_arena_init(&arena, (size_t) -1);

    (void) run(&f, &arena, REG_POST, "/v2/a/b/blobs/uploads/", "", "");
    (void) location(&f, uri);
    (void) sprintf(uri + strlen(uri), "&digest=%s", digest);

    status = run(&f, &arena, REG_PUT, uri, layer, "");
    ok(status == 400 && nobjects == 0, "a wrong digest leaves nothing", 0);

    status = run(&f, &arena, REG_PUT, "/v2/a/b/manifests/v1", "{}",
                 "application/vnd.oci.image.manifest.v1+json");
    ok(status == 400 && nobjects == 0, "nor does a bad manifest", 0);

    (void) push(&arena, 1, &manifest);
    status = run(&f, &arena, REG_DELETE, "/v2/a/b/manifests/v1", "", "");
    ok(status == 202 && store_is_right(), "a tag is deleted", 0);

    status = run(&f, &arena, REG_GET, "/v2/a/b/manifests/v1", "", "");
    ok(status == 404, "and is unknown", 0);

    tap_arena_free(&arena);
}


/* of more tags than come in one listing */

static void
test_delete_by_digest(void)
{
    char         uri[300], digest[REG_DIGEST_TEXT_MAX + 1];
    unsigned     manifest, i, left;
    reg_flow_t   f;
    tap_arena_t  arena;

    clear();
    fail_call = NEVER;

    tap_arena_init(&arena, (size_t) -1);

    (void) push(&arena, 1, &manifest);

    for (i = 0; i < nobjects; i++) {
        if (strstr(objects[i].name, "/tags/v1/current/link")) {
            (void) snprintf(digest, sizeof(digest), "%.*s",
                            (int) objects[i].len, (char *) objects[i].data);
        }
    }

    for (i = 2; i < 6; i++) {
        (void) sprintf(uri, "files/docker/registry/v2/repositories/a/b"
                       "/_manifests/tags/v%u/current/link", i);
        put(uri, digest, strlen(digest));
    }

    (void) sprintf(uri, "/v2/a/b/manifests/%s", digest);

    ok(run(&f, &arena, REG_DELETE, uri, "", "") == 202,
       "a manifest of many tags is deleted", 0);

    for (i = 0, left = 0; i < nobjects; i++) {
        left += (strstr(objects[i].name, "/tags/") != NULL);
    }

    ok(left == 0, "with all of them", left);

    tap_arena_free(&arena);
}


int
main(void)
{
    test_push(1);
    test_push(2);
    test_memory(1);
    test_memory(2);
    test_refusals();
    test_delete_by_digest();

    clear();

    return tap_end();
}
