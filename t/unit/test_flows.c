/*
 * The flows, driven against a store in memory: what they write, and that no
 * call and no allocation that fails leaves a wrong blob, a link to nothing,
 * or an acknowledged thing that is not there.
 */

#include <stdio.h>

#include "store.h"


static const char  layer[] = "the bytes of a layer";
static const char  rest[] = " and of its second part";


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


/* Swift answers 404 for whatever is asked of a container that is gone */

static void
test_no_container(void)
{
    char         uri[2000], digest[100];
    size_t       i;
    unsigned     status;
    reg_flow_t   f;
    tap_arena_t  arena;

    static char  doc[600];

    static const struct {
        reg_method_t  method;
        const char   *uri, *body;
    } rows[] = {
        { REG_POST, "/v2/a/b/blobs/uploads/?digest=%s", "" },
        { REG_PATCH, NULL, "bytes" },
        { REG_GET, "/v2/a/b/tags/list", "" },
        { REG_GET, "/v2/_catalog", "" },
        { REG_GET, "/v2/a/b/referrers/%s", "" },
        { REG_GET, "/v2/a/b/blobs/%s", "" },
        { REG_HEAD, "/v2/a/b/blobs/%s", "" },
        { REG_DELETE, "/v2/a/b/blobs/%s", "" },
        { REG_GET, "/v2/a/b/manifests/v1", "" },
        { REG_HEAD, "/v2/a/b/manifests/%s", "" },
        { REG_PUT, "/v2/a/b/manifests/v1", doc },
        { REG_DELETE, "/v2/a/b/manifests/v1", "" },
        { REG_DELETE, "/v2/a/b/manifests/%s", "" }
    };

    clear();
    fail_call = NEVER;
    text_of(digest, "");
    (void) sprintf(doc, "{\"schemaVersion\":2,\"mediaType\":"
                   "\"application/vnd.oci.image.manifest.v1+json\","
                   "\"config\":{\"mediaType\":\"x/y\",\"digest\":\"%s\","
                   "\"size\":0},\"layers\":[]}", digest);
    tap_arena_init(&arena, (size_t) -1);

    no_container = 1;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {

        if (rows[i].uri) {
            (void) snprintf(uri, sizeof(uri), rows[i].uri, digest);
        } else {
            (void) run(&f, &arena, REG_POST, "/v2/a/b/blobs/uploads/", "",
                       "");
            (void) location(&f, uri);
        }

        status = run(&f, &arena, rows[i].method, uri, rows[i].body,
                     "application/vnd.oci.image.manifest.v1+json");
        ok(status == 503 && f.answer.error == REG_E_UNAVAILABLE,
           "a container that is gone", i);
    }

    no_container = 0;
    tap_arena_free(&arena);
}


/* one that is there is asked for only where nothing else has told so */

static void
test_looks(void)
{
    char         uri[2000], digest[100];
    size_t       i;
    unsigned     status, manifest;
    reg_flow_t   f;
    tap_arena_t  arena;

    static const struct {
        reg_method_t  method;
        const char   *uri, *word;
        unsigned      status;
        int           looks;
    } rows[] = {
        { REG_GET, "/v2/a/b/blobs/%s", "Not Found", 200, 0 },
        { REG_GET, "/v2/a/b/manifests/v1", "Not Found", 200, 0 },
        { REG_GET, "/v2/a/c/blobs/%s", "Not Found", 404, 1 },
        { REG_GET, "/v2/a/c/manifests/v1", "Not Found", 404, 1 },
        { REG_GET, "/v2/a/c/blobs/%s", "NoSuchKey", 404, 0 },
        { REG_HEAD, "/v2/a/c/blobs/%s", "NoSuchKey", 404, 0 },
        { REG_GET, "/v2/a/c/manifests/v1", "NoSuchKey", 404, 0 },
        { REG_GET, "/v2/a/b/nothing", "Not Found", 404, 0 },
        { REG_GET, "/v2/a/b/blobs/uploads/none", "Not Found", 404, 0 }
    };

    clear();
    fail_call = NEVER;
    text_of(digest, layer);
    tap_arena_init(&arena, (size_t) -1);
    (void) push(&arena, 1, &manifest);

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        (void) snprintf(uri, sizeof(uri), rows[i].uri, digest);
        missing = rows[i].word;
        looked = 0;

        status = run(&f, &arena, rows[i].method, uri, "", "");
        ok(status == rows[i].status && looked == rows[i].looks,
           "is the container looked for?", i);
    }

    missing = "Not Found";
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


/* a slice, and the one that may be fetched ahead */

