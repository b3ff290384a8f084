#include "reg_base.h"


void *
reg_alloc(reg_arena_t *arena, size_t size)
{
    return arena->alloc(arena->ctx, size);
}


void *
reg_calloc(reg_arena_t *arena, size_t size)
{
    void  *p;

    p = arena->alloc(arena->ctx, size);
    if (p != NULL) {
        memset(p, 0, size);
    }

    return p;
}


reg_rc_t
reg_str_copy(reg_arena_t *arena, reg_str_t *dst, const void *data, size_t len)
{
    dst->data = reg_alloc(arena, len + 1);
    if (dst->data == NULL) {
        dst->len = 0;
        return REG_NOMEM;
    }

    if (len) {
        memcpy(dst->data, data, len);
    }

    dst->data[len] = '\0';
    dst->len = len;

    return REG_OK;
}


int
reg_str_equal(const reg_str_t *a, const reg_str_t *b)
{
    return a->len == b->len
           && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}


int
reg_str_clean(const reg_str_t *s)
{
    size_t  i;

    for (i = 0; i < s->len; i++) {
        if (s->data[i] < ' ' || s->data[i] == 0x7f) {
            return 0;
        }
    }

    return 1;
}


int
reg_str_starts(const reg_str_t *s, const char *prefix)
{
    size_t  len;

    len = strlen(prefix);

    return s->len >= len && memcmp(s->data, prefix, len) == 0;
}


void
reg_buf_init(reg_buf_t *b, reg_arena_t *arena, size_t size)
{
    memset(b, 0, sizeof(reg_buf_t));

    b->arena = arena;
    b->size = size ? size : 64;

    b->data = reg_alloc(arena, b->size);
    if (b->data == NULL) {
        b->failed = 1;
    }
}


void
reg_buf_add(reg_buf_t *b, const void *data, size_t len)
{
    size_t          size;
    unsigned char  *p;

    if (b->failed || len == 0) {
        return;
    }

    if (len > b->size - b->len) {

        /* doubling keeps the total of the abandoned copies below the last */

        size = b->size;

        while (size - b->len < len) {
            if (size > SIZE_MAX / 2) {
                b->failed = 1;
                return;
            }

            size *= 2;
        }

        p = reg_alloc(b->arena, size);
        if (p == NULL) {
            b->failed = 1;
            return;
        }

        memcpy(p, b->data, b->len);
        b->data = p;
        b->size = size;
    }

    memcpy(b->data + b->len, data, len);
    b->len += len;
}


void
reg_buf_text(reg_buf_t *b, const char *text)
{
    reg_buf_add(b, text, strlen(text));
}


void
reg_buf_char(reg_buf_t *b, char c)
{
    reg_buf_add(b, &c, 1);
}


void
reg_buf_number(reg_buf_t *b, int64_t n)
{
    char      digits[20], *p;
    uint64_t  u;

    u = (n < 0) ? 0 - (uint64_t) n : (uint64_t) n;
    p = digits + sizeof(digits);

    do {
        *--p = (char) ('0' + u % 10);
        u /= 10;
    } while (u);

    if (n < 0) {
        *--p = '-';
    }

    reg_buf_add(b, p, (size_t) (digits + sizeof(digits) - p));
}


reg_str_t
reg_buf_str(reg_buf_t *b)
{
    reg_str_t  s;

    s.len = b->failed ? 0 : b->len;
    s.data = b->failed ? NULL : b->data;

    return s;
}


unsigned char *
reg_hex(unsigned char *dst, const unsigned char *src, size_t len)
{
    static const char  hex[] = "0123456789abcdef";

    while (len--) {
        *dst++ = (unsigned char) hex[*src >> 4];
        *dst++ = (unsigned char) hex[*src++ & 0xf];
    }

    return dst;
}


