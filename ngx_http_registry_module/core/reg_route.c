#include "reg_route.h"
#include "reg_name.h"


static const unsigned char *find(const reg_str_t *s, const char *what);
static int cut_tail(const reg_str_t *path, const char *tail, reg_str_t *name);
static int cut_last(const reg_str_t *path, const char *before,
    reg_str_t *name, reg_str_t *last);
static reg_rc_t check_digest(reg_route_t *route, reg_error_t *e,
    reg_str_t *detail);


static reg_route_kind_t
route_kind(const reg_str_t *path, reg_route_t *route)
{
    if (path->len == 0) {
        return REG_ROUTE_PING;
    }

    if (reg_str_is(path, "_catalog")) {
        return REG_ROUTE_CATALOG;
    }

    if (cut_tail(path, "/tags/list", &route->name)) {
        return REG_ROUTE_TAGS;
    }

    if (cut_tail(path, "/blobs/uploads/", &route->name)
        || cut_tail(path, "/blobs/uploads", &route->name))
    {
        return REG_ROUTE_UPLOADS;
    }

    if (cut_last(path, "/manifests/", &route->name, &route->reference)) {
        return REG_ROUTE_MANIFEST;
    }

    if (cut_last(path, "/blobs/uploads/", &route->name, &route->reference)) {
        return REG_ROUTE_UPLOAD;
    }

    if (cut_last(path, "/blobs/", &route->name, &route->reference)) {
        return REG_ROUTE_BLOB;
    }

    return REG_ROUTE_NONE;
}


reg_rc_t
reg_route_parse(const reg_str_t *uri, reg_route_t *route, reg_error_t *e,
    reg_str_t *detail)
{
    size_t                i;
    reg_str_t             path;
    const unsigned char  *p;

    memset(route, 0, sizeof(reg_route_t));
    route->kind = REG_ROUTE_NONE;

    *e = REG_E_NOT_FOUND;
    *detail = *uri;

    p = find(uri, "/v2/");
    if (p == NULL) {
        return REG_BAD;
    }

    route->prefix.data = uri->data;
    route->prefix.len = (size_t) (p - uri->data);

    path.data = uri->data + route->prefix.len + 4;
    path.len = uri->len - route->prefix.len - 4;

    route->kind = route_kind(&path, route);

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

    if (route->kind == REG_ROUTE_BLOB) {
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
    if (reg_digest_parse(&route->reference, &route->digest) != REG_OK) {
        *e = REG_E_DIGEST_INVALID;
        *detail = route->reference;
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


/* <name><tail> */

static int
cut_tail(const reg_str_t *path, const char *tail, reg_str_t *name)
{
    size_t  len;

    len = strlen(tail);

    if (path->len <= len
        || memcmp(path->data + path->len - len, tail, len) != 0)
    {
        return 0;
    }

    name->data = path->data;
    name->len = path->len - len;

    return 1;
}


/* <name><before><last>, "last" without a slash and not empty */

static int
cut_last(const reg_str_t *path, const char *before, reg_str_t *name,
    reg_str_t *last)
{
    size_t     i;
    reg_str_t  head;

    for (i = path->len; i > 0 && path->data[i - 1] != '/'; i--) {
        /* void */
    }

    if (i == 0 || i == path->len) {
        return 0;
    }

    head.data = path->data;
    head.len = i;

    if (!cut_tail(&head, before, name)) {
        return 0;
    }

    last->data = path->data + i;
    last->len = path->len - i;

    return 1;
}
