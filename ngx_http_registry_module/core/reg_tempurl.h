/*
 * Temporary URLs of Swift: whoever has one may read the object without a
 * token until it expires.
 */

#ifndef _REG_TEMPURL_H_INCLUDED_
#define _REG_TEMPURL_H_INCLUDED_


#include "reg_base.h"


/*
 * "base" is the storage's URL without a slash at its end, whose path is signed
 * too: https://rgw.example.com/swift/v1; "container" may have a prefix behind
 * it.  HMAC-SHA1 with the account's key,
 * which is all that RGW takes.  "expires" is in Unix seconds.  Null data: out
 * of memory, or a base without a host.
 */
reg_str_t reg_tempurl(reg_arena_t *arena, const reg_str_t *base,
    const reg_str_t *container, const reg_str_t *object,
    const reg_str_t *key, int64_t expires);


#endif /* _REG_TEMPURL_H_INCLUDED_ */
