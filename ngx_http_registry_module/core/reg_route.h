/*
 * /v2/... to an operation.  Names contain slashes, so a path is read from
 * its right end: /v2/<name>/manifests/<reference> and so on.
 */

#ifndef _REG_ROUTE_H_INCLUDED_
#define _REG_ROUTE_H_INCLUDED_


#include "reg_base.h"
#include "reg_digest.h"
#include "reg_error.h"


typedef enum {
    REG_GET = 0,
    REG_HEAD,
    REG_PUT,
    REG_POST,
    REG_PATCH,
    REG_DELETE,
    REG_COPY,
    REG_OTHER
} reg_method_t;


typedef enum {
    REG_ROUTE_PING = 0,
    REG_ROUTE_CATALOG,
    REG_ROUTE_TAGS,
    REG_ROUTE_MANIFEST,
    REG_ROUTE_REFERRERS,
    REG_ROUTE_BLOB,
    REG_ROUTE_UPLOADS,
    REG_ROUTE_UPLOAD,
    REG_ROUTE_NONE
} reg_route_kind_t;


/* the path is that of another with one slash more or less at its end */

typedef enum {
    REG_SLASH_RIGHT = 0,
    REG_SLASH_MISSING,
    REG_SLASH_SURPLUS
} reg_slash_t;


typedef struct {
    reg_route_kind_t  kind;
    reg_slash_t       moved;
    reg_str_t         prefix;           /* what stands before "/v2/" */
    reg_str_t         name;
    reg_str_t         reference;        /* tag, digest or upload id, as sent */
    reg_digest_t      digest;
    unsigned          by_digest:1;
} reg_route_t;


/*
 * REG_BAD: *e and *detail say what is wrong with the path; route->kind is
 * set as far as it is known.  Strings point into "uri".
 */
reg_rc_t reg_route_parse(const reg_str_t *uri, reg_route_t *route,
    reg_error_t *e, reg_str_t *detail);

/* "manifest", "blob", "upload" ...: for people, both of uploads are one */
const char *reg_route_text(reg_route_kind_t kind);

/* the value of Allow; NULL when the path is none of ours */
const char *reg_route_allow(reg_route_kind_t kind, int delete_allowed);


#endif /* _REG_ROUTE_H_INCLUDED_ */
