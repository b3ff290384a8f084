#include "fuzz.h"

#include "core/reg_session.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>


/*
 * The input is a payload; signed here, as by a node that has the secret, so
 * that what lies behind the HMAC is reached.  Without that it is a text.
 */

static const char  abc[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                           "abcdefghijklmnopqrstuvwxyz0123456789-_";

static const unsigned char  secret[REG_SESSION_SECRET] = { 1 };


static size_t
sign(char *text, const uint8_t *data, size_t size)
{
    size_t         i, len;
    unsigned       n, bits;
    reg_digest_t   d;
    unsigned char  raw[36 + 1024 + 2], subject[4 + 1024];

    memcpy(subject, "a\nb\n", 4);
    memcpy(subject + 4, data, size);

    reg_digest_of(&d, REG_SHA256, secret, sizeof(secret));
    memcpy(raw, d.raw, 4);

    HMAC(EVP_sha256(), secret, sizeof(secret), subject, size + 4, raw + 4,
         &n);

    memcpy(raw + 36, data, size);
    len = size + 36;
    raw[len] = 0;
    raw[len + 1] = 0;

    for (n = 0, i = 0; i < len; i += 3) {
        bits = (unsigned) raw[i] << 16 | (unsigned) raw[i + 1] << 8
               | raw[i + 2];
        text[n++] = abc[bits >> 18];
        text[n++] = abc[(bits >> 12) & 63];
        text[n++] = abc[(bits >> 6) & 63];
        text[n++] = abc[bits & 63];
    }

    return (len * 8 + 5) / 6;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char           text[2048];
    reg_str_t      s, again, name = reg_string("a"), id = reg_string("b");
    reg_arena_t   *arena;
    reg_session_t  session, other;

    static fuzz_arena_t  a;

    if (size > 1024) {
        return 0;
    }

    arena = fuzz_begin(&a);

    s = fuzz_str(data, size);
    fuzz_assert(reg_session_decode(arena, &session, secret, &name, &id, &s)
                != REG_SESSION_GOOD);
    (void) reg_session_read(arena, &session, secret, 1, &name, &id, &s);

    s.data = (unsigned char *) text;
    s.len = sign(text, data, size);

    if (reg_session_decode(arena, &session, secret, &name, &id, &s)
        == REG_SESSION_GOOD)
    {
        again = reg_session_encode(arena, &session, secret, &name, &id);

        fuzz_assert(again.data != NULL);
        fuzz_assert(reg_session_decode(arena, &other, secret, &name, &id,
                                       &again) == REG_SESSION_GOOD);
        fuzz_assert(other.offset == session.offset
                    && other.tip == session.tip
                    && other.hashed == session.hashed);
    }

    fuzz_end(&a);

    return 0;
}