int64_t
reg_atoi64(const unsigned char *data, size_t len)
{
    int64_t  n;

    if (len == 0) {
        return -1;
    }

    for (n = 0; len--; data++) {
        if (*data < '0' || *data > '9'
            || n > (INT64_MAX - (*data - '0')) / 10)
        {
            return -1;
        }

        n = n * 10 + (*data - '0');
    }

    return n;
}


int64_t
reg_size_read(const unsigned char *data, size_t len)
{
    int64_t  n;

    n = reg_atoi64(data, len);

    return n <= REG_SIZE_MAX ? n : -1;
}


void
reg_size_add(int64_t *sum, int64_t size)
{
    if (size > 0) {
        *sum = size > INT64_MAX - *sum ? INT64_MAX : *sum + size;
    }
}


void
reg_buf_escape(reg_buf_t *b, const reg_str_t *s, int slash)
{
    size_t         i;
    unsigned char  c, escaped[3];

    static const char  hex[] = "0123456789ABCDEF";

    for (i = 0; i < s->len; i++) {
        c = s->data[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
            || (c >= '0' && c <= '9')
            || c == '.' || c == '_' || c == '~' || c == '-'
            || (c == '/' && slash))
        {
            reg_buf_add(b, &c, 1);
            continue;
        }

        escaped[0] = '%';
        escaped[1] = (unsigned char) hex[c >> 4];
        escaped[2] = (unsigned char) hex[c & 0xf];

        reg_buf_add(b, escaped, 3);
    }
}


void
reg_buf_visible(reg_buf_t *b, const void *data, size_t len)
{
    size_t                i;
    unsigned char         escaped[4];
    const unsigned char  *p = data;

    for (i = 0; i < len; i++) {

        if (p[i] >= ' ' && p[i] < 0x7f && p[i] != '\\' && p[i] != '"') {
            reg_buf_add(b, p + i, 1);
            continue;
        }

        escaped[0] = '\\';
        escaped[1] = 'x';
        (void) reg_hex(escaped + 2, p + i, 1);

        reg_buf_add(b, escaped, 4);
    }
}


void
reg_buf_base64(reg_buf_t *b, const void *data, size_t len)
{
    size_t                i, n;
    uint32_t              bits;
    unsigned char         four[4];
    const unsigned char  *p;

    static const char  abc[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "abcdefghijklmnopqrstuvwxyz0123456789-_";

    p = data;

    for ( /* void */ ; len; p += n, len -= n) {
        n = len < 3 ? len : 3;

        bits = (uint32_t) p[0] << 16;
        bits |= n > 1 ? (uint32_t) p[1] << 8 : 0;
        bits |= n > 2 ? p[2] : 0;

        for (i = 0; i < 4; i++) {
            four[i] = (unsigned char) abc[(bits >> (18 - 6 * i)) & 63];
        }

        reg_buf_add(b, four, n + 1);
    }
}


static int
base64_value(unsigned char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }

    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }

    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }

    return c == '-' ? 62 : c == '_' ? 63 : -1;
}


reg_rc_t
reg_base64_read(reg_arena_t *arena, const reg_str_t *text, reg_str_t *data)
{
    int       value;
    size_t    i;
    uint32_t  bits;

    data->len = 0;
    data->data = reg_alloc(arena, text->len + 1);

    if (data->data == NULL) {
        return REG_NOMEM;
    }

    if (text->len % 4 == 1) {
        return REG_BAD;
    }

    bits = 0;

    for (i = 0; i < text->len; i++) {
        value = base64_value(text->data[i]);
        if (value < 0) {
            return REG_BAD;
        }

        bits = (bits << 6) | (uint32_t) value;

        if (i % 4) {
            data->data[data->len++] =
                                 (unsigned char) (bits >> (6 - 2 * (i % 4)));
        }
    }

    /* one text only for the same bytes: no bits are left over */

    if (i % 4 && (bits & ((1u << (8 - 2 * (i % 4))) - 1)) != 0) {
        return REG_BAD;
    }

    return REG_OK;
}
