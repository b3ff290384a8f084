#include "reg_session.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>


#define MAC_SIZE      32
#define VERSION       1
#define HEAD_SIZE     (1 + 8 + 4 + 32)          /* version .. chain */
#define PAYLOAD_MAX   (HEAD_SIZE + REG_HASH_STATE_MAX)


static void put(unsigned char *p, uint64_t n, unsigned size);
static uint64_t get(const unsigned char *p, unsigned size);
static int sign(unsigned char *mac, const unsigned char *secret,
    const reg_str_t *name, const reg_str_t *id, const unsigned char *payload,
    size_t len);


void
reg_session_init(reg_session_t *s)
{
    memset(s, 0, sizeof(reg_session_t));

    reg_hash_init(&s->hash, REG_SHA256);
    s->hashed = 1;
}


void
reg_session_add(reg_session_t *s, int64_t size, const reg_str_t *etag)
{
    reg_hash_t     h;
    reg_digest_t   d;
    unsigned char  number[8];

    reg_hash_init(&h, REG_SHA256);
    reg_hash_update(&h, s->chain, sizeof(s->chain));

    put(number, (uint64_t) size, 8);
    reg_hash_update(&h, number, sizeof(number));
    reg_hash_update(&h, etag->data, etag->len);

    reg_hash_final(&h, &d);
    memcpy(s->chain, d.raw, sizeof(s->chain));

    s->offset += size;
    s->nparts++;
}


reg_str_t
reg_session_encode(reg_arena_t *arena, const reg_session_t *s,
    const unsigned char *secret, const reg_str_t *name, const reg_str_t *id)
{
    size_t          i, len, n;
    uint32_t        bits;
    unsigned char   raw[MAC_SIZE + PAYLOAD_MAX + 2], *p;
    reg_str_t       text = reg_null_string;

    static const char  abc[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "abcdefghijklmnopqrstuvwxyz0123456789-_";

    p = raw + MAC_SIZE;

    p[0] = VERSION;
    put(p + 1, (uint64_t) s->offset, 8);
    put(p + 9, s->nparts, 4);
    memcpy(p + 13, s->chain, 32);

    len = HEAD_SIZE;

    if (s->hashed) {
        len += reg_hash_save(&s->hash, p + HEAD_SIZE);
    }

    if (!sign(raw, secret, name, id, p, len)) {
        return text;
    }

    len += MAC_SIZE;
    raw[len] = 0;
    raw[len + 1] = 0;

    p = reg_alloc(arena, (len + 2) / 3 * 4);
    if (p == NULL) {
        return text;
    }

    n = 0;

    for (i = 0; i < len; i += 3) {
        bits = ((uint32_t) raw[i] << 16) | ((uint32_t) raw[i + 1] << 8)
               | raw[i + 2];

        p[n++] = (unsigned char) abc[bits >> 18];
        p[n++] = (unsigned char) abc[(bits >> 12) & 63];
        p[n++] = (unsigned char) abc[(bits >> 6) & 63];
        p[n++] = (unsigned char) abc[bits & 63];
    }

    text.data = p;
    text.len = (len * 8 + 5) / 6;

    return text;
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
reg_session_decode(reg_arena_t *arena, reg_session_t *s,
    const unsigned char *secret, const reg_str_t *name, const reg_str_t *id,
    const reg_str_t *text)
{
    int             value;
    size_t          i, len;
    uint32_t        bits;
    unsigned char   mac[MAC_SIZE], *raw, *p;

    memset(s, 0, sizeof(reg_session_t));

    if (text->len < (MAC_SIZE + HEAD_SIZE) * 8 / 6
        || text->len > (MAC_SIZE + PAYLOAD_MAX) * 8 / 6 + 1)
    {
        return REG_BAD;
    }

    raw = reg_alloc(arena, text->len);
    if (raw == NULL) {
        return REG_NOMEM;
    }

    bits = 0;
    len = 0;

    for (i = 0; i < text->len; i++) {
        value = base64_value(text->data[i]);
        if (value < 0) {
            return REG_BAD;
        }

        bits = (bits << 6) | (uint32_t) value;

        if (i % 4) {
            raw[len++] = (unsigned char) (bits >> (6 - 2 * (i % 4)));
        }
    }

    if (len < MAC_SIZE + HEAD_SIZE) {
        return REG_BAD;
    }

    p = raw + MAC_SIZE;
    len -= MAC_SIZE;

    if (!sign(mac, secret, name, id, p, len)
        || CRYPTO_memcmp(mac, raw, MAC_SIZE) != 0
        || p[0] != VERSION)
    {
        return REG_BAD;
    }

    s->offset = (int64_t) get(p + 1, 8);
    s->nparts = (uint32_t) get(p + 9, 4);
    memcpy(s->chain, p + 13, 32);

    if (len > HEAD_SIZE) {
        if (reg_hash_load(&s->hash, p + HEAD_SIZE, len - HEAD_SIZE) != REG_OK
            || s->hash.bytes != (uint64_t) s->offset)
        {
            return REG_BAD;
        }

        s->hashed = 1;
    }

    return REG_OK;
}


static int
sign(unsigned char *mac, const unsigned char *secret, const reg_str_t *name,
    const reg_str_t *id, const unsigned char *payload, size_t len)
{
    size_t         n;
    unsigned       size;
    unsigned char  text[256 + 64 + PAYLOAD_MAX];

    /* neither a name nor an id holds a '\n' */

    n = name->len + 1 + id->len + 1;

    if (n > 256 + 64 || len > PAYLOAD_MAX) {
        return 0;
    }

    memcpy(text, name->data, name->len);
    text[name->len] = '\n';
    memcpy(text + name->len + 1, id->data, id->len);
    text[n - 1] = '\n';
    memcpy(text + n, payload, len);

    return HMAC(EVP_sha256(), secret, REG_SESSION_SECRET, text, n + len, mac,
                &size)
           != NULL;
}


static void
put(unsigned char *p, uint64_t n, unsigned size)
{
    while (size--) {
        p[size] = (unsigned char) n;
        n >>= 8;
    }
}


static uint64_t
get(const unsigned char *p, unsigned size)
{
    uint64_t  n;

    for (n = 0; size--; p++) {
        n = (n << 8) | *p;
    }

    return n;
}
