/*
 * What reads of blobs decide: conditions, several ranges, and whether the
 * segments of a large object are all there.
 */

#include <stdio.h>

#include "tap.h"
#include "ops/reg_data.h"
#include "core/reg_etag.h"
#include "core/reg_range.h"


#define ROWS(table)  (sizeof(table) / sizeof(table[0]))
#define EMPTY        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


static const struct { const char *list; int strong, weak; } etags[] = {
    { "*", 1, 1 }, { "\"tag\"", 1, 1 }, { "W/\"tag\"", 0, 1 },
    { "tag", 1, 1 }, { "\"a\", \"tag\"", 1, 1 }, { "\"a\",\"tag\"", 1, 1 },
    { ",, \"tag\" ,", 1, 1 }, { "\"a,b\", \"tag\"", 1, 1 },
    { "a, tag", 1, 1 }, { "W/\"tag\", \"tag\"", 1, 1 },
    { "\"a\"\t,\tW/\"tag\"", 0, 1 },
    { "", 0, 0 }, { "\"\"", 0, 0 }, { "\"tag", 0, 0 }, { "tag\"", 1, 1 },
    { "\"tags\"", 0, 0 }, { "\"ta\"", 0, 0 }, { "\"a,tag\"", 0, 0 },
    { "w/\"tag\"", 0, 0 }, { "W/tag", 0, 0 }, { "W/", 0, 0 },
    { "\"a\"tag", 0, 0 }, { "a\"tag\"", 0, 0 }, { "\"", 0, 0 },
    { "**", 0, 0 }, { ", ,", 0, 0 }
};


/* for 100 bytes; NULL: the header is ignored */

static const struct { const char *text, *want; } selections[] = {
    { "bytes=0-4", "0,4;" }, { "bytes=0-4,10-", "0,4;10,99;" },
    { "bytes=-1,0-0", "99,99;0,0;" }, { "bytes=0-0,1-1", "0,0;1,1;" },
    { "bytes=0-9,5-14", "0,9;5,14;" }, { "bytes=100-,3-4", "3,4;" },
    { "bytes=100-,200-", "" }, { "bytes=-0", "" }, { "bytes=0-", "0,99;" },
    { "bytes=0-49,50-99", "0,49;50,99;" }, { "bytes=-999", "0,99;" },
    { "bytes=0-,0-0", NULL }, { "bytes=0-50,50-99", NULL },
    { "bytes=0-,0-,0-", NULL }, { "bytes=1-0", "" }, { "lines=1-2", NULL },
    { "", NULL }, { "bytes=0-1,x", NULL }
};


/*
 * "prefix" is what stands before a segment's name in the listing; "names"
 * are "number:bytes", where '|' ends a page, and the object has 30 bytes.
 */

static const struct {
    const char        *manifest;
    const char        *names;
    reg_data_state_t   want;
    const char        *damage;
} larges[] = {
    { "c/segments/ab/cd", "1:10 2:10 3:10", REG_DATA_WHOLE, NULL },
    { "c/segments/ab/cd/", "1:10 2:20", REG_DATA_WHOLE, NULL },
    { "c/segments/ab/cd/", "1:10 | 2:10 | 3:10", REG_DATA_WHOLE, NULL },
    { "c/segments/ngx/id/", "0:10 | 10:20", REG_DATA_WHOLE, NULL },
    { "c/segments/ab/cd/", "1:10 | 3:20", REG_DATA_DAMAGED,
      "lacks segment 2 " },
    { "c/segments%2Fab%2fcd", "1:30", REG_DATA_WHOLE, NULL },
    { "c/segments/ab/cd", "0:10 2:10 3:10", REG_DATA_WHOLE, NULL },
    { "c/segments/ab/cd", "1:10 3:20", REG_DATA_DAMAGED, "lacks segment 2 " },
    { "c/segments/ab/cd", "2:10 3:20", REG_DATA_DAMAGED, "lacks segment 1 " },
    { "c/segments/ab/cd", "0:10 1:20", REG_DATA_DAMAGED, "lacks segment 2 " },
    { "c/segments/ab/cd", "1:10 2:10", REG_DATA_DAMAGED,
      "has 30 bytes, where 20 " },
    { "c/segments/ab/cd", "", REG_DATA_DAMAGED, "where 0 " },
    { "c/segments/ngx/id/", "0:10 10:15 25:5", REG_DATA_WHOLE, NULL },
    { "c/segments/ngx/id/", "0:10 25:20", REG_DATA_DAMAGED,
      "lacks the segment at offset 10 " },
    { "c/segments/ngx/id/", "10:30", REG_DATA_DAMAGED, "at offset 0 " },
    { "c/mine/", "x:10 y:20", REG_DATA_WHOLE, NULL },
    { "c/mine/", "x:10 y:10", REG_DATA_DAMAGED, "where 20 " }
};


