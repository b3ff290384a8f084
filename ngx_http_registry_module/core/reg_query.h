/*
 * The query string.  Bytes are taken as they come: %XX and '+' are decoded,
 * unknown parameters are ignored.
 */

#ifndef _REG_QUERY_H_INCLUDED_
#define _REG_QUERY_H_INCLUDED_


#include "reg_base.h"


/*
 * The decoded value of "name".  REG_OK with value->data == NULL: it is not
 * there.  REG_BAD: it is there twice, a %XX is malformed, or there is a control
 * character: none comes out of here, so that a value may stand in a header.
 */
reg_rc_t reg_query_get(reg_arena_t *arena, const reg_str_t *args,
    const char *name, reg_str_t *value);

/*
 * The same for a parameter that may come several times ("tag" of manifests):
 * values[max] and *n; REG_BAD for more than "max".
 */
reg_rc_t reg_query_all(reg_arena_t *arena, const reg_str_t *args,
    const char *name, reg_str_t *values, size_t max, size_t *n);

/* how often "name" is there: what "max" is to be for all of them */
size_t reg_query_count(const reg_str_t *args, const char *name);


#endif /* _REG_QUERY_H_INCLUDED_ */
