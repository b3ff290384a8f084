#include "reg_session.h"
#include "reg_query.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>


#define MAC_SIZE      32
#define FRONT_SIZE    (REG_SESSION_KEY_ID + MAC_SIZE)

#define VERSION       3

/* of the versions before: without large and last */
#define VERSION_OLD   2

#define SMALL_MAX     0x7f
#define TIP_MERGED    0x80

/* version, offset, expires, authorized, nparts, tip, tip_start, small, chain */
#define HEAD_SIZE     (1 + 8 + 8 + 8 + 4 + 8 + 8 + 1 + 32)

/* small ones, and those that are known */
#define PARTS_MAX     (32 + 1 + 8 + REG_SESSION_LAST)

/* each hash behind a byte that says how long it is */
#define PAYLOAD_MAX   (HEAD_SIZE + PARTS_MAX + 2 * (1 + REG_HASH_STATE_MAX))

#define LAST_FOLLOWS  1                 /* its id is the one before, and 1 */
#define LAST_SIZE     2                 /* of the same size */
#define LAST_MERGED   4

/* flags, size, id */
#define LAST_MAX      (1 + 9 + 8)

#define SUBJECT_MAX     (256 + 64)        /* repository, id, two '\n' */


static unsigned char *put(unsigned char *p, uint64_t n, unsigned size);
static uint64_t get(const unsigned char **p, unsigned size);
static int sign(unsigned char *mac, const unsigned char *secret,
    const reg_str_t *name, const reg_str_t *id, const unsigned char *payload,
    size_t len);
static unsigned char *save(unsigned char *p, const reg_hash_t *h, int used);
static int load(reg_hash_t *h, const unsigned char **p,
    const unsigned char *end, uint64_t offset);
static unsigned char *save_last(unsigned char *p, const reg_session_t *s);
static int load_last(reg_session_t *s, const unsigned char **p,
    const unsigned char *end);
static void write_last(reg_session_t *s, const reg_part_t *parts, uint32_t n);
static size_t write_part(unsigned char *dst, const reg_part_t *part,
    uint64_t id, int64_t size);
static int read_parts(const reg_session_t *s, reg_part_t *parts, uint32_t *n);


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

    reg_size_add(&s->offset, size);
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

    p = save_last(p, s);
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
    uint64_t              version;
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

    version = get(&p, 1);

    if (version != VERSION && version != VERSION_OLD) {
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

    if (version == VERSION && !load_last(s, &p, end)) {
        reg_session_init(s);
        return REG_SESSION_MALFORMED;
    }

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


void
reg_session_put_part(reg_session_t *s, const reg_part_t *part)
{
    uint32_t    n;
    reg_part_t  parts[REG_SESSION_LAST + 1];

    /* the offset is that behind the part already */

    s->offset -= part->size;
    n = reg_session_parts(s, parts);
    s->offset += part->size;

    parts[n] = *part;
    write_last(s, parts, n + 1);
}


uint32_t
reg_session_parts(const reg_session_t *s, reg_part_t *parts)
{
    int64_t   offset;
    uint32_t  i, n;

    if (!read_parts(s, parts, &n)) {
        return 0;
    }

    offset = s->offset;

    for (i = n; i > 0; i--) {
        offset -= parts[i - 1].size;
        parts[i - 1].offset = offset;
    }

    return n;
}


void
reg_session_drop_parts(reg_session_t *s, uint32_t n)
{
    uint32_t    known;
    reg_part_t  parts[REG_SESSION_LAST];

    known = reg_session_parts(s, parts);

    write_last(s, parts, known > n ? known - n : 0);
}


/* as many of the last of them as fit */

static void
write_last(reg_session_t *s, const reg_part_t *parts, uint32_t n)
{
    size_t         len;
    uint32_t       i, first;
    unsigned char  raw[REG_SESSION_LAST + LAST_MAX];

    for (first = 0; /* void */ ; first++) {

        for (i = first, len = 0; i < n && len <= REG_SESSION_LAST; i++) {
            len += write_part(raw + len, &parts[i], parts[i].prev,
                              i > first ? parts[i - 1].size : 0);
        }

        if (len <= REG_SESSION_LAST) {
            break;
        }
    }

    s->last_prev = first < n ? parts[first].prev : s->last_prev;
    s->last_len = len;
    memcpy(s->last, raw, len);
}


static size_t
write_part(unsigned char *dst, const reg_part_t *part, uint64_t id,
    int64_t size)
{
    uint64_t        n;
    unsigned char  *p;

    p = dst + 1;
    *dst = part->merged ? LAST_MERGED : 0;

    if (part->size == size) {
        *dst |= LAST_SIZE;

    } else {
        for (n = (uint64_t) part->size; n > 0x7f; n >>= 7) {
            *p++ = (unsigned char) (n | 0x80);
        }

        *p++ = (unsigned char) n;
    }

    if (part->id == id + 1) {
        *dst |= LAST_FOLLOWS;

    } else {
        p = put(p, part->id, 8);
    }

    return (size_t) (p - dst);
}


/* 0: it is none of what was written here */

static int
read_parts(const reg_session_t *s, reg_part_t *parts, uint32_t *n)
{
    int64_t               sum;
    uint64_t              size, id;
    unsigned              flags, shift;
    const unsigned char  *p, *end;

    p = s->last;
    end = p + s->last_len;
    id = s->last_prev;

    for (*n = 0, sum = 0, size = 0; p < end; (*n)++) {

        memset(&parts[*n], 0, sizeof(reg_part_t));

        flags = *p++;

        if (!(flags & LAST_SIZE)) {

            for (size = 0, shift = 0; /* void */ ; shift += 7) {

                if (p == end || shift > 56) {
                    return 0;
                }

                size |= (uint64_t) (*p & 0x7f) << shift;

                if (!(*p++ & 0x80)) {
                    break;
                }
            }
        }

        parts[*n].prev = id;

        if (flags & LAST_FOLLOWS) {
            id++;

        } else {
            if (end - p < 8) {
                return 0;
            }

            id = get(&p, 8);
        }

        if (size == 0 || id == 0 || (int64_t) size > s->offset - sum) {
            return 0;
        }

        sum += (int64_t) size;

        parts[*n].size = (int64_t) size;
        parts[*n].id = id;
        parts[*n].merged = (flags & LAST_MERGED) != 0;
    }

    return 1;
}


static unsigned char *
save_last(unsigned char *p, const reg_session_t *s)
{
    if (s->small) {
        memcpy(p, s->large, 32);
        p += 32;
    }

    p = put(p, s->last_len, 1);

    if (s->last_len) {
        p = put(p, s->last_prev, 8);
        memcpy(p, s->last, s->last_len);
        p += s->last_len;
    }

    return p;
}


static int
load_last(reg_session_t *s, const unsigned char **p, const unsigned char *end)
{
    uint32_t    n;
    reg_part_t  parts[REG_SESSION_LAST];

    if (s->small) {

        if (end - *p < 32) {
            return 0;
        }

        memcpy(s->large, *p, 32);
        *p += 32;
    }

    if (*p == end) {
        return 0;
    }

    s->last_len = (size_t) get(p, 1);

    if (s->last_len == 0) {
        return 1;
    }

    if ((size_t) (end - *p) < 8 + s->last_len) {
        return 0;
    }

    s->last_prev = get(p, 8);
    memcpy(s->last, *p, s->last_len);
    *p += s->last_len;

    return read_parts(s, parts, &n);
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
