/* the state of an upload: what goes in comes out, and nothing else does */

#include "tap.h"
#include "core/reg_session.h"


static const unsigned char  secret[REG_SESSION_SECRET] = "one secret";
static const unsigned char  other[REG_SESSION_SECRET] = "another secret";

static const reg_str_t  name = reg_string("team/app");
static const reg_str_t  id = reg_string("00000000-0000-4000-8000-000000000000");


static void
fill(reg_session_t *s, reg_alg_t alg, size_t len)
{
    reg_str_t  etag = reg_string("etag");

    static unsigned char  bytes[1000];

    reg_session_init(s);
    reg_session_expect(s, alg);

    while (len) {
        reg_session_hash(s, bytes, len > 1000 ? 1000 : len);
        reg_session_add(s, len > 1000 ? 1000 : (int64_t) len, &etag);
        len -= len > 1000 ? 1000 : len;
    }

    s->expires = 1234567890123;
    s->tip = 0xfedcba9876543210;
    s->tip_start = 77;
    s->small = 3;
    s->authorized = 1;
}


static int
same(const reg_session_t *a, const reg_session_t *b)
{
    reg_digest_t  one, two;

    reg_hash_final(&a->hash, &one);
    reg_hash_final(&b->hash, &two);

    if (a->hashed != b->hashed
        || (a->hashed && !reg_digest_equal(&one, &two)))
    {
        return 0;
    }

    reg_hash_final(&a->other, &one);
    reg_hash_final(&b->other, &two);

    return a->offset == b->offset && a->expires == b->expires
           && a->nparts == b->nparts && a->tip == b->tip
           && a->tip_start == b->tip_start && a->small == b->small
           && a->authorized == b->authorized
           && memcmp(a->chain, b->chain, 32) == 0
           && (!a->hashed || reg_digest_equal(&one, &two));
}


static void
test_round_trip(void)
{
    size_t         i, row;
    reg_str_t      text;
    tap_arena_t    arena;
    reg_session_t  in, out;

    static const reg_alg_t  algs[] = { REG_SHA256, REG_SHA384, REG_SHA512 };
    static const size_t     sizes[] = { 0, 1, 63, 64, 127, 128, 5000, 12345 };

    tap_arena_init(&arena, (size_t) -1);

    for (row = 0; row < 3 * 8; row++) {
        fill(&in, algs[row / 8], sizes[row % 8]);

        text = reg_session_encode(&arena.arena, &in, secret, &name, &id);
        text = tap_str(&arena, text.data, text.len);

        ok(reg_session_decode(&arena.arena, &out, secret, &name, &id, &text)
           == REG_SESSION_GOOD && same(&in, &out), "round trip", row);
        ok(text.len < 700, "is short enough for a URL", text.len);
    }

    fill(&in, REG_SHA512, 100);
    in.hashed = 0;

    text = reg_session_encode(&arena.arena, &in, secret, &name, &id);
    ok(reg_session_decode(&arena.arena, &out, secret, &name, &id, &text)
       == REG_SESSION_GOOD && same(&in, &out), "without its hash", 0);

    for (i = 0; i < text.len; i++) {
        text.data[i] = (unsigned char) (text.data[i] == 'A' ? 'B' : 'A');

        if (reg_session_decode(&arena.arena, &out, secret, &name, &id, &text)
            == REG_SESSION_GOOD)
        {
            break;
        }

        text = reg_session_encode(&arena.arena, &in, secret, &name, &id);
    }

    ok(i == text.len, "any character changed", i);

    for (i = 0; i < text.len; i++) {
        reg_str_t  cut = tap_str(&arena, text.data, i);

        if (reg_session_decode(&arena.arena, &out, secret, &name, &id, &cut)
            == REG_SESSION_GOOD)
        {
            break;
        }
    }

    ok(i == text.len, "cut anywhere", i);

    tap_arena_free(&arena);
}


