#include "reg_route.h"
#include "reg_name.h"


static const unsigned char *find(const reg_str_t *s, const char *what);
static int match(const char *shape, const reg_str_t *path,
    reg_route_t *route);
static reg_rc_t check_digest(reg_route_t *route, reg_error_t *e,
    reg_str_t *detail);


/*
 * All of the API, what follows "/v2/".  A star at the beginning is a name, one
 * at the end is the rest without a slash; neither is empty.  The first row
 * that fits holds.
 */

static const struct {
    const char       *shape;
    reg_route_kind_t  kind;
    const char       *text;
    const char       *allow[2];         /* registry_delete off, on */
} routes[] = {

    { "", REG_ROUTE_PING, "ping",
      { "GET, HEAD", "GET, HEAD" } },

    { "_catalog", REG_ROUTE_CATALOG, "catalog",
      { "GET, HEAD", "GET, HEAD" } },

    { "*/tags/list", REG_ROUTE_TAGS, "tags",
      { "GET, HEAD", "GET, HEAD" } },

    /* both, since clients make a GET of a POST that is sent elsewhere */

    { "*/blobs/uploads/", REG_ROUTE_UPLOADS, "upload",
      { "POST", "POST" } },

    { "*/blobs/uploads", REG_ROUTE_UPLOADS, "upload",
      { "POST", "POST" } },

    { "*/manifests/*", REG_ROUTE_MANIFEST, "manifest",
      { "GET, HEAD, PUT", "DELETE, GET, HEAD, PUT" } },

    { "*/referrers/*", REG_ROUTE_REFERRERS, "referrers",
      { "GET, HEAD", "GET, HEAD" } },

    { "*/blobs/uploads/*", REG_ROUTE_UPLOAD, "upload",
      { "DELETE, GET, HEAD, PATCH, PUT", "DELETE, GET, HEAD, PATCH, PUT" } },

    { "*/blobs/*", REG_ROUTE_BLOB, "blob",
      { "GET, HEAD", "DELETE, GET, HEAD" } }
};


const char *
reg_route_text(reg_route_kind_t kind)
{
    size_t  i;

    for (i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (routes[i].kind == kind) {
            return routes[i].text;
        }
    }

    return "none";
}


const char *
reg_route_allow(reg_route_kind_t kind, int delete_allowed)
{
    size_t  i;

    for (i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (routes[i].kind == kind) {
            return routes[i].allow[delete_allowed != 0];
        }
    }

    return NULL;
}


static reg_route_kind_t
route_kind(const reg_str_t *path, reg_route_t *route)
{
    size_t  i;

    for (i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (match(routes[i].shape, path, route)) {
            return routes[i].kind;
        }
    }

    return REG_ROUTE_NONE;
}


/* the path, else as it would be with one slash less at its end */

static reg_route_kind_t
route_path(const reg_str_t *uri, reg_route_t *route)
{
    reg_str_t             path;
    reg_route_kind_t      kind;
    const unsigned char  *p;

    /* to a browser a Location of two slashes first is another host's */

    if (reg_str_starts(uri, "//")) {
        return REG_ROUTE_NONE;
    }

    p = find(uri, "/v2/");

    if (p == NULL) {

        if (uri->len < 3 || memcmp(uri->data + uri->len - 3, "/v2", 3) != 0) {
            return REG_ROUTE_NONE;
        }

        route->prefix.data = uri->data;
        route->prefix.len = uri->len - 3;
        route->moved = REG_SLASH_MISSING;

        return REG_ROUTE_PING;
    }

    route->prefix.data = uri->data;
    route->prefix.len = (size_t) (p - uri->data);

    path.data = uri->data + route->prefix.len + 4;
    path.len = uri->len - route->prefix.len - 4;

    kind = route_kind(&path, route);

    if (kind == REG_ROUTE_NONE && path.len
        && path.data[path.len - 1] == '/')
    {
        path.len--;
        kind = route_kind(&path, route);

        if (kind != REG_ROUTE_NONE) {
            route->moved = REG_SLASH_SURPLUS;
        }
    }

    return kind;
}


reg_rc_t
reg_route_parse(const reg_str_t *uri, reg_route_t *route, reg_error_t *e,
    reg_str_t *detail)
{
    size_t  i;

    memset(route, 0, sizeof(reg_route_t));
    route->kind = REG_ROUTE_NONE;

    *e = REG_E_NOT_FOUND;
    *detail = *uri;

    route->kind = route_path(uri, route);

    if (route->kind == REG_ROUTE_NONE) {
        return REG_BAD;
    }

    if (route->kind == REG_ROUTE_PING || route->kind == REG_ROUTE_CATALOG) {
        return REG_OK;
    }

    if (!reg_name_valid(&route->name)) {
        *e = REG_E_NAME_INVALID;
        *detail = route->name;
        return REG_BAD;
    }

    if (route->kind == REG_ROUTE_BLOB || route->kind == REG_ROUTE_REFERRERS) {
        return check_digest(route, e, detail);
    }

    if (route->kind == REG_ROUTE_MANIFEST) {

        if (memchr(route->reference.data, ':', route->reference.len)) {
            return check_digest(route, e, detail);
        }

        if (!reg_tag_valid(&route->reference)) {
            *e = REG_E_TAG_INVALID;
            *detail = route->reference;
            return REG_BAD;
        }
    }

    if (route->kind == REG_ROUTE_UPLOAD) {

        *e = REG_E_BLOB_UPLOAD_UNKNOWN;
        *detail = route->reference;

        if (route->reference.len != 36) {
            return REG_BAD;
        }

        for (i = 0; i < 36; i++) {
            if (strchr("0123456789abcdef-", route->reference.data[i]) == NULL
                || route->reference.data[i] == '\0')
            {
                return REG_BAD;
            }
        }
    }

    return REG_OK;
}


static reg_rc_t
check_digest(reg_route_t *route, reg_error_t *e, reg_str_t *detail)
{
    static const reg_str_t  form = reg_string("a digest is sha256:, sha384: or"
                                              " sha512: and all of its digits,"
                                              " in lower case hexadecimal");

    if (reg_digest_parse(&route->reference, &route->digest) != REG_OK) {
        *e = REG_E_DIGEST_INVALID;
        *detail = form;
        return REG_BAD;
    }

    route->by_digest = 1;

    return REG_OK;
}


static const unsigned char *
find(const reg_str_t *s, const char *what)
{
    size_t  i, len;

    len = strlen(what);

    for (i = 0; i + len <= s->len; i++) {
        if (memcmp(s->data + i, what, len) == 0) {
            return s->data + i;
        }
    }

    return NULL;
}


static int
match(const char *shape, const reg_str_t *path, reg_route_t *route)
{
    size_t     len;
    reg_str_t  head, last;

    len = strlen(shape);
    head = *path;

    last.data = head.data + head.len;
    last.len = 0;

    if (len && shape[len - 1] == '*') {

        while (head.len && head.data[head.len - 1] != '/') {
            head.len--;
            last.data--;
            last.len++;
        }

        if (last.len == 0) {
            return 0;
        }

        len--;
    }

    if (len == 0 || shape[0] != '*') {
        return head.len == len && memcmp(head.data, shape, len) == 0;
    }

    shape++;
    len--;

    if (head.len <= len
        || memcmp(head.data + head.len - len, shape, len) != 0)
    {
        return 0;
    }

    route->name.data = head.data;
    route->name.len = head.len - len;
    route->reference = last;

    return 1;
}
