/* names, digests, ranges and the query string */

#include "tap.h"
#include "core/reg_session.h"

#include "core/reg_digest.h"
#include "core/reg_name.h"
#include "core/reg_query.h"
#include "core/reg_range.h"


#define ROWS(table)  (sizeof(table) / sizeof((table)[0]))

#define A64   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define D64   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"


static const struct { const char *text; int want; } names[] = {
    { "a", 1 }, { "library/ubuntu", 1 }, { "a.b", 1 }, { "a_b", 1 },
    { "a__b", 1 }, { "a-b", 1 }, { "a----b", 1 }, { "0/1/2/3", 1 },
    { "a.b/c__d/e--f", 1 },
    { "", 0 }, { "/", 0 }, { "/a", 0 }, { "a/", 0 }, { "a//b", 0 },
    { "a..b", 0 }, { "a___b", 0 }, { "a._b", 0 }, { "a_-b", 0 },
    { "_a", 0 }, { "a_", 0 }, { "-a", 0 }, { "a-", 0 }, { ".a", 0 },
    { "a.", 0 }, { ".", 0 }, { "..", 0 }, { "a/../b", 0 }, { "A", 0 },
    { "a/B", 0 }, { "host:5000/a", 0 }, { "a b", 0 }, { "a%2fb", 0 },
    { "a/_layers", 0 }, { "a\n", 0 }, { "\xc3\xa4", 0 }, { "a\\b", 0 },
    { A64 A64 A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 1 },
    { A64 A64 A64 A64, 0 }
};


static const struct { const char *text; int want; } tags[] = {
    { "latest", 1 }, { "1.0", 1 }, { "_", 1 }, { "A-b.C_d", 1 },
    { A64 A64, 1 },
    { "", 0 }, { ".a", 0 }, { "-a", 0 }, { "a/b", 0 }, { "a:b", 0 },
    { "a b", 0 }, { A64 A64 "a", 0 }, { "\xc3\xa4", 0 }, { "a\n", 0 }
};


static const struct { const char *text; int64_t want; } sizes[] = {
    { "0", 0 }, { "71", 71 }, { "1125899906842624", REG_SIZE_MAX },
    { "1125899906842625", -1 }, { "9223372036854775807", -1 },
    { "9223372036854775808", -1 }, { "-1", -1 }, { "", -1 }, { "1 ", -1 }
};


static const struct { int64_t a, b, want; } sums[] = {
    { 1, 2, 3 }, { INT64_MAX - 2, 2, INT64_MAX }, { INT64_MAX - 2, 3, INT64_MAX },
    { INT64_MAX, INT64_MAX, INT64_MAX }, { 5, -1, 5 }, { 5, INT64_MIN, 5 }
};


static const struct { const char *text; int want; } urls[] = {
    { "https://registry.example.com", 1 }, { "http://a", 1 },
    { "https://A_b-c.example:5000", 1 }, { "http://[::1]:80", 1 },
    { "https://127.0.0.1:65535/some/prefix", 1 }, { "https://a/~b.c", 1 },
    { "", 0 }, { "https://", 0 }, { "registry.example.com", 0 },
    { "//a", 0 }, { "ftp://a", 0 }, { "HTTPS://a", 0 }, { "https://a/", 0 },
    { "https://a/b/", 0 }, { "https://a//b", 0 }, { "https:///a", 0 },
    { "https://a/./b", 0 }, { "https://a/..", 0 }, { "https://a:", 0 },
    { "https://a:0", 0 }, { "https://a:65536", 0 }, { "https://a:b", 0 },
    { "https://:80", 0 }, { "https://[]", 0 }, { "https://[::1", 0 },
    { "https://[g]", 0 }, { "https://u@a", 0 }, { "https://a?b", 0 },
    { "https://a#b", 0 }, { "https://a/%2e", 0 }, { "https://a b", 0 },
    { "https://a\r\nX: y", 0 }, { "https://a\x11", 0 },
    { "https://a/\x11", 0 }, { "https://\xc3\xa4", 0 },
    { "https://a\\b", 0 }, { "https://a\"", 0 }
};


static const struct { const char *a, *b; int want; } orders[] = {
    { "a", "a", 0 }, { "a", "b", -1 }, { "a", "aa", -1 }, { "", "a", -1 },
    { "a/b", "a-b", -1 }, { "a/b", "a.b", -1 }, { "a", "a/b", -1 },
    { "a/z", "a/b", 1 }, { "a0", "a/", 1 }
};


