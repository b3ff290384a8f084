/* paths to operations, and what their queries may say */

#include "tap.h"

#include "core/reg_params.h"
#include "core/reg_route.h"


#define ROWS(table)  (sizeof(table) / sizeof((table)[0]))

#define D64   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define UUID  "01234567-89ab-4cde-8f01-23456789abcd"


/* what is wrong is "kind" NONE or an error; "-" stands for no string */

static const struct {
    const char        *path;
    reg_route_kind_t   kind;
    reg_error_t        error;           /* REG_E_LAST: none */
    reg_slash_t        moved;
    const char        *prefix;
    const char        *name;
    const char        *reference;
} rows[] = {
    { "/v2/", REG_ROUTE_PING, REG_E_LAST, 0, "", "", "" },
    { "/v2", REG_ROUTE_PING, REG_E_LAST, REG_SLASH_MISSING, "", "", "" },
    { "/a/b/v2", REG_ROUTE_PING, REG_E_LAST, REG_SLASH_MISSING, "/a/b", "",
      "" },
    { "/v2/_catalog", REG_ROUTE_CATALOG, REG_E_LAST, 0, "", "", "" },
    { "/a/v2/_catalog/", REG_ROUTE_CATALOG, REG_E_LAST, REG_SLASH_SURPLUS,
      "/a", "", "" },
    { "/v2/a/tags/list", REG_ROUTE_TAGS, REG_E_LAST, 0, "", "a", "" },
    { "/v2/a/tags/list/", REG_ROUTE_TAGS, REG_E_LAST, REG_SLASH_SURPLUS, "",
      "a", "" },
    { "/v2/v2/a/tags/list", REG_ROUTE_TAGS, REG_E_LAST, 0, "", "v2/a", "" },
    { "/v2/tags/list/tags/list", REG_ROUTE_TAGS, REG_E_LAST, 0, "",
      "tags/list", "" },
    { "/v2/a/manifests/tags/list", REG_ROUTE_TAGS, REG_E_LAST, 0, "",
      "a/manifests", "" },
    { "/v2/a/manifests/v1", REG_ROUTE_MANIFEST, REG_E_LAST, 0, "", "a",
      "v1" },
    { "/v2/a/manifests/uploads", REG_ROUTE_MANIFEST, REG_E_LAST, 0, "", "a",
      "uploads" },
    { "/v2/a/manifests/sha256:" D64, REG_ROUTE_MANIFEST, REG_E_LAST, 0, "",
      "a", "sha256:" D64 },
    { "/v2/a/blobs/sha256:" D64, REG_ROUTE_BLOB, REG_E_LAST, 0, "", "a",
      "sha256:" D64 },
    { "/v2/a/blobs/uploads", REG_ROUTE_UPLOADS, REG_E_LAST, 0, "", "a", "" },
    { "/v2/a/blobs/uploads/", REG_ROUTE_UPLOADS, REG_E_LAST, 0, "", "a", "" },
    { "/v2/a/blobs/uploads/" UUID, REG_ROUTE_UPLOAD, REG_E_LAST, 0, "", "a",
      UUID },
    { "/v2/blobs/uploads/blobs/uploads/", REG_ROUTE_UPLOADS, REG_E_LAST, 0,
      "", "blobs/uploads", "" },
    { "/v2/a/blobs/uploads/manifests/v1", REG_ROUTE_MANIFEST, REG_E_LAST, 0,
      "", "a/blobs/uploads", "v1" },

    { "", REG_ROUTE_NONE, REG_E_NOT_FOUND, 0, "", "", "" },
    { "/", REG_ROUTE_NONE, REG_E_NOT_FOUND, 0, "", "", "" },
    { "/v3/", REG_ROUTE_NONE, REG_E_NOT_FOUND, 0, "", "", "" },
    { "//host/v2/a/tags/list/", REG_ROUTE_NONE, REG_E_NOT_FOUND, 0, "", "",
      "" },
    { "//host/v2", REG_ROUTE_NONE, REG_E_NOT_FOUND, 0, "", "", "" },
    { "//v2/a/blobs/uploads/", REG_ROUTE_NONE, REG_E_NOT_FOUND, 0, "", "",
      "" },
    { "/v2/_catalog//", REG_ROUTE_NONE, REG_E_NOT_FOUND, 0, "", "", "" },
    { "/v2/a", REG_ROUTE_NONE, REG_E_NOT_FOUND, 0, "", "", "" },
    { "/v2/a/", REG_ROUTE_NONE, REG_E_NOT_FOUND, 0, "", "", "" },
    { "/v2/tags/list", REG_ROUTE_NONE, REG_E_NOT_FOUND, 0, "", "", "" },
    { "/v2/manifests/v1", REG_ROUTE_NONE, REG_E_NOT_FOUND, 0, "", "", "" },
    { "/v2/a/manifests/", REG_ROUTE_NONE, REG_E_NOT_FOUND, 0, "", "", "" },
    { "/v2/a/tags/list/x", REG_ROUTE_NONE, REG_E_NOT_FOUND, 0, "", "", "" },
    { "/v2//tags/list", REG_ROUTE_NONE, REG_E_NOT_FOUND, 0, "", "", "" },
    { "/v2/A/tags/list", REG_ROUTE_TAGS, REG_E_NAME_INVALID, 0, "", "A", "" },
    { "/v2/a//b/tags/list", REG_ROUTE_TAGS, REG_E_NAME_INVALID, 0, "",
      "a//b", "" },
    { "/v2/a/../b/tags/list", REG_ROUTE_TAGS, REG_E_NAME_INVALID, 0, "",
      "a/../b", "" },
    { "/v2/_catalog/tags/list", REG_ROUTE_TAGS, REG_E_NAME_INVALID, 0, "",
      "_catalog", "" },
    { "/v2/a/manifests/.v1", REG_ROUTE_MANIFEST, REG_E_TAG_INVALID, 0, "",
      "a", ".v1" },
    { "/v2/a/manifests/md5:0", REG_ROUTE_MANIFEST, REG_E_DIGEST_INVALID, 0,
      "", "a", "md5:0" },
    { "/v2/a/blobs/v1", REG_ROUTE_BLOB, REG_E_DIGEST_INVALID, 0, "", "a",
      "v1" },
    { "/v2/a/blobs/uploads/x", REG_ROUTE_UPLOAD, REG_E_BLOB_UPLOAD_UNKNOWN,
      0, "", "a", "x" }
};


