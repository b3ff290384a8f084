/*
 * Byte ranges: "Range: bytes=..." of blob reads (RFC 9110, section 14) and
 * "Content-Range: start-end" of uploads (OCI Distribution spec, "Pushing a
 * blob in chunks").
 */

#ifndef _REG_RANGE_H_INCLUDED_
#define _REG_RANGE_H_INCLUDED_


#include "reg_base.h"


typedef struct {
    int64_t         first;              /* -1: the last "last" bytes */
    int64_t         last;               /* inclusive; -1: to the end */
} reg_range_t;


/*
 * The elements of a Range header into ranges[max]; *n is how many.
 * REG_BAD: another unit, malformed or more than "max" (the header is then to
 * be ignored, RFC 9110, 14.2).
 */
reg_rc_t reg_range_parse(const reg_str_t *value, reg_range_t *ranges,
    size_t max, size_t *n);

/*
 * Makes *range absolute for "size" bytes; REG_BAD when it is not satisfiable
 * ("-0" and "4-3" never are).
 */
reg_rc_t reg_range_resolve(reg_range_t *range, int64_t size);

/*
 * The ranges of a GET that are to be answered, absolute and in the order
 * asked, of the arena; *n == 0: none is satisfiable.  REG_BAD: the header is
 * to be ignored, because it is malformed, or has more than REG_RANGES_MAX
 * ranges, or ranges that overlap so much that they are longer than the whole
 * (RFC 9110, 14.2 and 17.15).
 *
 * Ranges are not joined: clients of zstd:chunked count the parts.
 */
#define REG_RANGES_MAX  1024

reg_rc_t reg_range_select(reg_arena_t *arena, const reg_str_t *value,
    int64_t size, reg_range_t **ranges, size_t *n);

/*
 * How many blocks of "size" bytes the n absolute ranges lie in, each counted
 * once, and in *bytes how long they are together.  seen[] is zeroed, a byte
 * for each block up to the last one of the ranges.
 */
int64_t reg_range_blocks(const reg_range_t *ranges, size_t n, int64_t size,
    unsigned char *seen, int64_t *bytes);

/*
 * "start-end", also with "bytes " in front and "/size" or "/ *" (without the
 * blank) behind, as some clients send it.  REG_BAD when malformed, end <
 * start or out of int64.
 */
reg_rc_t reg_content_range_parse(const reg_str_t *value, int64_t *start,
    int64_t *end);


#endif /* _REG_RANGE_H_INCLUDED_ */