static void
test_etags(void)
{
    size_t       i;
    reg_str_t    list, tag;
    tap_arena_t  arena;

    tap_arena_init(&arena, SIZE_MAX);
    tag = tap_str(&arena, "tag", 3);

    for (i = 0; i < ROWS(etags); i++) {
        list = tap_str(&arena, etags[i].list, strlen(etags[i].list));

        ok(reg_etag_listed(&list, &tag, REG_ETAG_STRONG) == etags[i].strong
           && reg_etag_listed(&list, &tag, REG_ETAG_WEAK) == etags[i].weak,
           "entity tags", i);
    }

    list = tap_str(&arena, "\"tag\"", 5);
    ok(reg_etag_is(&list, &tag), "If-Range", 0);

    list = tap_str(&arena, "tag", 3);
    ok(!reg_etag_is(&list, &tag), "If-Range", 1);

    list = tap_str(&arena, "W/\"tag\"", 7);
    ok(!reg_etag_is(&list, &tag), "If-Range", 2);

    tap_arena_free(&arena);
}


static void
test_selections(void)
{
    char          got[200];
    size_t        i, k, n;
    reg_rc_t      rc;
    reg_buf_t     b;
    reg_str_t     s;
    tap_arena_t   arena;
    reg_range_t  *list;

    tap_arena_init(&arena, SIZE_MAX);

    for (i = 0; i < ROWS(selections); i++) {
        s = tap_str(&arena, selections[i].text, strlen(selections[i].text));
        rc = reg_range_select(&arena.arena, &s, 100, &list, &n);

        if (selections[i].want == NULL || rc != REG_OK) {
            ok(selections[i].want == NULL && rc == REG_BAD, "selection", i);
            continue;
        }

        got[0] = '\0';

        for (k = 0; k < n; k++) {
            (void) sprintf(got + strlen(got), "%d,%d;", (int) list[k].first,
                           (int) list[k].last);
        }

        ok(strcmp(got, selections[i].want) == 0, "selection", i);
    }

    /* the most, and one more */

    for (i = REG_RANGES_MAX; i <= REG_RANGES_MAX + 1; i++) {
        reg_buf_init(&b, &arena.arena, 0);
        reg_buf_text(&b, "bytes=");

        for (k = 0; k < i; k++) {
            reg_buf_text(&b, k ? ",7-7" : "7-7");
        }

        s = reg_buf_str(&b);
        rc = reg_range_select(&arena.arena, &s, 10000, &list, &n);
        ok(rc == (i > REG_RANGES_MAX ? REG_BAD : REG_OK), "the most", i);
    }

    tap_arena_free(&arena);
}


static void
test_blocks(void)
{
    int64_t        bytes;
    unsigned char  seen[4];

    static const reg_range_t  ranges[] = {
        { 0, 0 }, { 9, 10 }, { 5, 5 }, { 19, 30 }, { 39, 39 }
    };
    static const int64_t  want[][2] = {
        { 0, 0 }, { 1, 1 }, { 2, 3 }, { 2, 4 }, { 4, 16 }, { 4, 17 }
    };
    size_t  n;

    for (n = 0; n < ROWS(want); n++) {
        memset(seen, 0, sizeof(seen));

        ok(reg_range_blocks(ranges, n, 10, seen, &bytes) == want[n][0]
           && bytes == want[n][1], "blocks", n);
    }
}