static void
test_paths(void)
{
    size_t       i;
    reg_rc_t     rc;
    reg_str_t    uri, detail;
    reg_route_t  route;
    reg_error_t  e;
    tap_arena_t  arena;

    tap_arena_init(&arena, SIZE_MAX);

    for (i = 0; i < ROWS(rows); i++) {
        uri = tap_str(&arena, rows[i].path, strlen(rows[i].path));

        rc = reg_route_parse(&uri, &route, &e, &detail);

        ok((rc == REG_OK) == (rows[i].error == REG_E_LAST), rows[i].path, i);
        ok(rc == REG_OK || e == rows[i].error, "its error", i);
        ok(route.kind == rows[i].kind, "its kind", i);
        ok(route.moved == rows[i].moved, "its slash", i);
        ok(tap_is(&route.prefix, rows[i].prefix), "its prefix", i);
        ok(tap_is(&route.name, rows[i].name), "its name", i);
        ok(tap_is(&route.reference, rows[i].reference), "its reference", i);
    }

    tap_arena_free(&arena);
}


static void
test_allow(void)
{
    ok(strcmp(reg_route_allow(REG_ROUTE_BLOB, 0), "GET, HEAD") == 0,
       "no DELETE of blobs when it is off", 0);
    ok(strcmp(reg_route_allow(REG_ROUTE_BLOB, 1), "DELETE, GET, HEAD") == 0,
       "DELETE of blobs when it is on", 0);
    ok(strstr(reg_route_allow(REG_ROUTE_UPLOAD, 0), "DELETE") != NULL,
       "an upload can always be cancelled", 0);
    ok(reg_route_allow(REG_ROUTE_NONE, 1) == NULL,
       "nothing is allowed nowhere", 0);
}


/* the values that a rule may stand on */

