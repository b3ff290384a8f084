#include "reg_query.h"


static int decode(const unsigned char **p, const unsigned char *end);
static int hex_value(unsigned char c);
static int is_name(const unsigned char *p, const unsigned char *end,
    const char *name);
static reg_rc_t take(reg_arena_t *arena, const unsigned char *p,
    const unsigned char *end, reg_str_t *value);


reg_rc_t
reg_query_get(reg_arena_t *arena, const reg_str_t *args, const char *name,
    reg_str_t *value)
{
    size_t    n;
    reg_rc_t  rc;

    rc = reg_query_all(arena, args, name, value, 1, &n);

    if (rc != REG_OK || n == 0) {
        value->len = 0;
        value->data = NULL;
    }

    return rc;
}


size_t
reg_query_count(const reg_str_t *args, const char *name)
{
    size_t  n;

    (void) reg_query_all(NULL, args, name, NULL, SIZE_MAX, &n);

    return n;
}


reg_rc_t
reg_query_all(reg_arena_t *arena, const reg_str_t *args, const char *name,
    reg_str_t *values, size_t max, size_t *n)
{
    reg_rc_t              rc;
    const unsigned char  *p, *end, *next, *equal;

    *n = 0;

    if (args->len == 0) {
        return REG_OK;
    }

    p = args->data;
    end = p + args->len;

    for ( /* void */ ; p < end; p = next + 1) {

        next = memchr(p, '&', (size_t) (end - p));
        if (next == NULL) {
            next = end;
        }

        equal = next > p ? memchr(p, '=', (size_t) (next - p)) : NULL;
        if (equal == NULL) {
            equal = next;
        }

        if (is_name(p, equal, name)) {
            if (*n == max) {
                return REG_BAD;
            }

            if (values) {
                rc = take(arena, equal < next ? equal + 1 : next, next,
                          &values[*n]);
                if (rc != REG_OK) {
                    return rc;
                }
            }

            (*n)++;
        }

        if (next == end) {
            break;
        }
    }

    return REG_OK;
}


/* the next byte; -1: malformed */

static int
decode(const unsigned char **p, const unsigned char *end)
{
    int            high, low;
    unsigned char  c;

    c = *(*p)++;

    if (c == '+') {
        return ' ';
    }

    if (c != '%') {
        return c;
    }

    if (end - *p < 2) {
        return -1;
    }

    high = hex_value((*p)[0]);
    low = hex_value((*p)[1]);

    if (high < 0 || low < 0) {
        return -1;
    }

    *p += 2;

    return high << 4 | low;
}


static int
hex_value(unsigned char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    c |= 0x20;

    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }

    return -1;
}


static int
is_name(const unsigned char *p, const unsigned char *end, const char *name)
{
    for ( /* void */ ; p < end; name++) {
        if (*name == '\0' || decode(&p, end) != (unsigned char) *name) {
            return 0;
        }
    }

    return *name == '\0';
}


static reg_rc_t
take(reg_arena_t *arena, const unsigned char *p, const unsigned char *end,
    reg_str_t *value)
{
    int  c;

    value->len = 0;
    value->data = reg_alloc(arena, (size_t) (end - p) + 1);

    if (value->data == NULL) {
        return REG_NOMEM;
    }

    while (p < end) {
        c = decode(&p, end);

        if (c < ' ' || c == 0x7f) {
            return REG_BAD;
        }

        value->data[value->len++] = (unsigned char) c;
    }

    value->data[value->len] = '\0';

    return REG_OK;
}
