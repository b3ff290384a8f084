#include <stdlib.h>
#include <string.h>

#include "check_cursor.h"
#include "check_report.h"
#include "core/reg_swift.h"


#define PAGE      10000
#define PAGE_MAX  (64 * 1024 * 1024)


static void ask(check_t *c, check_cursor_t *cursor);
static void take_page(check_t *c, check_cursor_t *cursor);


void
check_cursor_open(check_t *c, check_cursor_t *cursor, const char *prefix,
    char delimiter)
{
    memset(cursor, 0, sizeof(check_cursor_t));

    cursor->prefix = check_str(prefix);
    cursor->delimiter = delimiter;
    check_pool_init(&cursor->pool);
    check_pool_init(&cursor->names);

    ask(c, cursor);
}


void
check_cursor_close(check_cursor_t *cursor)
{
    check_pool_free(&cursor->pool);
    check_pool_free(&cursor->names);
}


/* valid until the next call; NULL: the end */

reg_entry_t *
check_cursor_peek(check_t *c, check_cursor_t *cursor)
{
    while (cursor->i == cursor->page.n && !cursor->end) {
        take_page(c, cursor);
    }

    return cursor->end ? NULL : &cursor->page.entries[cursor->i];
}


void
check_cursor_next(check_t *c, check_cursor_t *cursor)
{
    if (!cursor->end) {
        cursor->i++;
        c->objects++;
    }
}


static void
ask(check_t *c, check_cursor_t *cursor)
{
    reg_buf_t     b;
    reg_str_t     none = reg_null_string;
    check_pool_t  pool;

    check_pool_init(&pool);

    reg_buf_init(&b, &pool.arena, 512);
    reg_swift_listing(&b, &c->options.prefix, &cursor->prefix,
                      &cursor->marker, &none, cursor->delimiter ? "/" : "",
                      PAGE);
    reg_buf_char(&b, '\0');

    cursor->request = check_request(c, REG_GET, NULL, (char *) b.data, NULL);
    cursor->request->body_max = PAGE_MAX;
    cursor->request->keep = 1;
    check_send(c, cursor->request);

    check_pool_free(&pool);
}


static int
take(reg_str_t *s, const reg_str_t *prefix)
{
    if (prefix->len == 0) {
        return 1;
    }

    if (s->len < prefix->len
        || memcmp(s->data, prefix->data, prefix->len) != 0)
    {
        return 0;
    }

    s->data += prefix->len;
    s->len -= prefix->len;

    return 1;
}


static void
take_page(check_t *c, check_cursor_t *cursor)
{
    size_t        i;
    reg_str_t     body, last, rest;
    const char   *why;
    reg_entry_t  *entries;

    check_wait_for(c, cursor->request);

    body.data = cursor->request->body;
    body.len = cursor->request->body_len;

    check_pool_free(&cursor->pool);
    why = "";
    cursor->i = 0;

    if (cursor->request->status == 204) {
        memset(&cursor->page, 0, sizeof(reg_listing_t));

    } else if (reg_listing_parse(&cursor->pool.arena, &body, &cursor->page,
                                 &why)
               != REG_OK)
    {
        check_fatal(c, "the storage sent a listing that cannot be read: %s",
                    why);
    }

    check_request_free(cursor->request);
    cursor->request = NULL;

    /* a short page may not be the last one, an empty one is */

    if (cursor->page.n == 0) {
        cursor->end = 1;
        return;
    }

    entries = cursor->page.entries;

    for (i = 0; i < cursor->page.n; i++) {
        rest = entries[i].name;

        if (!take(&rest, &c->options.prefix)) {
            check_fatal(c, "the storage lists what it was not asked for");
        }

        entries[i].name = rest;

        if (!take(&rest, &cursor->prefix)) {
            check_fatal(c, "the storage lists what it was not asked for");
        }
    }

    if (cursor->marker.len
        && check_compare(entries[0].name.data, entries[0].name.len,
                         cursor->marker.data, cursor->marker.len) <= 0)
    {
        check_fatal(c, "the storage repeats its listing");
    }

    last = entries[cursor->page.n - 1].name;

    check_pool_free(&cursor->names);
    (void) reg_str_copy(&cursor->names.arena, &cursor->marker, last.data,
                        last.len);

    ask(c, cursor);
}