static void
test_refusals(void)
{
    size_t         left;
    reg_str_t      text, args, query, bad = reg_string("forged");
    reg_str_t      app2 = reg_string("team/app2");
    reg_str_t      id2 = reg_string("00000000-0000-4000-8000-000000000001");
    reg_buf_t      b;
    tap_arena_t    arena;
    reg_session_t  in, out;
    unsigned char  two[2 * REG_SESSION_SECRET], key_id[REG_SESSION_KEY_ID];

    tap_arena_init(&arena, (size_t) -1);
    fill(&in, REG_SHA256, 100);
    text = reg_session_encode(&arena.arena, &in, secret, &name, &id);

    ok(reg_session_decode(&arena.arena, &out, other, &name, &id, &text)
       == REG_SESSION_FOREIGN, "another secret is told apart", 0);
    ok(reg_session_decode(&arena.arena, &out, secret, &app2, &id, &text)
       == REG_SESSION_FORGED, "another repository", 0);
    ok(reg_session_decode(&arena.arena, &out, secret, &name, &id2, &text)
       == REG_SESSION_FORGED, "another upload", 0);
    ok(reg_session_decode(&arena.arena, &out, secret, &name, &id, &bad)
       == REG_SESSION_MALFORMED, "no state", 0);

    reg_buf_init(&b, &arena.arena, 16);
    reg_buf_text(&b, "digest=x&_state=");
    reg_buf_add_str(&b, &text);
    query = reg_buf_str(&b);
    args = query;

    ok(reg_session_read(&arena.arena, &out, secret, 1, &name, &id, &args)
       == REG_SESSION_GOOD && same(&in, &out), "out of a query", 0);

    args.len = 8;
    ok(reg_session_read(&arena.arena, &out, secret, 1, &name, &id, &args)
       == REG_SESSION_NONE && out.offset == 0 && out.hashed,
       "a query without it", 0);

    args.data = (unsigned char *) "_state=a&_state=b";
    args.len = 17;
    ok(reg_session_read(&arena.arena, &out, secret, 1, &name, &id, &args)
       == REG_SESSION_MALFORMED, "a query with two", 0);

    /* the first one signs, all verify */

    memcpy(two, other, REG_SESSION_SECRET);
    memcpy(two + REG_SESSION_SECRET, secret, REG_SESSION_SECRET);
    args.data = query.data;
    args.len = query.len;

    ok(reg_session_read(&arena.arena, &out, two, 2, &name, &id, &args)
       == REG_SESSION_GOOD && same(&in, &out), "the second secret", 0);
    ok(reg_session_read(&arena.arena, &out, two, 1, &name, &id, &args)
       == REG_SESSION_FOREIGN && out.offset == 0, "neither of them", 0);
    reg_session_key_id(key_id, secret);
    ok(memcmp(out.key_id, key_id, sizeof(key_id)) == 0, "who signed", 0);

    for (left = 0; left < 2; left++) {
        arena.left = left;

        ok(reg_session_decode(&arena.arena, &out, secret, &name, &id, &text)
           == (left ? REG_SESSION_GOOD : REG_SESSION_NOMEM),
           "out of memory", left);
    }

    arena.left = 0;
    ok(reg_session_encode(&arena.arena, &in, secret, &name, &id).data == NULL,
       "nor encoded", 0);

    tap_arena_free(&arena);
}


/* the last parts by name: as many as fit, and what is given out is right */

static void
test_parts(void)
{
    int            right;
    uint32_t       n, known, k;
    reg_str_t      text;
    reg_part_t     all[1000], parts[REG_SESSION_LAST];
    tap_arena_t    arena;
    reg_session_t  in, out;
    unsigned       row;

    static const struct {
        uint64_t  id;                   /* of each, from the one before */
        int64_t   size;
        unsigned  least;                /* that are known of 1000 */
    } rows[] = {
        { 1, 5, 250 },                  /* of one request */
        { 0x123456789, 1 << 20, 27 },   /* of as many, all alike */
        { 0x123456789, 0, 16 }          /* each of its own size */
    };

    for (row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
        tap_arena_init(&arena, (size_t) -1);
        reg_session_init(&in);
        memset(all, 0, sizeof(all));
        right = 1;

        for (n = 0; n < 1000; n++) {
            all[n].offset = in.offset;
            all[n].size = rows[row].size ? rows[row].size : 1000 + n;
            all[n].prev = n ? all[n - 1].id : 0;
            all[n].id = all[n].prev + rows[row].id;
            all[n].merged = (n == 990);

            in.offset += all[n].size;
            reg_session_put_part(&in, &all[n]);

            if (n % 111 && n < 990) {
                continue;
            }

            text = reg_session_encode(&arena.arena, &in, secret, &name, &id);
            in.hashed = 0;
            text = reg_session_encode(&arena.arena, &in, secret, &name, &id);
            right &= (reg_session_decode(&arena.arena, &out, secret, &name,
                                         &id, &text)
                      == REG_SESSION_GOOD);

            known = reg_session_parts(&out, parts);
            right &= (known >= (n < rows[row].least ? n + 1
                                                    : rows[row].least)
                      && known <= n + 1 && text.len < 1400);

            for (k = 0; k < known; k++) {
                right &= (memcmp(&parts[k], &all[n + 1 - known + k],
                                 sizeof(reg_part_t))
                          == 0);
            }
        }

        ok(right, "the last parts", row);

        /* the last three become one */

        reg_session_drop_parts(&in, 3);
        all[997].size += all[998].size + all[999].size;
        all[997].id = all[999].id;
        reg_session_put_part(&in, &all[997]);
        known = reg_session_parts(&in, parts);
        ok(known > 1 && memcmp(&parts[known - 1], &all[997],
                               sizeof(reg_part_t))
                        == 0
           && parts[known - 2].id == all[996].id, "merged", row);

        reg_session_drop_parts(&in, 1000);
        reg_session_put_part(&in, &all[997]);
        ok(reg_session_parts(&in, parts) == 1, "all but the last one forgotten",
           row);

        tap_arena_free(&arena);
    }
}


int
main(void)
{
    test_parts();

    test_round_trip();
    test_refusals();

    return tap_end();
}
