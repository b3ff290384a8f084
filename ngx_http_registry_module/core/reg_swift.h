/*
 * The words of Swift's API, as RGW and OpenStack Swift have it: headers, the
 * query of a listing, what a refusal says.  Who asks the storage has them of
 * here, and no other file does.
 */

#ifndef _REG_SWIFT_H_INCLUDED_
#define _REG_SWIFT_H_INCLUDED_


#include "reg_base.h"
#include "reg_route.h"


#define REG_SWIFT_USER          "X-Auth-User"
#define REG_SWIFT_KEY           "X-Auth-Key"
#define REG_SWIFT_TOKEN         "X-Auth-Token"
#define REG_SWIFT_STORAGE_URL   "X-Storage-Url"
#define REG_SWIFT_TRANS_ID      "X-Trans-Id"

#define REG_SWIFT_COPY_FROM     "X-Copy-From"
#define REG_SWIFT_FRESH         "X-Fresh-Metadata"
#define REG_SWIFT_NEWEST        "X-Newest"
#define REG_SWIFT_EXPIRE_AFTER  "X-Delete-After"
#define REG_SWIFT_EXPIRES_AT    "X-Delete-At"
#define REG_SWIFT_MANIFEST      "X-Object-Manifest"     /* of a large object */
#define REG_SWIFT_OBJECTS       "X-Container-Object-Count"

/* of a large object: its size when it was made, which RGW does not keep */
#define REG_SWIFT_WHOLE         "X-Object-Meta-Registry-Size"

/* and the ETag that the storage tells while its segments are those */
#define REG_SWIFT_VOUCHED       "X-Object-Meta-Registry-ETag"

/* of a tag's link, for people: the digest it points to */
#define REG_SWIFT_DIGEST        "X-Object-Meta-Digest"


const char *reg_swift_method(reg_method_t method);

/*
 * The query of a listing, in JSON, of at most "limit" names: those that begin
 * with "root" and "prefix", behind root and "from", before root and "to"; each
 * but "root" may be empty.  "delimiter" "": none.
 */
void reg_swift_listing(reg_buf_t *b, const reg_str_t *root,
    const reg_str_t *prefix, const reg_str_t *from, const reg_str_t *to,
    const char *delimiter, int limit);

/* what the body of a 404 says; Swift has one text for both: neither */
int reg_swift_no_container(const reg_str_t *body);
int reg_swift_no_object(const reg_str_t *body);


#endif /* _REG_SWIFT_H_INCLUDED_ */