static void
begin(reg_flow_t *f, tap_arena_t *arena, reg_data_t *data, reg_call_t *call)
{
    reg_str_t  text;

    tap_arena_init(arena, SIZE_MAX);

    memset(f, 0, sizeof(reg_flow_t));
    memset(data, 0, sizeof(reg_data_t));
    memset(call, 0, sizeof(reg_call_t));

    f->arena = &arena->arena;
    f->row = f->arena;
    f->container = tap_str(arena, "c", 1);

    text = tap_str(arena, "sha256:" "46383eb1f7d8ae636bb8098661fad1b8"
                   "719db277c775ccaa404f3372c2acad96", 71);
    (void) reg_digest_parse(&text, &data->digest);

    call->reply.status = 200;
    call->reply.length = 30;
}


static int
says(const reg_flow_t *f, const char *text)
{
    char  damage[1000];

    (void) snprintf(damage, sizeof(damage), "%.*s", (int) f->damage.len,
                    f->damage.len ? (char *) f->damage.data : "");

    return text ? strstr(damage, text) != NULL : f->damage.len == 0;
}


static void
test_plain(void)
{
    reg_str_t     text;
    reg_call_t    call;
    reg_data_t    data;
    reg_flow_t    f;
    tap_arena_t   arena;

    begin(&f, &arena, &data, &call);
    ok(reg_data_judge_head(&f, &data, &call) == REG_DATA_WHOLE
       && data.size == 30, "a plain object", 0);

    call.reply.length = 0;
    ok(reg_data_judge_head(&f, &data, &call) == REG_DATA_DAMAGED
       && says(&f, "is empty"), "an empty one", 0);

    text = tap_str(&arena, "sha256:" EMPTY, 71);
    (void) reg_digest_parse(&text, &data.digest);
    ok(reg_data_judge_head(&f, &data, &call) == REG_DATA_WHOLE,
       "the empty blob", 0);

    call.reply.status = 404;
    ok(reg_data_judge_head(&f, &data, &call) == REG_DATA_ABSENT, "none", 0);

    call.reply.status = 503;
    ok(reg_data_judge_head(&f, &data, &call) == REG_DATA_FAILED
       && f.answer.status == 503, "no storage", 0);

    tap_arena_free(&arena);

    /* a large one that knows its size */

    begin(&f, &arena, &data, &call);
    call.reply.object_manifest = tap_str(&arena, "c/segments/ngx/x/", 17);
    call.reply.whole = 30;
    ok(reg_data_judge_head(&f, &data, &call) == REG_DATA_WHOLE,
       "a large one", 0);

    call.reply.whole = 31;
    ok(reg_data_judge_head(&f, &data, &call) == REG_DATA_DAMAGED
       && says(&f, "has 30 bytes, where 31 were made"), "a short one", 0);

    call.reply.whole = 0;
    call.reply.length = 0;
    ok(reg_data_judge_head(&f, &data, &call) == REG_DATA_DAMAGED
       && says(&f, "has no segments"), "one without segments", 0);

    call.reply.length = 30;
    call.reply.whole = 0;
    call.reply.object_manifest = tap_str(&arena, "other/x", 7);
    ok(reg_data_judge_head(&f, &data, &call) == REG_DATA_WHOLE,
       "segments in another container", 0);

    call.reply.object_manifest = tap_str(&arena, "nonsense", 8);
    ok(reg_data_judge_head(&f, &data, &call) == REG_DATA_WHOLE,
       "no prefix at all", 0);

    tap_arena_free(&arena);
}


