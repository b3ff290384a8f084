/*
 * Manifests, their tags and referrers, against a store in memory: each call
 * and each allocation failing in turn, and a push and a delete of one
 * manifest at the same time, with the one whole between any two calls of the
 * other.
 */

#include "tap.h"
#include "ops/reg_ops.h"
#include "core/reg_path.h"


#define OBJECTS_MAX  400
#define NEVER        ((unsigned) -1)
#define OCI          "application/vnd.oci.image.manifest.v1+json"
#define INDEX        "application/vnd.oci.image.index.v1+json"
#define ROOT         "files/docker/registry/v2/"
#define REPOSITORY   ROOT "repositories/a/b/"


typedef struct {
    char            name[700];
    char            type[9000];
    char            meta[200];
    unsigned char  *data;
    size_t          len;
} object_t;


static object_t   objects[OBJECTS_MAX];
static unsigned   nobjects;
static unsigned   calls;                /* made in this run */
static unsigned   fail_call;
static unsigned   hook_call;            /* before it the hook is run */
static void     (*hook)(void);
static int        keep;                 /* the tag t2 is to stay */
static unsigned   hooked;               /* its status */
static unsigned   untagged;             /* deletes of the tag t1, but of it */

static char  subject[] =
    "sha256:1111111111111111111111111111111111111111111111111111111111111111";


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
}


static void
copy(char *dst, size_t size, const reg_str_t *s)
{
    (void) snprintf(dst, size, "%.*s", (int) s->len, (char *) s->data);
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
    o->type[0] = '\0';
    o->meta[0] = '\0';
    memcpy(o->data, data, len);
}