static void
test_slices(void)
{
    char              uri[200], name[300], link[100];
    const char       *hex;
    reg_flow_t        f;
    tap_arena_t       arena;
    static const char data[200 * 1024];

    tap_arena_init(&arena, (size_t) -1);
    clear();

    text_of(link, layer);
    hex = link + strlen("sha256:");

    (void) sprintf(name, "files/docker/registry/v2/blobs/sha256/%.2s/%s/data",
                   hex, hex);
    put(name, data, sizeof(data));
    (void) sprintf(name, "files/docker/registry/v2/repositories/a/b/_layers/"
                   "sha256/%s/link", hex);
    put(name, link, strlen(link));
    (void) sprintf(uri, "/v2/a/b/blobs/%s", link);

    slice = 128 * 1024;
    ok(run(&f, &arena, REG_GET, uri, "", "") == 200, "a blob in slices", 0);
    ok(f.todo == REG_RANGE && f.ncalls == 2
       && f.calls[0].skip == 0 && f.calls[0].take == slice
       && tap_is(&f.calls[0].want_range, "bytes 0-131071/204800"),
       "the first one", f.ncalls);
    ok(f.calls[1].slice == slice && f.calls[1].take == 72 * 1024
       && tap_is(&f.calls[1].want_range, "bytes 131072-204799/204800"),
       "the one behind it", (size_t) f.calls[1].take);

    f.calls[0].reply.status = 206;
    ok(reg_flow_run(&f) == REG_RANGE && f.ncalls == 1
       && tap_is(&f.calls[0].want_range, "bytes 131072-204799/204800"),
       "the last one has none behind it", f.ncalls);

    f.calls[0].reply.status = 206;
    ok(reg_flow_run(&f) == REG_ANSWER, "the end", 0);

    /* the disk was full: what was sent is told, the rest is no slice */

    (void) run(&f, &arena, REG_GET, uri, "", "");
    f.calls[0].reply.status = 206;
    f.calls[0].take = 1000;
    f.slice = 0;
    ok(reg_flow_run(&f) == REG_RANGE && f.ncalls == 1 && f.calls[0].slice == 0
       && tap_is(&f.calls[0].want_range, "bytes 1000-204799/204800"),
       "a slice that was not kept: the rest", f.ncalls);

    f.calls[0].reply.status = 206;
    ok(reg_flow_run(&f) == REG_ANSWER, "and its end", 0);

    slice = 0;
    tap_arena_free(&arena);
}


/* the bytes may be asked for instead of their size: if all are wanted here */

static void
test_early(void)
{
    char         uri[200], link[100];
    size_t       i;
    reg_str_t    text, detail;
    reg_flow_t   f;
    reg_error_t  e;
    tap_arena_t  arena;

    static const struct {
        reg_method_t  method;
        const char   *range, *if_none_match, *redirect;
        int64_t       slice;
        unsigned      early;
    } reads[] = {
        { REG_GET, "", "", "", 0, 1 },
        { REG_HEAD, "", "", "", 0, 0 },
        { REG_GET, "bytes=0-1", "", "", 0, 0 },
        { REG_GET, "", "\"tag\"", "", 0, 0 },
        { REG_GET, "", "", "http://rgw", 0, 0 },
        { REG_GET, "", "", "", 256 * 1024, 0 }
    };

    text_of(link, layer);
    text.data = (unsigned char *) uri;
    text.len = (size_t) sprintf(uri, "/v2/a/b/blobs/%s", link);

    for (i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {

        tap_arena_init(&arena, (size_t) -1);
        memset(&f, 0, sizeof(reg_flow_t));

        f.arena = &arena.arena;
        f.method = reads[i].method;
        f.range.data = (unsigned char *) reads[i].range;
        f.range.len = strlen(reads[i].range);
        f.if_none_match.data = (unsigned char *) reads[i].if_none_match;
        f.if_none_match.len = strlen(reads[i].if_none_match);
        f.redirect.data = (unsigned char *) reads[i].redirect;
        f.redirect.len = strlen(reads[i].redirect);
        f.slice = reads[i].slice;

        (void) reg_route_parse(&text, &f.route, &e, &detail);
        reg_flow_start(&f);

        ok(reg_flow_run(&f) == REG_CALL && f.ncalls == 2
           && f.calls[1].method == REG_HEAD
           && f.calls[1].early == reads[i].early, "a blob's bytes, early", i);

        tap_arena_free(&arena);
    }
}


int
main(void)
{
    test_push(1);
    test_push(2);
    test_memory(1);
    test_memory(2);
    test_refusals();
    test_no_container();
    test_looks();
    test_delete_by_digest();
    test_slices();
    test_early();

    clear();

    return tap_end();
}
