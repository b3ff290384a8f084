/*
 * JSON: a bounded reader on yajl's event interface, and an escaping writer.
 * The only file that knows yajl.
 *
 * Never yajl's tree: it overflows the stack on deep input and takes 45 times
 * the size of what it reads.
 */

#ifndef _REG_JSON_H_INCLUDED_
#define _REG_JSON_H_INCLUDED_


#include "reg_base.h"


#define REG_JSON_DEPTH_MAX  64


typedef enum {
    REG_JSON_NULL = 0,
    REG_JSON_BOOL,
    REG_JSON_NUMBER,            /* "text" is as written */
    REG_JSON_STRING,            /* "text" is decoded; valid during the call */
    REG_JSON_KEY,
    REG_JSON_MAP,
    REG_JSON_MAP_END,
    REG_JSON_ARRAY,
    REG_JSON_ARRAY_END
} reg_json_event_t;


/*
 * "depth" is the number of open maps and arrays around the event: 0 for the
 * document itself, and the same for an opening and its end.  "offset" is
 * where in the input the reader stands, just behind the token.  Returns
 * REG_OK to go on; anything else ends the reading and is returned.
 */
typedef reg_rc_t (*reg_json_handler_pt)(void *data, reg_json_event_t event,
    const reg_str_t *text, unsigned depth, size_t offset);

/*
 * Exactly one document, valid UTF-8 in all of it, no comments, no byte order
 * mark, at most REG_JSON_DEPTH_MAX deep.  REG_BAD otherwise; *why is then a
 * static sentence without any byte of the input, or what the handler set.
 */
reg_rc_t reg_json_read(reg_arena_t *arena, const reg_str_t *text,
    reg_json_handler_pt handler, void *data, const char **why);


/* "..." with all that must be escaped; bytes that are not UTF-8 as U+FFFD */
void reg_json_write_string(reg_buf_t *b, const reg_str_t *s);


#endif /* _REG_JSON_H_INCLUDED_ */
