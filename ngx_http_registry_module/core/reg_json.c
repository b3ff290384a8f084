#include "reg_json.h"

#include <setjmp.h>
#include <yajl/yajl_parse.h>


/* keeps what follows it aligned as malloc() does */

typedef union {
    size_t                size;
    long double           align;
} header_t;


typedef struct {
    reg_arena_t          *arena;
    reg_json_handler_pt   handler;
    void                 *data;
    const char          **why;
    yajl_handle           yajl;
    size_t                len;
    unsigned              depth;
    unsigned              ending:1;
    reg_rc_t              rc;
    jmp_buf               nomem;
} reader_t;


static reg_rc_t read_all(reader_t *r, const reg_str_t *text);
static int emit(reader_t *r, reg_json_event_t event, const void *data,
    size_t len);
static int opened(reader_t *r, reg_json_event_t event);
static int closed(reader_t *r, reg_json_event_t event);
static int refuse(reader_t *r, const char *why);

static int on_null(void *ctx);
static int on_bool(void *ctx, int value);
static int on_number(void *ctx, const char *data, size_t len);
static int on_string(void *ctx, const unsigned char *data, size_t len);
static int on_key(void *ctx, const unsigned char *data, size_t len);
static int on_map(void *ctx);
static int on_map_end(void *ctx);
static int on_array(void *ctx);
static int on_array_end(void *ctx);

static void *take(void *ctx, size_t size);
static void *retake(void *ctx, void *p, size_t size);
static void drop(void *ctx, void *p);

static size_t utf8_length(const unsigned char *p, const unsigned char *end);
static int utf8_valid(const reg_str_t *text);


/* without on_integer and on_double, which would round or overflow */

static const yajl_callbacks  callbacks = {
    on_null,
    on_bool,
    NULL,
    NULL,
    on_number,
    on_string,
    on_map,
    on_key,
    on_map_end,
    on_array,
    on_array_end
};


reg_rc_t
reg_json_read(reg_arena_t *arena, const reg_str_t *text,
    reg_json_handler_pt handler, void *data, const char **why)
{
    reader_t  r;

    memset(&r, 0, sizeof(reader_t));

    r.arena = arena;
    r.handler = handler;
    r.data = data;
    r.why = why;
    r.len = text->len;

    *why = "invalid JSON";

    if (text->len == 0) {
        *why = "no JSON document";
        return REG_BAD;
    }

    if (!utf8_valid(text)) {
        *why = "invalid UTF-8";
        return REG_BAD;
    }

    return read_all(&r, text);
}


/*
 * yajl writes to what it allocated without looking whether it got it, hence
 * the jump.  It skips nothing that would have to be released: all that yajl
 * has is of the arena.
 */

static reg_rc_t
read_all(reader_t *r, const reg_str_t *text)
{
    yajl_status       status;
    yajl_alloc_funcs  alloc;

    alloc.malloc = take;
    alloc.realloc = retake;
    alloc.free = drop;
    alloc.ctx = r;

    if (setjmp(r->nomem)) {
        return REG_NOMEM;
    }

    r->yajl = yajl_alloc(&callbacks, &alloc, r);

    status = yajl_parse(r->yajl, text->data, text->len);

    if (status == yajl_status_ok) {
        r->ending = 1;
        status = yajl_complete_parse(r->yajl);
    }

    if (r->rc != REG_OK) {
        return r->rc;
    }

    if (status != yajl_status_ok) {
        *r->why = "invalid JSON";
        return REG_BAD;
    }

    return REG_OK;
}


static int
emit(reader_t *r, reg_json_event_t event, const void *data, size_t len)
{
    size_t     offset;
    reg_str_t  text;

    text.len = len;
    text.data = (unsigned char *) data;

    /* at the end yajl reads a blank of its own and counts from zero again */

    offset = r->ending ? r->len : yajl_get_bytes_consumed(r->yajl);

    r->rc = r->handler(r->data, event, &text, r->depth, offset);

    return r->rc == REG_OK;
}


static int
opened(reader_t *r, reg_json_event_t event)
{
    if (r->depth == REG_JSON_DEPTH_MAX) {
        return refuse(r, "JSON is nested too deep");
    }

    if (!emit(r, event, NULL, 0)) {
        return 0;
    }

    r->depth++;

    return 1;
}


static int
closed(reader_t *r, reg_json_event_t event)
{
    r->depth--;

    return emit(r, event, NULL, 0);
}


static int
refuse(reader_t *r, const char *why)
{
    *r->why = why;
    r->rc = REG_BAD;

    return 0;
}


static int
on_null(void *ctx)
{
    return emit(ctx, REG_JSON_NULL, "null", 4);
}


