#include "reg_session.h"
#include "reg_query.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>


#define MAC_SIZE      32
#define FRONT_SIZE    (REG_SESSION_KEY_ID + MAC_SIZE)

#define VERSION       2

#define SMALL_MAX     0x7f
#define TIP_MERGED    0x80

/* version, offset, expires, authorized, nparts, tip, tip_start, small, chain */
#define HEAD_SIZE     (1 + 8 + 8 + 8 + 4 + 8 + 8 + 1 + 32)

/* each hash behind a byte that says how long it is */
#define PAYLOAD_MAX   (HEAD_SIZE + 2 * (1 + REG_HASH_STATE_MAX))

#define SUBJECT_MAX     (256 + 64)        /* repository, id, two '\n' */


static unsigned char *put(unsigned char *p, uint64_t n, unsigned size);
static uint64_t get(const unsigned char **p, unsigned size);
static int sign(unsigned char *mac, const unsigned char *secret,
    const reg_str_t *name, const reg_str_t *id, const unsigned char *payload,
    size_t len);
static unsigned char *save(unsigned char *p, const reg_hash_t *h, int used);
static int load(reg_hash_t *h, const unsigned char **p,
    const unsigned char *end, uint64_t offset);


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

    (void) put(number, (uint64_t) size, 8);
    reg_hash_update(&h, number, sizeof(number));
    reg_hash_update(&h, etag->data, etag->len);

    reg_hash_final(&h, &d);
    memcpy(s->chain, d.raw, sizeof(s->chain));

    s->offset += size;
    s->nparts++;
}


void
reg_session_expect(reg_session_t *s, reg_alg_t alg)
{
    if (alg != REG_SHA256) {
        reg_hash_init(&s->other, alg);
    }
}


void
reg_session_hash(reg_session_t *s, const void *data, size_t len)
{
    reg_hash_update(&s->hash, data, len);

    if (s->other.alg != REG_SHA256) {
        reg_hash_update(&s->other, data, len);
    }
}


reg_str_t
reg_session_encode(reg_arena_t *arena, const reg_session_t *s,
    const unsigned char *secret, const reg_str_t *name, const reg_str_t *id)
{
    reg_buf_t       b;
    reg_str_t       none = reg_null_string;
    unsigned char   raw[FRONT_SIZE + PAYLOAD_MAX], *p;

    p = raw + FRONT_SIZE;

    p = put(p, VERSION, 1);
    p = put(p, (uint64_t) s->offset, 8);
    p = put(p, (uint64_t) s->expires, 8);
    p = put(p, (uint64_t) s->authorized, 8);
    p = put(p, s->nparts, 4);
    p = put(p, s->tip, 8);
    p = put(p, (uint64_t) s->tip_start, 8);
    p = put(p, (s->small > SMALL_MAX ? SMALL_MAX : s->small)
               | (s->tip_merged ? TIP_MERGED : 0), 1);

    memcpy(p, s->chain, 32);
    p += 32;

    p = save(p, &s->hash, s->hashed);
    p = save(p, &s->other, s->hashed && s->other.alg != REG_SHA256);

    reg_session_key_id(raw, secret);

    if (!sign(raw + REG_SESSION_KEY_ID, secret, name, id, raw + FRONT_SIZE,
              (size_t) (p - raw) - FRONT_SIZE))
    {
        return none;
    }

    reg_buf_init(&b, arena, 2 * sizeof(raw));
    reg_buf_base64(&b, raw, (size_t) (p - raw));

    return reg_buf_str(&b);
}


