/*
 * Entity tags in conditions (RFC 9110, 8.8.3 and 13.1).
 */

#ifndef _REG_ETAG_H_INCLUDED_
#define _REG_ETAG_H_INCLUDED_


#include "reg_base.h"


typedef enum {
    REG_ETAG_STRONG = 0,                /* W/"tag" is never the same */
    REG_ETAG_WEAK
} reg_etag_rule_t;


/*
 * 1 when the list of If-Match or If-None-Match is "*" or has the tag, which
 * is given without quotes; registry:2 takes a tag without quotes, too.
 * What stands behind something malformed is not looked at.
 */
int reg_etag_listed(const reg_str_t *list, const reg_str_t *tag,
    reg_etag_rule_t rule);

/* 1 when If-Range is exactly this tag; a date never is */
int reg_etag_is(const reg_str_t *value, const reg_str_t *tag);


#endif /* _REG_ETAG_H_INCLUDED_ */