static void
add_entry(reg_buf_t *b, const reg_data_t *data, const char *name, int bytes)
{
    char  text[600];

    (void) snprintf(text, sizeof(text), "%s{\"name\":\"%.*s%s%s\","
                    "\"hash\":\"h\",\"bytes\":%d}", b->len > 1 ? "," : "",
                    (int) data->segments.len, (char *) data->segments.data,
                    data->segments.data[data->segments.len - 1] == '/'
                    ? "" : "/", name, bytes);
    reg_buf_text(b, text);
}


static void
test_large(void)
{
    int                bytes, n, pages;
    char               number[20], name[40];
    size_t             i;
    reg_buf_t          b;
    reg_call_t         call;
    reg_data_t         data;
    reg_flow_t         f;
    const char        *p;
    tap_arena_t        arena;
    reg_data_state_t   state;

    for (i = 0; i < ROWS(larges); i++) {
        begin(&f, &arena, &data, &call);

        call.reply.object_manifest = tap_str(&arena, larges[i].manifest,
                                             strlen(larges[i].manifest));

        state = reg_data_judge_head(&f, &data, &call);
        ok(state == REG_DATA_LIST, "a large object is to be listed", i);

        if (state != REG_DATA_LIST) {
            tap_arena_free(&arena);
            continue;
        }

        p = larges[i].names;

        for (pages = 0; state == REG_DATA_LIST && pages < 5; pages++) {

            reg_buf_init(&b, &arena.arena, 0);
            reg_buf_char(&b, '[');

            while (sscanf(p, " %15[^:|]:%d%n", number, &bytes, &n) == 2) {
                p += n;

                if (number[0] <= '9') {
                    (void) sprintf(name, "%016d", atoi(number));
                } else {
                    (void) sprintf(name, "%s", number);
                }

                add_entry(&b, &data, name, bytes);
            }

            p += strspn(p, " |");
            reg_buf_char(&b, ']');
            call.reply.body = reg_buf_str(&b);

            state = reg_data_judge_list(&f, &data, &call);
        }

        ok(state == larges[i].want && says(&f, larges[i].damage),
           "its segments", i);

        tap_arena_free(&arena);
    }
}


/* 1000 entries are a page: the next one follows */

static void
test_pages(void)
{
    int                i;
    char               name[40];
    reg_buf_t          b;
    reg_call_t         call;
    reg_data_t         data;
    reg_flow_t         f;
    tap_arena_t        arena;
    reg_data_state_t   state;

    begin(&f, &arena, &data, &call);

    call.reply.length = 1001;
    call.reply.object_manifest = tap_str(&arena, "c/s/x", 5);
    (void) reg_data_judge_head(&f, &data, &call);

    reg_buf_init(&b, &arena.arena, 0);
    reg_buf_char(&b, '[');

    for (i = 1; i <= 1000; i++) {
        (void) sprintf(name, "%016d", i);
        add_entry(&b, &data, name, 1);
    }

    reg_buf_char(&b, ']');
    call.reply.body = reg_buf_str(&b);

    state = reg_data_judge_list(&f, &data, &call);
    ok(state == REG_DATA_LIST && tap_is(&data.marker, "s/x/0000000000001000"),
       "a page of segments", 0);

    reg_buf_init(&b, &arena.arena, 0);
    reg_buf_char(&b, '[');
    add_entry(&b, &data, "0000000000001001", 1);
    reg_buf_char(&b, ']');
    call.reply.body = reg_buf_str(&b);

    ok(reg_data_judge_list(&f, &data, &call) == REG_DATA_WHOLE,
       "and the last one", 0);

    data.next = 1001;
    data.sum = 1000;
    data.least = 1002;
    ok(reg_data_judge_list(&f, &data, &call) == REG_DATA_DAMAGED
       && says(&f, "has 1001 bytes, where 1002 are named"),
       "too short for its manifest", 0);

    tap_arena_free(&arena);
}


int
main(void)
{
    test_etags();
    test_selections();
    test_blocks();
    test_plain();
    test_large();
    test_pages();

    return tap_end();
}
