/*
 * The ground of core/: strings, memory, a growing buffer.  Pure C: no nginx,
 * no sockets, no clock, no globals.
 */

#ifndef _REG_BASE_H_INCLUDED_
#define _REG_BASE_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>


typedef enum {
    REG_OK = 0,
    REG_BAD,            /* the input is not what it should be */
    REG_NOMEM           /* the arena is exhausted */
} reg_rc_t;


/* the same two fields in the same order as ngx_str_t; the glue asserts it */

typedef struct {
    size_t          len;
    unsigned char  *data;
} reg_str_t;


#define reg_string(text)     { sizeof(text) - 1, (unsigned char *) text }
#define reg_null_string      { 0, NULL }

#define reg_str_is(s, text)                                                   \
    ((s)->len == sizeof(text) - 1                                             \
     && memcmp((s)->data, text, sizeof(text) - 1) == 0)


/* memory that lives as long as the request: never freed one by one */

typedef struct {
    void         *(*alloc)(void *ctx, size_t size);
    void           *ctx;
} reg_arena_t;


void *reg_alloc(reg_arena_t *arena, size_t size);
void *reg_calloc(reg_arena_t *arena, size_t size);
reg_rc_t reg_str_copy(reg_arena_t *arena, reg_str_t *dst, const void *data,
    size_t len);
int reg_str_equal(const reg_str_t *a, const reg_str_t *b);
int reg_str_starts(const reg_str_t *s, const char *prefix);

/* no control character is in it: whatever goes into a header has to be so */
int reg_str_clean(const reg_str_t *s);


/*
 * A growing buffer.  Once an allocation failed, "failed" stays set and all
 * that is added is dropped, so that it is enough to test it at the end.
 * reg_buf_str() returns what was written; it is null when "failed" is set.
 */

typedef struct {
    reg_arena_t    *arena;
    unsigned char  *data;
    size_t          len;
    size_t          size;
    unsigned        failed:1;
} reg_buf_t;


void reg_buf_init(reg_buf_t *b, reg_arena_t *arena, size_t size);
void reg_buf_add(reg_buf_t *b, const void *data, size_t len);
void reg_buf_text(reg_buf_t *b, const char *text);
void reg_buf_char(reg_buf_t *b, char c);
void reg_buf_number(reg_buf_t *b, int64_t n);
reg_str_t reg_buf_str(reg_buf_t *b);

#define reg_buf_add_str(b, s)  reg_buf_add(b, (s)->data, (s)->len)


/* 2 * len lower case digits are written to dst; returns the end */
unsigned char *reg_hex(unsigned char *dst, const unsigned char *src,
    size_t len);

/* digits only, no sign, no blanks, 0 .. INT64_MAX; -1 on anything else */
int64_t reg_atoi64(const unsigned char *data, size_t len);

/*
 * Sizes that others tell.  A read one is at most REG_SIZE_MAX, which no object
 * has: -1 is what is none, or more.  So some of them can be added; of any
 * number the sum ends at INT64_MAX.  What is not positive is not added.
 */

#define REG_SIZE_MAX  ((int64_t) 1 << 50)

int64_t reg_size_read(const unsigned char *data, size_t len);
void reg_size_add(int64_t *sum, int64_t size);

/* base64url without padding: RFC 4648, section 5 */
void reg_buf_base64(reg_buf_t *b, const void *data, size_t len);
reg_rc_t reg_base64_read(reg_arena_t *arena, const reg_str_t *text,
    reg_str_t *data);

/*
 * RFC 3986: every byte outside of [A-Za-z0-9._~-] (and of '/' when "slash"
 * is set) is written as %XX.
 */
void reg_buf_escape(reg_buf_t *b, const reg_str_t *s, int slash);

/*
 * For a log: a byte that is no printable ASCII, a backslash or a quote is
 * written as \\xXX, so that strings of others make no line and no escape.
 */
void reg_buf_visible(reg_buf_t *b, const void *data, size_t len);


#endif /* _REG_BASE_H_INCLUDED_ */
