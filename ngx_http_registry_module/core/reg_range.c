#include "reg_range.h"


static reg_rc_t parse_one(const unsigned char *p, const unsigned char *end,
    reg_range_t *range);
static int64_t position(const unsigned char *p, const unsigned char *end);
static int is_blank(unsigned char c);
static int is_bytes(const reg_str_t *value, unsigned char next);


reg_rc_t
reg_range_parse(const reg_str_t *value, reg_range_t *ranges, size_t max,
    size_t *n)
{
    const unsigned char  *p, *end, *comma, *last;

    *n = 0;

    if (!is_bytes(value, '=')) {
        return REG_BAD;
    }

    p = value->data + sizeof("bytes=") - 1;
    end = value->data + value->len;

    for ( ;; ) {
        comma = p < end ? memchr(p, ',', (size_t) (end - p)) : NULL;
        last = comma ? comma : end;

        while (p < last && is_blank(*p)) {
            p++;
        }

        while (p < last && is_blank(last[-1])) {
            last--;
        }

        /* empty elements of a list are legal: RFC 9110, 5.6.1.2 */

        if (p < last) {
            if (*n == max || parse_one(p, last, &ranges[*n]) != REG_OK) {
                return REG_BAD;
            }

            (*n)++;
        }

        if (comma == NULL) {
            break;
        }

        p = comma + 1;
    }

    return *n ? REG_OK : REG_BAD;
}


reg_rc_t
reg_range_resolve(reg_range_t *range, int64_t size)
{
    if (range->first == -1) {

        /* of nothing there is no last byte, and no Content-Range either */

        if (range->last <= 0 || size <= 0) {
            return REG_BAD;
        }

        range->first = range->last < size ? size - range->last : 0;
        range->last = size - 1;

        return REG_OK;
    }

    if (range->first >= size) {
        return REG_BAD;
    }

    if (range->last == -1 || range->last >= size) {
        range->last = size - 1;
    }

    /* RFC 9110, 14.2 lets it be ignored or refused, registry:2 refuses */

    return range->last < range->first ? REG_BAD : REG_OK;
}


reg_rc_t
reg_range_select(reg_arena_t *arena, const reg_str_t *value, int64_t size,
    reg_range_t **ranges, size_t *n)
{
    size_t        i, max, found;
    int64_t       sum, length;
    reg_range_t  *r;

    for (max = 1, i = 0; i < value->len; i++) {
        max += (value->data[i] == ',');
    }

    if (max > REG_RANGES_MAX) {
        max = REG_RANGES_MAX;
    }

    r = reg_alloc(arena, max * sizeof(reg_range_t));
    if (r == NULL) {
        return REG_NOMEM;
    }

    if (reg_range_parse(value, r, max, &found) != REG_OK) {
        return REG_BAD;
    }

    for (*n = 0, sum = 0, i = 0; i < found; i++) {

        if (reg_range_resolve(&r[i], size) != REG_OK) {
            continue;
        }

        length = r[i].last - r[i].first + 1;

        if (length > size - sum) {
            return REG_BAD;
        }

        sum += length;
        r[(*n)++] = r[i];
    }

    *ranges = r;

    return REG_OK;
}


int64_t
reg_range_blocks(const reg_range_t *ranges, size_t n, int64_t size,
    unsigned char *seen, int64_t *bytes)
{
    size_t   i;
    int64_t  k, blocks;

    blocks = 0;
    *bytes = 0;

    for (i = 0; i < n; i++) {
        *bytes += ranges[i].last - ranges[i].first + 1;

        for (k = ranges[i].first / size; k <= ranges[i].last / size; k++) {
            blocks += !seen[k];
            seen[k] = 1;
        }
    }

    return blocks;
}


reg_rc_t
reg_content_range_parse(const reg_str_t *value, int64_t *start, int64_t *end)
{
    int64_t               size;
    const unsigned char  *p, *last, *dash, *slash;

    if (value->len == 0) {
        return REG_BAD;
    }

    p = value->data;
    last = p + value->len;

    if (is_bytes(value, ' ')) {
        p += sizeof("bytes ") - 1;
    }

    slash = p < last ? memchr(p, '/', (size_t) (last - p)) : NULL;
    size = INT64_MAX;

    if (slash != NULL) {
        if (last - slash != 2 || slash[1] != '*') {
            size = reg_atoi64(slash + 1, (size_t) (last - slash - 1));
        }

        last = slash;
    }

    dash = p < last ? memchr(p, '-', (size_t) (last - p)) : NULL;
    if (dash == NULL) {
        return REG_BAD;
    }

    *start = reg_atoi64(p, (size_t) (dash - p));
    *end = reg_atoi64(dash + 1, (size_t) (last - dash - 1));

    /* INT64_MAX as the end would be 2^63 bytes, so "< size" takes nothing */

    if (*start < 0 || *end < *start || *end >= size) {
        return REG_BAD;
    }

    return REG_OK;
}


static reg_rc_t
parse_one(const unsigned char *p, const unsigned char *end,
    reg_range_t *range)
{
    const unsigned char  *dash;

    dash = memchr(p, '-', (size_t) (end - p));
    if (dash == NULL) {
        return REG_BAD;
    }

    range->first = -1;
    range->last = -1;

    if (dash > p) {
        range->first = position(p, dash);
        if (range->first < 0) {
            return REG_BAD;
        }

        if (dash + 1 == end) {
            return REG_OK;
        }
    }

    range->last = position(dash + 1, end);

    return range->last < 0 ? REG_BAD : REG_OK;
}


/* a position behind all that can exist is legal, how long it may be */

static int64_t
position(const unsigned char *p, const unsigned char *end)
{
    int64_t  n;

    if (p == end) {
        return -1;
    }

    for (n = 0; p < end; p++) {
        if (*p < '0' || *p > '9') {
            return -1;
        }

        if (n > (INT64_MAX - (*p - '0')) / 10) {
            n = INT64_MAX;

        } else {
            n = n * 10 + (*p - '0');
        }
    }

    return n;
}


static int
is_blank(unsigned char c)
{
    return c == ' ' || c == '\t';
}


/* units are case-insensitive: RFC 9110, 14.1 */

static int
is_bytes(const reg_str_t *value, unsigned char next)
{
    size_t  i;

    static const char  unit[] = "bytes";

    if (value->len < sizeof(unit) || value->data[sizeof(unit) - 1] != next) {
        return 0;
    }

    for (i = 0; i < sizeof(unit) - 1; i++) {
        if ((value->data[i] | 0x20) != unit[i]) {
            return 0;
        }
    }

    return 1;
}
