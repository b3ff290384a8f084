#include "reg_params.h"
#include "reg_name.h"
#include "reg_query.h"


static int is_digest(const reg_str_t *value);
static int is_algorithm(const reg_str_t *value);
static int is_text(const reg_str_t *value);
static reg_rc_t check(reg_arena_t *arena, const reg_str_t *args, size_t n,
    reg_error_t *e, reg_str_t *detail);


#define PAGE    "n or last is malformed or there twice"
#define FILTER  "n, last or artifactType is malformed or there twice"
#define MOUNT   "mount or from is malformed or there twice"
#define DIGEST  "digest is malformed or there twice"
#define CLOSE   "the query must name one digest=<algorithm>:<hex>"


/* "detail" is of what is no query; of a bad value it is that, unless "told" */

static const struct {
    reg_route_kind_t  kind;
    reg_method_t      method;           /* of GET, HEAD is the same */
    const char       *name;
    int             (*valid)(const reg_str_t *value);
    reg_error_t       malformed;
    reg_error_t       invalid;
    reg_str_t         detail;
    unsigned          many:1;
    unsigned          told:1;
} params[] = {

    { REG_ROUTE_CATALOG, REG_GET, "n", is_text,
      REG_E_PAGINATION_NUMBER_INVALID, REG_E_PAGINATION_NUMBER_INVALID,
      reg_string(PAGE), 0, 0 },

    { REG_ROUTE_CATALOG, REG_GET, "last", is_text,
      REG_E_PAGINATION_NUMBER_INVALID, REG_E_PAGINATION_NUMBER_INVALID,
      reg_string(PAGE), 0, 0 },

    { REG_ROUTE_TAGS, REG_GET, "n", is_text,
      REG_E_PAGINATION_NUMBER_INVALID, REG_E_PAGINATION_NUMBER_INVALID,
      reg_string(PAGE), 0, 0 },

    { REG_ROUTE_TAGS, REG_GET, "last", is_text,
      REG_E_PAGINATION_NUMBER_INVALID, REG_E_PAGINATION_NUMBER_INVALID,
      reg_string(PAGE), 0, 0 },

    { REG_ROUTE_REFERRERS, REG_GET, "n", is_text,
      REG_E_PAGINATION_NUMBER_INVALID, REG_E_PAGINATION_NUMBER_INVALID,
      reg_string(FILTER), 0, 0 },

    { REG_ROUTE_REFERRERS, REG_GET, "last", is_digest,
      REG_E_PAGINATION_NUMBER_INVALID, REG_E_DIGEST_INVALID,
      reg_string(FILTER), 0, 0 },

    { REG_ROUTE_REFERRERS, REG_GET, "artifactType", is_text,
      REG_E_PAGINATION_NUMBER_INVALID, REG_E_PAGINATION_NUMBER_INVALID,
      reg_string(FILTER), 0, 0 },

    { REG_ROUTE_MANIFEST, REG_PUT, "tag", reg_tag_valid,
      REG_E_TAG_INVALID, REG_E_TAG_INVALID,
      reg_string("a tag parameter is malformed"), 1, 0 },

    { REG_ROUTE_UPLOADS, REG_POST, "digest-algorithm", is_algorithm,
      REG_E_DIGEST_INVALID, REG_E_DIGEST_INVALID,
      reg_string("digest-algorithm must be sha256, sha384 or sha512"), 0, 0 },

    { REG_ROUTE_UPLOADS, REG_POST, "mount", is_digest,
      REG_E_DIGEST_INVALID, REG_E_DIGEST_INVALID, reg_string(MOUNT), 0, 0 },

    { REG_ROUTE_UPLOADS, REG_POST, "from", reg_name_valid,
      REG_E_DIGEST_INVALID, REG_E_NAME_INVALID, reg_string(MOUNT), 0, 0 },

    { REG_ROUTE_UPLOADS, REG_POST, "digest", is_digest,
      REG_E_DIGEST_INVALID, REG_E_DIGEST_INVALID, reg_string(DIGEST), 0, 0 },

    { REG_ROUTE_UPLOAD, REG_PUT, "digest", is_digest,
      REG_E_DIGEST_INVALID, REG_E_DIGEST_INVALID, reg_string(CLOSE), 0, 1 }
};


reg_rc_t
reg_params_check(reg_arena_t *arena, const reg_route_t *route,
    reg_method_t method, const reg_str_t *args, reg_error_t *e,
    reg_str_t *detail)
{
    size_t    i;
    reg_rc_t  rc;

    if (args->len == 0) {
        return REG_OK;
    }

    if (method == REG_HEAD) {
        method = REG_GET;
    }

    for (i = 0; i < sizeof(params) / sizeof(params[0]); i++) {

        if (params[i].kind != route->kind || params[i].method != method) {
            continue;
        }

        rc = check(arena, args, i, e, detail);

        if (rc != REG_OK) {
            return rc;
        }
    }

    return REG_OK;
}


static reg_rc_t
check(reg_arena_t *arena, const reg_str_t *args, size_t n, reg_error_t *e,
    reg_str_t *detail)
{
    size_t      i, max, count;
    reg_rc_t    rc;
    reg_str_t   one, *values;

    values = &one;
    max = 1;

    if (params[n].many) {
        max = reg_query_count(args, params[n].name) + 1;

        values = reg_alloc(arena, max * sizeof(reg_str_t));
        if (values == NULL) {
            return REG_NOMEM;
        }
    }

    rc = reg_query_all(arena, args, params[n].name, values, max, &count);

    if (rc != REG_OK) {
        *e = params[n].malformed;
        *detail = params[n].detail;
        return rc;
    }

    for (i = 0; i < count; i++) {

        if ((values[i].len || params[n].many) && !params[n].valid(&values[i]))
        {
            *e = params[n].invalid;
            *detail = params[n].told ? params[n].detail : values[i];
            return REG_BAD;
        }
    }

    return REG_OK;
}


static int
is_digest(const reg_str_t *value)
{
    reg_digest_t  d;

    return reg_digest_parse(value, &d) == REG_OK;
}


static int
is_algorithm(const reg_str_t *value)
{
    reg_alg_t  alg;

    return reg_alg_parse(value, &alg) == REG_OK;
}


/* whatever the query's grammar allows; of "n", what is no number is ignored */

static int
is_text(const reg_str_t *value)
{
    return value->len != 0;
}
