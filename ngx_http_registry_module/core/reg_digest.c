/*
 * EVP cannot save the state of a hash, so these are the functions that
 * OpenSSL 3 calls deprecated.
 */

#define OPENSSL_SUPPRESS_DEPRECATED

#include "reg_digest.h"


#define STATE_VERSION  1

/* the length in bits must fit in 64 bits */
#define STATE_BYTES_MAX  (UINT64_MAX / 8)


static const struct {
    const char     *name;
    size_t          size;
    size_t          block;
    size_t          word;
} algs[] = {
    { "sha256", 32, 64, 4 },
    { "sha384", 48, 128, 8 },
    { "sha512", 64, 128, 8 }
};

#define NALGS  (sizeof(algs) / sizeof(algs[0]))


static int hex_value(unsigned char c);
static uint64_t word_get(const reg_hash_t *h, unsigned i);
static unsigned char *write_big(unsigned char *dst, uint64_t n, size_t size);
static uint64_t read_big(const unsigned char *src, size_t size);


const char *
reg_alg_name(reg_alg_t alg)
{
    return algs[alg].name;
}


reg_rc_t
reg_alg_parse(const reg_str_t *name, reg_alg_t *alg)
{
    size_t  i;

    for (i = 0; i < NALGS; i++) {
        if (name->len == strlen(algs[i].name)
            && memcmp(name->data, algs[i].name, name->len) == 0)
        {
            *alg = (reg_alg_t) i;
            return REG_OK;
        }
    }

    return REG_BAD;
}


size_t
reg_alg_size(reg_alg_t alg)
{
    return algs[alg].size;
}


reg_rc_t
reg_digest_parse(const reg_str_t *text, reg_digest_t *d)
{
    int                   high, low;
    size_t                i, size;
    reg_str_t             name;
    const unsigned char  *p;

    if (text->len == 0) {
        return REG_BAD;
    }

    p = memchr(text->data, ':', text->len);
    if (p == NULL) {
        return REG_BAD;
    }

    memset(d, 0, sizeof(reg_digest_t));

    name.data = text->data;
    name.len = (size_t) (p - text->data);

    if (reg_alg_parse(&name, &d->alg) != REG_OK) {
        return REG_BAD;
    }

    p++;
    size = algs[d->alg].size;

    if (text->len - name.len - 1 != 2 * size) {
        return REG_BAD;
    }

    for (i = 0; i < size; i++) {
        high = hex_value(*p++);
        low = hex_value(*p++);

        if (high < 0 || low < 0) {
            return REG_BAD;
        }

        d->raw[i] = (unsigned char) (high << 4 | low);
    }

    return REG_OK;
}


unsigned char *
reg_digest_print(unsigned char *dst, const reg_digest_t *d)
{
    size_t  len;

    len = strlen(algs[d->alg].name);
    memcpy(dst, algs[d->alg].name, len);
    dst += len;
    *dst++ = ':';

    return reg_hex(dst, d->raw, algs[d->alg].size);
}


reg_str_t
reg_digest_text(reg_arena_t *arena, const reg_digest_t *d)
{
    reg_str_t      s;
    unsigned char  text[REG_DIGEST_TEXT_MAX], *end;

    end = reg_digest_print(text, d);

    (void) reg_str_copy(arena, &s, text, (size_t) (end - text));

    return s;
}


int
reg_digest_equal(const reg_digest_t *a, const reg_digest_t *b)
{
    return a->alg == b->alg
           && memcmp(a->raw, b->raw, algs[a->alg].size) == 0;
}


int
reg_digest_is_of(const reg_digest_t *d, const reg_str_t *bytes)
{
    reg_digest_t  found;

    reg_digest_of(&found, d->alg, bytes->data, bytes->len);

    return reg_digest_equal(&found, d);
}


void
reg_digest_of(reg_digest_t *d, reg_alg_t alg, const void *data, size_t len)
{
    reg_hash_t  h;

    reg_hash_init(&h, alg);
    reg_hash_update(&h, data, len);
    reg_hash_final(&h, d);
}


void
reg_hash_init(reg_hash_t *h, reg_alg_t alg)
{
    memset(h, 0, sizeof(reg_hash_t));

    h->alg = alg;

    switch (alg) {

    case REG_SHA256:
        (void) SHA256_Init(&h->ctx.sha256);
        break;

    case REG_SHA384:
        (void) SHA384_Init(&h->ctx.sha512);
        break;

    case REG_SHA512:
        (void) SHA512_Init(&h->ctx.sha512);
        break;
    }
}