static int
on_bool(void *ctx, int value)
{
    return value ? emit(ctx, REG_JSON_BOOL, "true", 4)
                 : emit(ctx, REG_JSON_BOOL, "false", 5);
}


static int
on_number(void *ctx, const char *data, size_t len)
{
    return emit(ctx, REG_JSON_NUMBER, data, len);
}


static int
on_string(void *ctx, const unsigned char *data, size_t len)
{
    /* others would take the string to end there */

    if (len && memchr(data, '\0', len) != NULL) {
        return refuse(ctx, "a string contains U+0000");
    }

    return emit(ctx, REG_JSON_STRING, data, len);
}


static int
on_key(void *ctx, const unsigned char *data, size_t len)
{
    if (len && memchr(data, '\0', len) != NULL) {
        return refuse(ctx, "a string contains U+0000");
    }

    return emit(ctx, REG_JSON_KEY, data, len);
}


static int
on_map(void *ctx)
{
    return opened(ctx, REG_JSON_MAP);
}


static int
on_map_end(void *ctx)
{
    return closed(ctx, REG_JSON_MAP_END);
}


static int
on_array(void *ctx)
{
    return opened(ctx, REG_JSON_ARRAY);
}


static int
on_array_end(void *ctx)
{
    return closed(ctx, REG_JSON_ARRAY_END);
}


static void *
take(void *ctx, size_t size)
{
    header_t  *h;
    reader_t  *r = ctx;

    h = NULL;

    if (size <= SIZE_MAX - sizeof(header_t)) {
        h = reg_alloc(r->arena, sizeof(header_t) + size);
    }

    if (h == NULL) {
        longjmp(r->nomem, 1);
    }

    h->size = size;

    return h + 1;
}


static void *
retake(void *ctx, void *p, size_t size)
{
    void      *fresh;
    header_t  *h;

    if (p == NULL) {
        return take(ctx, size);
    }

    h = (header_t *) p - 1;

    if (size <= h->size) {
        return p;
    }

    fresh = take(ctx, size);
    memcpy(fresh, p, h->size);

    return fresh;
}


static void
drop(void *ctx, void *p)
{
    (void) ctx;
    (void) p;
}


void
reg_json_write_string(reg_buf_t *b, const reg_str_t *s)
{
    char                  escape[6];
    size_t                len;
    const char           *letter;
    const unsigned char  *p, *end;

    static const char  plain[] = "\"\\\b\f\n\r\t";
    static const char  letters[] = "\"\\bfnrt";

    reg_buf_char(b, '"');

    p = s->data;
    end = s->len ? p + s->len : p;

    for ( /* void */ ; p < end; p += len) {
        len = utf8_length(p, end);

        if (len == 0) {
            reg_buf_text(b, "\xef\xbf\xbd");
            len = 1;
            continue;
        }

        letter = *p ? strchr(plain, *p) : NULL;

        if (letter != NULL) {
            reg_buf_char(b, '\\');
            reg_buf_char(b, letters[letter - plain]);

        } else if (*p < 0x20 || *p == 0x7f) {
            memcpy(escape, "\\u00", 4);
            (void) reg_hex((unsigned char *) escape + 4, p, 1);
            reg_buf_add(b, escape, 6);

        } else {
            reg_buf_add(b, p, len);
        }
    }

    reg_buf_char(b, '"');
}


/*
 * The length of the character at p; 0: it is none (overlong, a surrogate,
 * above U+10FFFF or cut off).  yajl looks for less.
 */

static size_t
utf8_length(const unsigned char *p, const unsigned char *end)
{
    size_t         i, len;
    unsigned char  low, high;

    low = 0x80;
    high = 0xbf;

    if (*p < 0x80) {
        return 1;

    } else if (*p >= 0xc2 && *p <= 0xdf) {
        len = 2;

    } else if (*p >= 0xe0 && *p <= 0xef) {
        len = 3;
        low = *p == 0xe0 ? 0xa0 : 0x80;
        high = *p == 0xed ? 0x9f : 0xbf;

    } else if (*p >= 0xf0 && *p <= 0xf4) {
        len = 4;
        low = *p == 0xf0 ? 0x90 : 0x80;
        high = *p == 0xf4 ? 0x8f : 0xbf;

    } else {
        return 0;
    }

    if ((size_t) (end - p) < len || p[1] < low || p[1] > high) {
        return 0;
    }

    for (i = 2; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }

    return len;
}


static int
utf8_valid(const reg_str_t *text)
{
    size_t                len;
    const unsigned char  *p, *end;

    end = text->data + text->len;

    for (p = text->data; p < end; p += len) {
        len = utf8_length(p, end);
        if (len == 0) {
            return 0;
        }
    }

    return 1;
}