static reg_str_t
etag_of(reg_arena_t *arena, const object_t *o)
{
    reg_digest_t  d;

    reg_digest_of(&d, REG_SHA256, o->data, o->len);

    return reg_digest_text(arena, &d);
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
    char         query[3000];
    const char  *p;

    copy(query, sizeof(query), &call->query);
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


/* three at a time, whatever "limit" says: RGW may send less, too */

static void
list(reg_flow_t *f, reg_call_t *call)
{
    char        prefix[700], marker[700];
    size_t      i, n;
    reg_buf_t   b;
    reg_str_t   etag, type;
    object_t   *o;

    call->reply.status = 200;
    query_value(call, "prefix=", prefix);
    query_value(call, "marker=", marker);
    qsort(objects, nobjects, sizeof(object_t), by_name);

    reg_buf_init(&b, f->arena, 256);
    reg_buf_char(&b, '[');

    for (i = 0, n = 0; i < nobjects && n < 3; i++) {
        o = &objects[i];

        if (strncmp(o->name, prefix, strlen(prefix)) != 0
            || strcmp(o->name, marker) <= 0)
        {
            continue;
        }

        etag = etag_of(f->arena, o);
        type.data = (unsigned char *) o->type;
        type.len = strlen(o->type);

        reg_buf_text(&b, n++ ? ",{\"name\":\"" : "{\"name\":\"");
        reg_buf_text(&b, o->name);
        reg_buf_text(&b, "\",\"hash\":\"");
        reg_buf_add_str(&b, &etag);
        reg_buf_text(&b, "\",\"content_type\":\"");
        reg_buf_add_str(&b, &type);
        reg_buf_text(&b, "\",\"bytes\":");
        reg_buf_number(&b, (int64_t) o->len);
        reg_buf_char(&b, '}');
    }

    reg_buf_char(&b, ']');
    call->reply.body = reg_buf_str(&b);
}


static void
make_call(reg_flow_t *f, reg_call_t *call)
{
    char         name[700], headers[400], *meta;
    object_t    *o;
    static char  key[] = "X-Object-Meta-Digest: ";

    memset(&call->reply, 0, sizeof(reg_reply_t));
    call->reply.length = -1;

    if (calls == hook_call) {
        hook_call = NEVER;
        hook();
    }

    if (calls++ == fail_call) {
        call->reply.status = 503;
        return;
    }

    if (call->on_container) {
        list(f, call);
        return;
    }

    copy(name, sizeof(name), &call->object);

    if (call->method == REG_PUT) {
        put(name, call->body.data, call->body.len);
        o = find(name);
        copy(o->type, sizeof(o->type), &call->content_type);
        copy(headers, sizeof(headers), &call->headers);

        meta = strstr(headers, key);
        if (meta) {
            meta += strlen(key);
            (void) sprintf(o->meta, "%.*s", (int) strcspn(meta, "\r"), meta);
        }

        call->reply.status = 201;
        return;
    }

    untagged += (call->method == REG_DELETE
                 && strstr(name, "/tags/t1/current/link"));

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
    call->reply.etag = etag_of(f->arena, o);

    if (call->method == REG_GET) {
        (void) reg_str_copy(f->arena, &call->reply.body, o->data, o->len);
        (void) reg_str_copy(f->arena, &call->reply.meta_digest, o->meta,
                            strlen(o->meta));
    }
}


static int
is_immutable(void *data, const reg_str_t *tag)
{
    (void) data;

    return reg_str_is(tag, "t2");
}


static unsigned
run(reg_flow_t *f, tap_arena_t *arena, reg_method_t method, const char *uri,
    const char *body)
{
    unsigned     i;
    reg_str_t    text, detail;
    reg_error_t  e;
    const char  *args, *type;

    memset(f, 0, sizeof(reg_flow_t));

    type = strstr(body, "\"manifests\"") ? INDEX : OCI;
    args = strchr(uri, '?');

    f->arena = &arena->arena;
    f->method = method;
    f->manifest_max = 20000;
    f->sparse = REG_SPARSE_INDEX;
    f->delete_allowed = 1;
    f->immutable = keep ? is_immutable : NULL;
    f->content_type.data = (unsigned char *) type;
    f->content_type.len = strlen(type);
    f->body_length = (int64_t) strlen(body);
    f->args.data = (unsigned char *) (args ? args + 1 : "");
    f->args.len = strlen((char *) f->args.data);

    text.data = (unsigned char *) uri;
    text.len = args ? (size_t) (args - uri) : strlen(uri);

    if (reg_route_parse(&text, &f->route, &e, &detail) != REG_OK) {
        return 400;
    }

    reg_flow_start(f);

    for ( ;; ) {
        switch (reg_flow_run(f)) {

        case REG_CALL:
            for (i = 0; i < f->ncalls; i++) {
                if (f->calls[i].failed) {
                    return 500;
                }
            }

            for (i = 0; i < f->ncalls; i++) {
                make_call(f, &f->calls[i]);
            }

            break;

        case REG_BODY:
            f->body.data = (unsigned char *) body;
            f->body.len = strlen(body);
            break;

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


static void
digest_of(char *dst, reg_alg_t alg, const char *text)
{
    reg_digest_t  d;

    reg_digest_of(&d, alg, text, strlen(text));
    *reg_digest_print((unsigned char *) dst, &d) = '\0';
}


/* one request with memory of its own and nothing that fails */

static unsigned
request(reg_method_t method, const char *uri, const char *body, char *answer,
    size_t size)
{
    unsigned     status, save_fail, save_hook, save_untagged;
    reg_flow_t   f;
    tap_arena_t  arena;

    save_untagged = untagged;
    save_fail = fail_call;
    save_hook = hook_call;
    fail_call = NEVER;
    hook_call = NEVER;

    tap_arena_init(&arena, (size_t) -1);
    status = run(&f, &arena, method, uri, body);

    if (answer) {
        copy(answer, size, &f.answer.body);
    }

    tap_arena_free(&arena);

    untagged = save_untagged;
    fail_call = save_fail;
    hook_call = save_hook;

    return status;
}


static const char  *manifest;           /* at work */
static char         sha256[200], sha512[200];
static char         push_uri[600], delete_uri[600], untagged_uri[600];


static unsigned
get(const char *reference)
{
    char  uri[400];

    (void) sprintf(uri, "/v2/a/b/manifests/%s", reference);

    return request(REG_GET, uri, "", NULL, 0);
}


static int
is_listed(const char *digest)
{
    char  uri[400], answer[20000];

    (void) sprintf(uri, "/v2/a/b/referrers/%s", subject);

    return request(REG_GET, uri, "", answer, sizeof(answer)) == 200
           && strstr(answer, digest) != NULL;
}


static int
linked(const char *digest)
{
    char  name[700];

    (void) sprintf(name, REPOSITORY "_manifests/revisions/%.6s/%s/link",
                   digest, digest + 7);

    return find(name) != NULL;
}


/* nothing that is there tells of what is not there */

static int
is_consistent(void)
{
    char          digest[200], name[700];
    unsigned      i;
    const char   *slash;
    object_t     *o;

    for (i = 0; i < nobjects; i++) {
        o = &objects[i];

        if (strstr(o->name, "/link")) {
            (void) snprintf(digest, sizeof(digest), "%.*s", (int) o->len,
                            (char *) o->data);
            (void) sprintf(name, ROOT "blobs/sha256/%.2s/%s/data",
                           digest + 7, digest + 7);

            if (find(name) == NULL) {
                printf("# a link to nothing: %s\n", o->name);
                return 0;
            }
        }

        if (strstr(o->name, "/current/link") && !linked(digest)) {
            printf("# a tag of nothing: %s\n", o->name);
            return 0;
        }

        if (strncmp(o->name, "referrers/", 10) == 0) {
            slash = strrchr(o->name, '/');
            (void) sprintf(digest, "%.6s:%s", slash - 6, slash + 1);

            if (!linked(digest)) {
                printf("# a referrer that is not there: %s\n", o->name);
                return 0;
            }
        }
    }

    return 1;
}


static int
is_there(void)
{
    return get(sha256) == 200 && get(sha512) == 200 && get("t1") == 200
           && get("t9") == 200 && is_listed(sha512);
}


static int
is_gone(void)
{
    return get(sha256) == 404 && get(sha512) == 404 && get("t1") == 404
           && get("t9") == 404 && !is_listed(sha512) && !is_listed(sha256);
}


/* another manifest, which nothing of this may touch */

static void
begin(void)
{
    static const char  other[] = "{\"schemaVersion\":2,\"mediaType\":\"" INDEX
                                 "\",\"manifests\":[]}";

    clear();
    fail_call = NEVER;
    hook_call = NEVER;

    (void) request(REG_PUT, "/v2/a/b/manifests/t1", other, NULL, 0);
    (void) request(REG_PUT, "/v2/a/b/manifests/other", other, NULL, 0);

    calls = 0;
}


static unsigned
push(size_t memory, int *enough)
{
    unsigned     status;
    reg_flow_t   f;
    tap_arena_t  arena;

    tap_arena_init(&arena, memory);
    status = run(&f, &arena, REG_PUT, push_uri, manifest);
    *enough = !arena.failed;
    tap_arena_free(&arena);

    return status;
}


static unsigned
delete(size_t memory, int *enough)
{
    unsigned     status;
    reg_flow_t   f;
    tap_arena_t  arena;

    tap_arena_init(&arena, memory);
    status = run(&f, &arena, REG_DELETE, delete_uri, "");
    *enough = !arena.failed;
    tap_arena_free(&arena);

    return status;
}


static void
test_push(void)
{
    int       right, enough;
    size_t    left;
    unsigned  n, total, status;

    begin();
    status = push((size_t) -1, &enough);
    total = calls;
    ok(status == 201 && is_there() && is_consistent(), "a push", total);
    ok(get("other") == 200, "another tag is left", 0);

    for (n = 0, right = 1; n < total; n++) {
        begin();
        fail_call = n;
        status = push((size_t) -1, &enough);
        right &= status == 503 && is_consistent() && get("other") == 200;
    }

    ok(right, "each call of a push failing in turn", n);

    for (left = 0, enough = 0, right = 1; !enough && left < 20000; left++) {
        begin();
        status = push(left, &enough);
        right &= is_consistent() && (status != 201 || is_there());
    }

    ok(right && enough, "each allocation of a push", left);
}


static void
test_delete(void)
{
    int       right, enough;
    size_t    left;
    unsigned  n, total, status;

    begin();
    (void) push((size_t) -1, &enough);
    calls = 0;
    status = delete((size_t) -1, &enough);
    total = calls;
    ok(status == 202 && is_gone() && is_consistent(), "a delete", total);
    ok(get("other") == 200, "another tag is left", 0);

    for (n = 0, right = 1; n < total; n++) {
        begin();
        (void) push((size_t) -1, &enough);
        calls = 0;
        fail_call = n;
        status = delete((size_t) -1, &enough);
        right &= status == 503 && is_consistent() && get("other") == 200;

        /* whatever was done already, it can be pushed again */

        fail_call = NEVER;
        right &= push((size_t) -1, &enough) == 201 && is_there();
    }

    ok(right, "each call of a delete failing in turn", n);

    for (left = 0, enough = 0, right = 1; !enough && left < 20000; left++) {
        begin();
        (void) push((size_t) -1, &enough);
        status = delete(left, &enough);
        right &= is_consistent() && (status != 202 || is_gone());
    }

    ok(right && enough, "each allocation of a delete", left);
}


static void
test_referrers(void)
{
    int          right, enough;
    char         uri[300], whole[20000], answer[20000];
    size_t       left;
    unsigned     n, total, status;
    reg_flow_t   f;
    tap_arena_t  arena;

    begin();
    (void) push((size_t) -1, &enough);

    (void) sprintf(uri, "/v2/a/b/referrers/%s", subject);
    calls = 0;
    status = request(REG_GET, uri, "", whole, sizeof(whole));
    total = calls;
    ok(status == 200 && strstr(whole, sha512), "referrers", total);

    for (n = 0, right = 1; n < total; n++) {
        calls = 0;
        fail_call = n;
        tap_arena_init(&arena, (size_t) -1);
        right &= run(&f, &arena, REG_GET, uri, "") == 503;
        tap_arena_free(&arena);
    }

    fail_call = NEVER;
    ok(right, "each call of a list failing in turn", n);

    for (left = 0, enough = 0, right = 1; !enough && left < 20000; left++) {
        tap_arena_init(&arena, left);
        status = run(&f, &arena, REG_GET, uri, "");
        enough = !arena.failed;

        if (status == 200) {
            copy(answer, sizeof(answer), &f.answer.body);
            right &= strcmp(answer, whole) == 0;
        }

        tap_arena_free(&arena);
    }

    ok(right && enough, "each allocation of a list", left);
}


static void
delete_all(void)
{
    hooked = request(REG_DELETE, delete_uri, "", NULL, 0);
}


static void
push_all(void)
{
    hooked = request(REG_PUT, push_uri, manifest, NULL, 0);
}


/*
 * A delete is whole between two calls of a push: then it came before it or
 * behind it, and all is there or nothing is.
 */

static void
test_races(void)
{
    int       right, enough;
    unsigned  n, total, status, done;

    begin();
    (void) push((size_t) -1, &enough);
    total = calls;

    for (n = 0, right = 1, done = 0; n < total; n++) {
        begin();
        (void) push((size_t) -1, &enough);
        calls = 0;
        hook = delete_all;
        hook_call = n;
        status = push((size_t) -1, &enough);
        done += (status == 201 && hooked == 202);
        right &= is_consistent()
                 && (status != 201 || is_there() || is_gone());
    }

    ok(right && done > 5, "a delete in between the calls of a push", done);

    begin();
    (void) push((size_t) -1, &enough);
    calls = 0;
    (void) delete((size_t) -1, &enough);
    total = calls;

    for (n = 0, right = 1, done = 0; n < total; n++) {
        begin();
        (void) push((size_t) -1, &enough);
        calls = 0;
        hook = push_all;
        hook_call = n;
        status = delete((size_t) -1, &enough);
        done += (status == 202 && hooked == 201);
        right &= is_consistent()
                 && (get(sha512) != 200 || is_listed(sha512));
    }

    ok(right && done > 5, "a push in between the calls of a delete", done);
}


static void
delete_tag(void)
{
    hooked = request(REG_DELETE, "/v2/a/b/manifests/t1", "", NULL, 0);
}


/* a tag is listed by any of its objects */

static int
is_whole(const char *tag)
{
    char      name[700];
    unsigned  i, n;

    (void) sprintf(name, REPOSITORY "_manifests/tags/%s/", tag);

    for (i = 0, n = 0; i < nobjects; i++) {
        n += (strncmp(objects[i].name, name, strlen(name)) == 0);
    }

    return n == 0 || get(tag) == 200;
}


/*
 * The tag is deleted, and whatever else is done to it in between: it is there
 * or it is not, and the cache is told.
 */

static void
test_tag_races(void)
{
    int       right, enough;
    char      digest_uri[600];
    size_t    i;
    unsigned  n, total, status, done;

    static const struct {
        void       (*hook)(void);
        const char  *what;
    } others[] = {
        { push_all, "a push in between the calls of a tag's delete" },
        { delete_tag, "a delete in between those of another one" },
        { delete_all, "a delete by digest in between" }
    };

    (void) strcpy(digest_uri, delete_uri);

    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {

        for (n = 0, total = 1, right = 1, done = 0; n < total; n++) {
            begin();
            (void) push((size_t) -1, &enough);

            calls = 0;
            untagged = 0;
            hook = others[i].hook;
            hook_call = n;

            (void) strcpy(delete_uri, "/v2/a/b/manifests/t1");
            status = delete((size_t) -1, &enough);
            (void) strcpy(delete_uri, digest_uri);

            total = calls > total ? calls : total;
            done += (status == 202);
            right &= is_consistent() && is_whole("t1")
                     && (status != 202 || untagged == 1);
        }

        ok(right && done > 3, others[i].what, done);
    }
}


/*
 * A tag that is to stay is pushed in between the calls of a delete by digest:
 * whatever was told 201 is there, and the delete is refused or came before.
 */

static void
test_immutable(void)
{
    int       right, enough;
    unsigned  n, total, status, done, refused;

    keep = 1;

    begin();
    (void) push((size_t) -1, &enough);
    ok(delete((size_t) -1, &enough) == 403 && is_there(),
       "a delete by digest of an immutable tag's manifest", 0);
    ok(request(REG_DELETE, "/v2/a/b/manifests/t2", "", NULL, 0) == 403
       && request(REG_DELETE, "/v2/a/b/manifests/t3", "", NULL, 0) == 202
       && get("t2") == 200 && get("t3") == 404,
       "a delete by tag", 0);

    total = 1;

    for (n = 0, right = 1, done = 0, refused = 0; n < total; n++) {
        begin();
        (void) request(REG_PUT, untagged_uri, manifest, NULL, 0);
        calls = 0;
        hooked = 0;
        hook = push_all;
        hook_call = n;
        status = delete((size_t) -1, &enough);
        total = calls > total ? calls : total;
        done += (status == 202 && hooked == 201);
        refused += (status == 403 && hooked == 201);
        right &= is_consistent() && (hooked == 201 || hooked == 0)
                 && (status == 202 || status == 403)
                 && (hooked == 0 || (get("t2") == 200 && get(sha256) == 200
                                     && get(sha512) == 200))
                 && (status != 403 || is_there());
    }

    ok(right && done && refused > 5, "its push in between the calls of a"
       " delete by digest", refused);

    keep = 0;
}


static void
test_sparse(void)
{
    static const char  image[] = "{\"schemaVersion\":2,\"mediaType\":\"" OCI
        "\",\"config\":{\"mediaType\":\"x/y\",\"size\":1,\"digest\":\"sha256:"
        "2222222222222222222222222222222222222222222222222222222222222222\"},"
        "\"layers\":[]}";

    begin();
    ok(request(REG_PUT, "/v2/a/b/manifests/x", image, NULL, 0) == 400
       && get("x") == 404, "an image without its config", 0);
    ok(request(REG_PUT, "/v2/a/b/manifests/x?tag=y", image, NULL, 0) == 400,
       "tag parameters with a tag", 0);
}


/* link and data of config and layer, however often they are named; none is
   there, so that the container is looked for */

static void
test_named_often(void)
{
    size_t       i, n;
    unsigned     before;
    static char  image[4000];

    static const char  layer[] = "{\"mediaType\":\"x/y\",\"size\":1,\"digest\":"
        "\"sha256:"
        "3333333333333333333333333333333333333333333333333333333333333333\"}";

    n = (size_t) sprintf(image, "{\"schemaVersion\":2,\"mediaType\":\"" OCI
        "\",\"config\":{\"mediaType\":\"x/y\",\"size\":1,\"digest\":\"sha256:"
        "2222222222222222222222222222222222222222222222222222222222222222\"},"
        "\"layers\":[%s", layer);

    for (i = 0; i < 25; i++) {
        n += (size_t) sprintf(image + n, ",%s", layer);
    }

    (void) sprintf(image + n, "]}");

    begin();
    before = calls;
    ok(request(REG_PUT, "/v2/a/b/manifests/x", image, NULL, 0) == 400
       && calls - before == 5, "a layer that is named often", calls - before);
}


/* of many layers that nobody has only those are asked for that are named */

static void
test_missing(void)
{
    size_t       i, n;
    unsigned     before;
    static char  image[40000];

    n = (size_t) sprintf(image, "{\"schemaVersion\":2,\"mediaType\":\"" OCI
        "\",\"config\":{\"mediaType\":\"x/y\",\"size\":1,\"digest\":\"sha256:"
        "2222222222222222222222222222222222222222222222222222222222222222\"},"
        "\"layers\":[");

    for (i = 0; i < 100; i++) {
        n += (size_t) sprintf(image + n, "%s{\"mediaType\":\"x/y\",\"size\":1,"
            "\"digest\":\"sha256:%064u\"}", i ? "," : "", (unsigned) i);
    }

    (void) sprintf(image + n, "]}");

    begin();
    before = calls;
    ok(request(REG_PUT, "/v2/a/b/manifests/x", image, NULL, 0) == 400
       && calls - before <= 2 * REG_CALLS_MAX + 1, "many that are missing",
       calls - before);
}


int
main(void)
{
    int           large;
    size_t        i, n;
    static char   text[9000];

    for (large = 0; large < 2; large++) {

        n = (size_t) sprintf(text, "{\"schemaVersion\":2,\"mediaType\":\"" INDEX
                             "\",\"manifests\":[],\"subject\":{\"mediaType\":"
                             "\"x/y\",\"size\":1,\"digest\":\"%s\"},"
                             "\"annotations\":{\"a\":\"", subject);

        for (i = 0; large && i < 5000; i++) {
            text[n++] = 'a';
        }

        (void) sprintf(text + n, "\"}}");

        manifest = text;
        digest_of(sha256, REG_SHA256, manifest);
        digest_of(sha512, REG_SHA512, manifest);

        n = (size_t) sprintf(push_uri, "/v2/a/b/manifests/%s?tag=t0", sha512);

        for (i = 1; i < 20; i++) {
            n += (size_t) sprintf(push_uri + n, "&tag=t%zu", i);
        }

        (void) sprintf(untagged_uri, "/v2/a/b/manifests/%s", sha512);
        (void) sprintf(delete_uri, "/v2/a/b/manifests/%s",
                       large ? sha512 : sha256);

        test_push();
        test_delete();
        test_referrers();
        test_races();
        test_tag_races();
        test_immutable();
    }

    test_sparse();
    test_named_often();
    test_missing();
    clear();

    return tap_end();
}