reg_session_rc_t
reg_session_decode(reg_arena_t *arena, reg_session_t *s,
    const unsigned char *secret, const reg_str_t *name, const reg_str_t *id,
    const reg_str_t *text)
{
    reg_rc_t              rc;
    reg_str_t             raw;
    unsigned char         mac[MAC_SIZE], ours[REG_SESSION_KEY_ID];
    const unsigned char  *p, *end;

    reg_session_init(s);

    if (text->len > (FRONT_SIZE + PAYLOAD_MAX) * 8 / 6 + 1) {
        return REG_SESSION_MALFORMED;
    }

    rc = reg_base64_read(arena, text, &raw);

    if (rc == REG_NOMEM) {
        return REG_SESSION_NOMEM;
    }

    if (rc != REG_OK || raw.len < FRONT_SIZE + HEAD_SIZE) {
        return REG_SESSION_MALFORMED;
    }

    reg_session_key_id(ours, secret);
    memcpy(s->key_id, raw.data, REG_SESSION_KEY_ID);

    if (memcmp(ours, raw.data, REG_SESSION_KEY_ID) != 0) {
        return REG_SESSION_FOREIGN;
    }

    p = raw.data + FRONT_SIZE;
    end = raw.data + raw.len;

    if (!sign(mac, secret, name, id, p, (size_t) (end - p))
        || CRYPTO_memcmp(mac, raw.data + REG_SESSION_KEY_ID, MAC_SIZE) != 0)
    {
        return REG_SESSION_FORGED;
    }

    if (get(&p, 1) != VERSION) {
        return REG_SESSION_MALFORMED;
    }

    s->offset = (int64_t) get(&p, 8);
    s->expires = (int64_t) get(&p, 8);
    s->authorized = (int64_t) get(&p, 8);
    s->nparts = (uint32_t) get(&p, 4);
    s->tip = get(&p, 8);
    s->tip_start = (int64_t) get(&p, 8);
    s->small = (unsigned) get(&p, 1);
    s->tip_merged = (s->small & TIP_MERGED) != 0;
    s->small &= SMALL_MAX;

    memcpy(s->chain, p, 32);
    p += 32;

    s->hashed = (p < end && *p != 0);

    if (!load(&s->hash, &p, end, (uint64_t) s->offset)
        || !load(&s->other, &p, end, (uint64_t) s->offset)
        || p != end || s->hash.alg != REG_SHA256)
    {
        reg_session_init(s);
        return REG_SESSION_MALFORMED;
    }

    return REG_SESSION_GOOD;
}


reg_session_rc_t
reg_session_read(reg_arena_t *arena, reg_session_t *s,
    const unsigned char *secrets, unsigned nsecrets, const reg_str_t *name,
    const reg_str_t *id, const reg_str_t *args)
{
    unsigned          i;
    reg_str_t         text;
    reg_session_rc_t  rc;

    reg_session_init(s);

    switch (reg_query_get(arena, args, "_state", &text)) {

    case REG_OK:
        rc = REG_SESSION_NONE;

        for (i = 0; text.data && i < nsecrets; i++) {
            rc = reg_session_decode(arena, s, secrets + i * REG_SESSION_SECRET,
                                    name, id, &text);

            if (rc != REG_SESSION_FOREIGN) {
                break;
            }
        }

        return rc;

    case REG_NOMEM:
        return REG_SESSION_NOMEM;

    default:
        return REG_SESSION_MALFORMED;
    }
}


const char *
reg_session_text(reg_session_rc_t rc)
{
    return rc == REG_SESSION_FORGED
           ? "_state was not signed for this upload here"
           : "_state is malformed";
}


void
reg_session_key_id(unsigned char *key_id, const unsigned char *secret)
{
    reg_digest_t  d;

    reg_digest_of(&d, REG_SHA256, secret, REG_SESSION_SECRET);
    memcpy(key_id, d.raw, REG_SESSION_KEY_ID);
}


static int
sign(unsigned char *mac, const unsigned char *secret, const reg_str_t *name,
    const reg_str_t *id, const unsigned char *payload, size_t len)
{
    size_t         n;
    unsigned       size;
    unsigned char  text[SUBJECT_MAX + PAYLOAD_MAX];

    /* neither a name nor an id holds a '\n' */

    n = name->len + 1 + id->len + 1;

    if (n > SUBJECT_MAX || len > PAYLOAD_MAX) {
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


static unsigned char *
save(unsigned char *p, const reg_hash_t *h, int used)
{
    size_t  len;

    len = used ? reg_hash_save(h, p + 1) : 0;
    *p = (unsigned char) len;

    return p + 1 + len;
}


static int
load(reg_hash_t *h, const unsigned char **p, const unsigned char *end,
    uint64_t offset)
{
    size_t  len;

    if (*p == end) {
        return 0;
    }

    len = *(*p)++;

    if (len > (size_t) (end - *p)) {
        return 0;
    }

    if (len == 0) {
        return 1;
    }

    if (reg_hash_load(h, *p, len) != REG_OK || h->bytes != offset) {
        return 0;
    }

    *p += len;

    return 1;
}


static unsigned char *
put(unsigned char *p, uint64_t n, unsigned size)
{
    unsigned  i;

    for (i = size; i > 0; i--) {
        p[i - 1] = (unsigned char) n;
        n >>= 8;
    }

    return p + size;
}


static uint64_t
get(const unsigned char **p, unsigned size)
{
    uint64_t  n;

    for (n = 0; size--; (*p)++) {
        n = (n << 8) | **p;
    }

    return n;
}