void
reg_hash_update(reg_hash_t *h, const void *data, size_t len)
{
    if (len == 0) {
        return;
    }

    h->bytes += len;

    if (h->alg == REG_SHA256) {
        (void) SHA256_Update(&h->ctx.sha256, data, len);

    } else {
        /* SHA384_Update() is the same */
        (void) SHA512_Update(&h->ctx.sha512, data, len);
    }
}


void
reg_hash_final(const reg_hash_t *h, reg_digest_t *d)
{
    reg_hash_t  copy;

    copy = *h;

    memset(d, 0, sizeof(reg_digest_t));
    d->alg = h->alg;

    if (h->alg == REG_SHA256) {
        (void) SHA256_Final(d->raw, &copy.ctx.sha256);

    } else {
        /* knows the length of sha384 from the context */
        (void) SHA512_Final(d->raw, &copy.ctx.sha512);
    }
}


size_t
reg_hash_save(const reg_hash_t *h, unsigned char *dst)
{
    size_t                tail;
    unsigned              i;
    unsigned char        *p;
    const unsigned char  *block;

    p = dst;
    *p++ = STATE_VERSION;
    *p++ = (unsigned char) h->alg;

    for (i = 0; i < 8; i++) {
        p = write_big(p, word_get(h, i), algs[h->alg].word);
    }

    p = write_big(p, h->bytes, 8);

    tail = (size_t) (h->bytes % algs[h->alg].block);

    if (h->alg == REG_SHA256) {
        block = (const unsigned char *) h->ctx.sha256.data;

    } else {
        block = h->ctx.sha512.u.p;
    }

    memcpy(p, block, tail);

    return (size_t) (p - dst) + tail;
}


reg_rc_t
reg_hash_load(reg_hash_t *h, const unsigned char *src, size_t len)
{
    size_t                head, tail;
    uint64_t              word, bytes;
    unsigned              i;
    reg_alg_t             alg;
    const unsigned char  *p;

    if (len < 2 || src[0] != STATE_VERSION || src[1] >= NALGS) {
        return REG_BAD;
    }

    alg = (reg_alg_t) src[1];
    head = 2 + 8 * algs[alg].word + 8;

    if (len < head) {
        return REG_BAD;
    }

    bytes = read_big(src + head - 8, 8);
    tail = (size_t) (bytes % algs[alg].block);

    if (bytes > STATE_BYTES_MAX || len != head + tail) {
        return REG_BAD;
    }

    reg_hash_init(h, alg);

    p = src + 2;

    for (i = 0; i < 8; i++) {
        word = read_big(p, algs[alg].word);
        p += algs[alg].word;

        /* nothing has changed the words before the first whole block */

        if (bytes < algs[alg].block && word != word_get(h, i)) {
            return REG_BAD;
        }

        if (alg == REG_SHA256) {
            h->ctx.sha256.h[i] = (SHA_LONG) word;

        } else {
            h->ctx.sha512.h[i] = word;
        }
    }

    h->bytes = bytes - tail;

    if (alg == REG_SHA256) {
        h->ctx.sha256.Nl = (SHA_LONG) (h->bytes << 3 & 0xffffffff);
        h->ctx.sha256.Nh = (SHA_LONG) (h->bytes >> 29);

    } else {
        h->ctx.sha512.Nl = h->bytes << 3;
        h->ctx.sha512.Nh = h->bytes >> 61;
    }

    reg_hash_update(h, src + head, tail);

    return REG_OK;
}


static int
hex_value(unsigned char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }

    return -1;
}


static uint64_t
word_get(const reg_hash_t *h, unsigned i)
{
    return h->alg == REG_SHA256 ? h->ctx.sha256.h[i] : h->ctx.sha512.h[i];
}


static unsigned char *
write_big(unsigned char *dst, uint64_t n, size_t size)
{
    size_t  i;

    for (i = size; i > 0; i--) {
        dst[i - 1] = (unsigned char) (n & 0xff);
        n >>= 8;
    }

    return dst + size;
}


static uint64_t
read_big(const unsigned char *src, size_t size)
{
    uint64_t  n;

    for (n = 0; size--; src++) {
        n = n << 8 | *src;
    }

    return n;
}