static const struct {
    reg_method_t       method;
    const char        *path;
    const char        *args;
    reg_error_t        error;           /* REG_E_LAST: none */
    const char        *detail;          /* NULL: any */
} queries[] = {
    { REG_POST, "/v2/a/blobs/uploads/", "", REG_E_LAST, NULL },
    { REG_POST, "/v2/a/blobs/uploads/", "mount=sha256:" D64 "&from=b%2Fc",
      REG_E_LAST, NULL },
    { REG_POST, "/v2/a/blobs/uploads/", "mount=&from=&digest=", REG_E_LAST,
      NULL },
    { REG_POST, "/v2/a/blobs/uploads/", "other=%0d%0a", REG_E_LAST, NULL },
    { REG_POST, "/v2/a/blobs/uploads/", "from=B", REG_E_NAME_INVALID, "B" },
    { REG_POST, "/v2/a/blobs/uploads/", "from=a,b", REG_E_NAME_INVALID,
      "a,b" },
    { REG_POST, "/v2/a/blobs/uploads/", "from=a%0d%0aX:%20y",
      REG_E_DIGEST_INVALID, NULL },
    { REG_POST, "/v2/a/blobs/uploads/", "fro%6d=a%7f", REG_E_DIGEST_INVALID,
      NULL },
    { REG_POST, "/v2/a/blobs/uploads/", "from=a&from=a",
      REG_E_DIGEST_INVALID, NULL },
    { REG_POST, "/v2/a/blobs/uploads/", "mount=x", REG_E_DIGEST_INVALID,
      "x" },
    { REG_POST, "/v2/a/blobs/uploads/", "digest=x", REG_E_DIGEST_INVALID,
      "x" },
    { REG_POST, "/v2/a/blobs/uploads/", "digest-algorithm=md5",
      REG_E_DIGEST_INVALID, "md5" },
    { REG_PUT, "/v2/a/blobs/uploads/" UUID, "digest=sha256:" D64 "0",
      REG_E_DIGEST_INVALID, NULL },
    { REG_PATCH, "/v2/a/blobs/uploads/" UUID, "digest=x", REG_E_LAST, NULL },
    { REG_PUT, "/v2/a/manifests/sha256:" D64, "tag=v1&tag=v2", REG_E_LAST,
      NULL },
    { REG_PUT, "/v2/a/manifests/sha256:" D64, "tag=v1&tag=-v2",
      REG_E_TAG_INVALID, "-v2" },
    { REG_PUT, "/v2/a/manifests/sha256:" D64, "tag=v1&tag=",
      REG_E_TAG_INVALID, "" },
    { REG_PUT, "/v2/a/manifests/sha256:" D64, "tag=v%0a",
      REG_E_TAG_INVALID, NULL },
    { REG_GET, "/v2/a/manifests/sha256:" D64, "tag=%0a", REG_E_LAST, NULL },
    { REG_GET, "/v2/a/tags/list", "n=x&last=%c3%a4", REG_E_LAST, NULL },
    { REG_HEAD, "/v2/a/tags/list", "n=%0a", REG_E_PAGINATION_NUMBER_INVALID,
      NULL },
    { REG_GET, "/v2/_catalog", "last=%1b", REG_E_PAGINATION_NUMBER_INVALID,
      NULL },
    { REG_GET, "/v2/_catalog", "last=%zz", REG_E_PAGINATION_NUMBER_INVALID,
      NULL },
    { REG_GET, "/v2/a/referrers/sha256:" D64, "last=x", REG_E_DIGEST_INVALID,
      "x" },
    { REG_GET, "/v2/a/referrers/sha256:" D64, "artifactType=%0a",
      REG_E_PAGINATION_NUMBER_INVALID, NULL },
    { REG_GET, "/v2/a/referrers/sha256:" D64, "artifactType=a/b+c",
      REG_E_LAST, NULL }
};


static void
test_queries(void)
{
    size_t       i;
    reg_rc_t     rc;
    reg_str_t    uri, args, detail;
    reg_route_t  route;
    reg_error_t  e;
    tap_arena_t  arena, none;

    tap_arena_init(&arena, SIZE_MAX);
    tap_arena_init(&none, 0);

    for (i = 0; i < ROWS(queries); i++) {
        uri = tap_str(&arena, queries[i].path, strlen(queries[i].path));
        args = tap_str(&arena, queries[i].args, strlen(queries[i].args));

        ok(reg_route_parse(&uri, &route, &e, &detail) == REG_OK,
           queries[i].path, i);

        rc = reg_params_check(&arena.arena, &route, queries[i].method, &args,
                              &e, &detail);

        ok(queries[i].error == REG_E_LAST
           ? rc == REG_OK : (rc == REG_BAD && e == queries[i].error),
           queries[i].args, i);
        ok(queries[i].detail == NULL || tap_is(&detail, queries[i].detail),
           "its detail", i);
    }

    uri = tap_str(&arena, queries[1].path, strlen(queries[1].path));
    args = tap_str(&arena, queries[1].args, strlen(queries[1].args));

    (void) reg_route_parse(&uri, &route, &e, &detail);

    ok(reg_params_check(&none.arena, &route, REG_POST, &args, &e, &detail)
       == REG_NOMEM, "without memory", 0);

    tap_arena_free(&arena);
    tap_arena_free(&none);
}


int
main(void)
{
    test_paths();
    test_allow();
    test_queries();

    return tap_end();
}
