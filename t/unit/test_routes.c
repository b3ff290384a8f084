/* paths to operations */

#include "tap.h"

#include "reg_route.h"


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


int
main(void)
{
    test_paths();
    test_allow();

    return tap_end();
}