static const struct { const char *text; int want; } digests[] = {
    { "sha256:" D64, 1 }, { "sha384:" D64 "0123456789abcdef"
      "0123456789abcdef", 1 }, { "sha512:" D64 D64, 1 },
    { "", 0 }, { ":", 0 }, { "sha256", 0 }, { "sha256:", 0 },
    { "sha256:" D64 "0", 0 }, { "sha512:" D64, 0 }, { "SHA256:" D64, 0 },
    { "sha256:" D64 D64, 0 }, { "md5:" D64, 0 }, { "sha256" D64, 0 },
    { ":" D64, 0 }, { "sha256::" D64, 0 },
    { "sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef"
      "0123456789abcdef", 0 },
    { "sha256:0123456789abcdef0123456789abcdef0123456789abcdef"
      "0123456789abcdeg", 0 },
    { "sha256:../456789abcdef0123456789abcdef0123456789abcdef"
      "0123456789abcdef", 0 }
};


/* FIPS 180: "abc" */

static const struct { reg_alg_t alg; const char *want; } hashes[] = {
    { REG_SHA256, "sha256:"
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
    { REG_SHA384, "sha384:"
      "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded163"
      "1a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7" },
    { REG_SHA512, "sha512:"
      "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
      "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f" }
};


/* with 3 ranges at most; a range is "first,last;" */

static const struct { const char *text, *want; } ranges[] = {
    { "bytes=0-4", "0,4;" }, { "bytes=5-", "5,-1;" },
    { "bytes=-7", "-1,7;" }, { "BYTES=0-0", "0,0;" },
    { "bytes=0-1,3-4 ,\t-2", "0,1;3,4;-1,2;" }, { "bytes=,0-1,,", "0,1;" },
    { "bytes=-0", "-1,0;" },
    { "bytes=0-99999999999999999999", "0,9223372036854775807;" },
    { "bytes=99999999999999999999-", "9223372036854775807,-1;" },
    { "", NULL }, { "bytes", NULL }, { "bytes=", NULL },
    { "bytes=,", NULL }, { "bytes=-", NULL }, { "bytes=a-b", NULL },
    { "bytes=4-3", "4,3;" }, { "bytes=1-2-3", NULL }, { "bytes=--1", NULL },
    { "bytes=+1-2", NULL }, { "bytes=1 -2", NULL }, { "items=0-1", NULL },
    { "bytes =0-1", NULL }, { "bytes=0-1,x", NULL }, { "bytes=5", NULL },
    { "bytes=0-0,1-1,2-2,3-3", NULL }
};


/* for last == -2: REG_BAD */

static const struct {
    reg_range_t  range;
    int64_t      size;
    reg_range_t  want;
} resolves[] = {
    { { 0, 4 }, 10, { 0, 4 } }, { { 0, 9 }, 10, { 0, 9 } },
    { { 0, 10 }, 10, { 0, 9 } }, { { 9, -1 }, 10, { 9, 9 } },
    { { -1, 3 }, 10, { 7, 9 } }, { { -1, 10 }, 10, { 0, 9 } },
    { { -1, 11 }, 10, { 0, 9 } }, { { -1, INT64_MAX }, 1, { 0, 0 } },
    { { 0, INT64_MAX }, INT64_MAX, { 0, INT64_MAX - 1 } },
    { { 10, -1 }, 10, { 0, -2 } }, { { 10, 12 }, 10, { 0, -2 } },
    { { -1, 0 }, 10, { 0, -2 } }, { { 0, -1 }, 0, { 0, -2 } },
    { { -1, 5 }, 0, { 0, -2 } }, { { INT64_MAX, -1 }, 10, { 0, -2 } },
    { { 4, 3 }, 10, { 0, -2 } }, { { 12, 11 }, 10, { 0, -2 } },
    { { 9, 0 }, 9, { 0, -2 } }
};


static const struct {
    const char  *text;
    int64_t      start, end;            /* end == -1: REG_BAD */
} content_ranges[] = {
    { "0-4", 0, 4 }, { "bytes 0-4", 0, 4 }, { "bytes 3-4/5", 3, 4 },
    { "3-3/*", 3, 3 }, { "Bytes 0-0/*", 0, 0 },
    { "0-9223372036854775806", 0, INT64_MAX - 1 },
    { "", 0, -1 }, { "-", 0, -1 }, { "0-", 0, -1 }, { "-4", 0, -1 },
    { "4-3", 0, -1 }, { "0-4/4", 0, -1 }, { "0-4/", 0, -1 },
    { "0-4/x", 0, -1 }, { "0-4/**", 0, -1 }, { "0-4-5", 0, -1 },
    { "0- 4", 0, -1 }, { "bytes=0-4", 0, -1 }, { "bytes ", 0, -1 },
    { "bytes */5", 0, -1 }, { "0--1", 0, -1 },
    { "0-9223372036854775808", 0, -1 }, { "0-18446744073709551616", 0, -1 }
};


/* the parameter is "tag"; values are joined by '|'; one, or three at most */

static const struct { const char *args, *one, *all; } queries[] = {
    { "", "", "" }, { "a=b", "", "" }, { "tag=x", "x|", "x|" },
    { "tag", "|", "|" }, { "tag=", "|", "|" }, { "a=1&tag=x&b=2", "x|", "x|" },
    { "&&tag=x&&", "x|", "x|" }, { "t%61g=x", "x|", "x|" },
    { "tag=a+b%20c", "a b c|", "a b c|" }, { "tag=a%2Fb%2f", "a/b/|",
      "a/b/|" }, { "tag=a=b", "a=b|", "a=b|" }, { "tags=x&ta=y", "", "" },
    { "TAG=x", "", "" }, { "%zz=1&tag=x", "x|", "x|" },
    { "other=%zz&tag=x", "x|", "x|" }, { "=x", "", "" },
    { "tag=a&tag=b", NULL, "a|b|" }, { "tag=a&tag=b&tag=c", NULL, "a|b|c|" },
    { "tag=a&tag=b&tag=c&tag=d", NULL, NULL },
    { "tag=%", NULL, NULL }, { "tag=%4", NULL, NULL },
    { "tag=%4&x=1", NULL, NULL }, { "tag=%g0", NULL, NULL },
    { "tag=a%00b", NULL, NULL }
};


static void
test_names(void)
{
    size_t       i;
    reg_str_t    a, b;
    tap_arena_t  arena;

    tap_arena_init(&arena, SIZE_MAX);

    for (i = 0; i < ROWS(names); i++) {
        a = tap_str(&arena, names[i].text, strlen(names[i].text));
        ok(reg_name_valid(&a) == names[i].want, "name", i);
    }

    for (i = 0; i < ROWS(tags); i++) {
        a = tap_str(&arena, tags[i].text, strlen(tags[i].text));
        ok(reg_tag_valid(&a) == tags[i].want, "tag", i);
    }

    for (i = 0; i < ROWS(urls); i++) {
        a = tap_str(&arena, urls[i].text, strlen(urls[i].text));
        ok(reg_url_valid(&a) == urls[i].want, "url", i);
    }

    a = tap_str(&arena, "a\0b", 3);
    ok(!reg_name_valid(&a) && !reg_tag_valid(&a), "NUL in a name", 0);

    for (i = 0; i < ROWS(orders); i++) {
        a = tap_str(&arena, orders[i].a, strlen(orders[i].a));
        b = tap_str(&arena, orders[i].b, strlen(orders[i].b));

        ok((reg_name_compare(&a, &b) > 0) - (reg_name_compare(&a, &b) < 0)
           == orders[i].want
           && (reg_name_compare(&b, &a) > 0) - (reg_name_compare(&b, &a) < 0)
              == -orders[i].want,
           "order", i);
    }

    tap_arena_free(&arena);
}


static void
test_digests(void)
{
    size_t        i;
    reg_str_t     s, text;
    tap_arena_t   arena, none;
    reg_digest_t  d;

    tap_arena_init(&arena, SIZE_MAX);
    tap_arena_init(&none, 0);

    for (i = 0; i < ROWS(digests); i++) {
        s = tap_str(&arena, digests[i].text, strlen(digests[i].text));

        if (!digests[i].want) {
            ok(reg_digest_parse(&s, &d) == REG_BAD, "digest", i);
            continue;
        }

        ok(reg_digest_parse(&s, &d) == REG_OK, "digest", i);

        text = reg_digest_text(&arena.arena, &d);
        ok(reg_str_equal(&s, &text), "digest printed", i);

        text = reg_digest_text(&none.arena, &d);
        ok(text.data == NULL, "digest without memory", i);
    }

    for (i = 0; i < ROWS(hashes); i++) {
        reg_digest_of(&d, hashes[i].alg, "abc", 3);
        text = reg_digest_text(&arena.arena, &d);
        ok(tap_is(&text, hashes[i].want), "hash of abc", i);
    }

    tap_arena_free(&arena);
}


static void
test_hash_state(void)
{
    int            good, alg;
    size_t         cut, len, k;
    reg_hash_t     h, other;
    reg_digest_t   want, got;
    unsigned char  message[300], state[REG_HASH_STATE_MAX + 1];

    for (cut = 0; cut < sizeof(message); cut++) {
        message[cut] = (unsigned char) (cut * 7 + 1);
    }

    for (alg = REG_SHA256; alg <= REG_SHA512; alg++) {

        reg_digest_of(&want, (reg_alg_t) alg, message, sizeof(message));

        for (cut = 0; cut <= sizeof(message); cut++) {

            reg_hash_init(&h, (reg_alg_t) alg);
            reg_hash_update(&h, message, cut);
            reg_hash_final(&h, &got);

            len = reg_hash_save(&h, state);
            good = len <= REG_HASH_STATE_MAX;

            /* no other length, and nothing of another length */

            for (k = 0; k < len; k++) {
                good &= reg_hash_load(&other, state, k) == REG_BAD;
            }

            state[len] = 0;
            good &= reg_hash_load(&other, state, len + 1) == REG_BAD;

            memset(&other, 0xff, sizeof(other));
            good &= reg_hash_load(&other, state, len) == REG_OK
                    && other.bytes == cut;

            reg_hash_update(&other, message + cut, sizeof(message) - cut);
            reg_hash_final(&other, &got);
            good &= reg_digest_equal(&want, &got);

            /* and the first one can go on */

            reg_hash_update(&h, message + cut, sizeof(message) - cut);
            reg_hash_final(&h, &got);
            good &= reg_digest_equal(&want, &got);

            ok(good, reg_alg_name((reg_alg_t) alg), cut);
        }
    }

    reg_hash_init(&h, REG_SHA256);
    len = reg_hash_save(&h, state);

    ok(len == 42 && memcmp(state, "\1\0\x6a\x09\xe6\x67", 6) == 0,
       "saved state is big-endian", 0);

    state[0] ^= 2;
    ok(reg_hash_load(&h, state, len) == REG_BAD, "state of a version", 0);
    state[0] ^= 2;

    state[1] = 3;
    ok(reg_hash_load(&h, state, len) == REG_BAD, "state of an algorithm", 0);
    state[1] = 0;

    state[2] ^= 1;
    ok(reg_hash_load(&h, state, len) == REG_BAD, "state not initial", 0);

    state[len - 8] = 0x20;
    ok(reg_hash_load(&h, state, len) == REG_BAD, "state too long", 0);
}


/* the counters of the context pass 32 bits */

static void
test_hash_large(void)
{
    int             alg;
    size_t          i, len;
    reg_hash_t      h, other;
    reg_digest_t    want, got;
    unsigned char  *chunk, state[REG_HASH_STATE_MAX];

    chunk = calloc(1, 1 << 20);
    if (chunk == NULL) {
        abort();
    }

    for (alg = REG_SHA256; alg <= REG_SHA512; alg += 2) {
        reg_hash_init(&h, (reg_alg_t) alg);

        for (i = 0; i < 513; i++) {
            reg_hash_update(&h, chunk, 1 << 20);
        }

        reg_hash_update(&h, chunk, 13);

        len = reg_hash_save(&h, state);
        ok(reg_hash_load(&other, state, len) == REG_OK, "large", (size_t) alg);

        reg_hash_update(&h, chunk, 99);
        reg_hash_update(&other, chunk, 99);
        reg_hash_final(&h, &want);
        reg_hash_final(&other, &got);

        ok(reg_digest_equal(&want, &got), "large", (size_t) alg);
    }

    free(chunk);
}


static void
test_ranges(void)
{
    size_t       i, k, n;
    int64_t      start, end;
    reg_rc_t     rc;
    reg_buf_t    b;
    reg_str_t    s;
    tap_arena_t  arena;
    reg_range_t  r, list[3];

    tap_arena_init(&arena, SIZE_MAX);

    for (i = 0; i < ROWS(ranges); i++) {
        s = tap_str(&arena, ranges[i].text, strlen(ranges[i].text));
        rc = reg_range_parse(&s, list, 3, &n);

        if (ranges[i].want == NULL || rc != REG_OK) {
            ok(ranges[i].want == NULL && rc == REG_BAD, "range", i);
            continue;
        }

        reg_buf_init(&b, &arena.arena, 0);

        for (k = 0; k < n; k++) {
            reg_buf_number(&b, list[k].first);
            reg_buf_char(&b, ',');
            reg_buf_number(&b, list[k].last);
            reg_buf_char(&b, ';');
        }

        s = reg_buf_str(&b);
        ok(tap_is(&s, ranges[i].want), "range", i);
    }

    for (i = 0; i < ROWS(resolves); i++) {
        r = resolves[i].range;
        rc = reg_range_resolve(&r, resolves[i].size);

        ok(resolves[i].want.last == -2
           ? rc == REG_BAD
           : (rc == REG_OK && r.first == resolves[i].want.first
              && r.last == resolves[i].want.last),
           "resolved range", i);
    }

    for (i = 0; i < ROWS(content_ranges); i++) {
        s = tap_str(&arena, content_ranges[i].text,
                    strlen(content_ranges[i].text));
        rc = reg_content_range_parse(&s, &start, &end);

        ok(content_ranges[i].end == -1
           ? rc == REG_BAD
           : (rc == REG_OK && start == content_ranges[i].start
              && end == content_ranges[i].end),
           "content range", i);
    }

    tap_arena_free(&arena);
}


static int
query_is(reg_arena_t *arena, const reg_str_t *args, size_t max,
    const char *want)
{
    size_t     i, n;
    reg_rc_t   rc;
    reg_buf_t  b;
    reg_str_t  s, values[3];

    n = 0;

    if (max == 1) {
        rc = reg_query_get(arena, args, "tag", values);
        n = values[0].data != NULL;

    } else {
        rc = reg_query_all(arena, args, "tag", values, max, &n);
    }

    if (want == NULL || rc != REG_OK) {
        return want == NULL && rc == REG_BAD;
    }

    reg_buf_init(&b, arena, 0);

    for (i = 0; i < n; i++) {
        reg_buf_add_str(&b, &values[i]);
        reg_buf_char(&b, '|');
    }

    s = reg_buf_str(&b);

    return tap_is(&s, want);
}


static void
test_visible(void)
{
    reg_buf_t    b;
    reg_str_t    s, clean = reg_string("a b~");
    tap_arena_t  arena;

    static const reg_str_t  dirty[] = {
        reg_string("\n"), reg_string("a\x7f"), reg_string("\x1b[1m"),
        { 2, (unsigned char *) "a" }
    };

    tap_arena_init(&arena, SIZE_MAX);

    reg_buf_init(&b, &arena.arena, 0);
    reg_buf_visible(&b, "a b\r\n\x1b\\\"\x7f\xff", 10);
    s = reg_buf_str(&b);

    ok(tap_is(&s, "a b\\x0d\\x0a\\x1b\\x5c\\x22\\x7f\\xff"), "visible", 0);
    ok(reg_str_clean(&clean), "clean", 0);
    ok(!reg_str_clean(&dirty[0]), "a line", 0);
    ok(!reg_str_clean(&dirty[1]), "DEL", 0);
    ok(!reg_str_clean(&dirty[2]), "an escape", 0);
    ok(!reg_str_clean(&dirty[3]), "a NUL", 0);

    tap_arena_free(&arena);
}


static void
test_queries(void)
{
    size_t       i;
    reg_str_t    s, value;
    tap_arena_t  arena, none;

    tap_arena_init(&arena, SIZE_MAX);
    tap_arena_init(&none, 0);

    for (i = 0; i < ROWS(queries); i++) {
        s = tap_str(&arena, queries[i].args, strlen(queries[i].args));

        ok(query_is(&arena.arena, &s, 1, queries[i].one), "query", i);
        ok(query_is(&arena.arena, &s, 3, queries[i].all), "query, all", i);
    }

    s = tap_str(&arena, "tag=x", 5);
    ok(reg_query_get(&none.arena, &s, "tag", &value) == REG_NOMEM
       && value.data == NULL, "query without memory", 0);

    tap_arena_free(&arena);
}


static void
test_sizes(void)
{
    size_t         i;
    int64_t        sum;
    reg_session_t  s;
    reg_str_t      etag = reg_string("etag");

    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        ok(reg_size_read((const unsigned char *) sizes[i].text,
                         strlen(sizes[i].text))
           == sizes[i].want, "size", i);
    }

    for (i = 0; i < sizeof(sums) / sizeof(sums[0]); i++) {
        sum = sums[i].a;
        reg_size_add(&sum, sums[i].b);
        ok(sum == sums[i].want, "sum of sizes", i);
    }

    reg_session_init(&s);

    for (i = 0; i < 20000; i++) {
        reg_session_add(&s, REG_SIZE_MAX, &etag);
    }

    ok(s.offset == INT64_MAX, "parts of the largest size", i);
}


int
main(void)
{
    test_names();
    test_sizes();
    test_digests();
    test_hash_state();
    test_hash_large();
    test_ranges();
    test_queries();
    test_visible();

    return tap_end();
}
