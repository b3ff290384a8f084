/*
 * Container listings of Swift (GET container?format=json) read into entries.
 */

#ifndef _REG_LISTING_H_INCLUDED_
#define _REG_LISTING_H_INCLUDED_


#include "reg_base.h"


typedef struct {
    reg_str_t       name;               /* a subdir keeps its closing '/' */
    reg_str_t       hash;               /* the ETag; empty for a subdir */
    reg_str_t       type;               /* the content type, if told */
    int64_t         bytes;              /* -1 for a subdir */
    int64_t         modified;           /* seconds since 1970; 0: not told */
    reg_str_t       time;               /* the same as text, and finer */
    unsigned        subdir:1;
} reg_entry_t;


typedef struct {
    reg_entry_t    *entries;
    size_t          n;
} reg_listing_t;


/*
 * REG_BAD when it is not an array of objects with "name" or "subdir", or
 * when the names do not grow bytewise (a listing that repeats itself would
 * be walked for ever).
 */
reg_rc_t reg_listing_parse(reg_arena_t *arena, const reg_str_t *json,
    reg_listing_t *listing, const char **why);


#endif /* _REG_LISTING_H_INCLUDED_ */
