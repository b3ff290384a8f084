/*
 * Digests "algorithm:hex" (OCI image-spec, descriptor.md, "Digests") and the
 * running hash, which can be saved and continued on another machine.
 */

#ifndef _REG_DIGEST_H_INCLUDED_
#define _REG_DIGEST_H_INCLUDED_


#include "reg_base.h"

#include <openssl/sha.h>


#define REG_DIGEST_RAW_MAX   64
#define REG_DIGEST_TEXT_MAX  (sizeof("sha512:") - 1 + 128)

/* the longest saved state: tag, 8 words of 64 bits, length, one block */
#define REG_HASH_STATE_MAX   (2 + 8 * 8 + 8 + 128)


typedef enum {
    REG_SHA256 = 0,
    REG_SHA384,
    REG_SHA512
} reg_alg_t;


typedef struct {
    reg_alg_t       alg;
    unsigned char   raw[REG_DIGEST_RAW_MAX];
} reg_digest_t;


typedef struct {
    reg_alg_t       alg;
    uint64_t        bytes;              /* hashed so far */

    union {
        SHA256_CTX  sha256;
        SHA512_CTX  sha512;             /* sha384 too */
    } ctx;
} reg_hash_t;


const char *reg_alg_name(reg_alg_t alg);                /* "sha256" */
reg_rc_t reg_alg_parse(const reg_str_t *name, reg_alg_t *alg);
size_t reg_alg_size(reg_alg_t alg);                     /* raw bytes */

/* lower case hex of the right length; anything else is REG_BAD */
reg_rc_t reg_digest_parse(const reg_str_t *text, reg_digest_t *d);

/* the text goes to dst[REG_DIGEST_TEXT_MAX]; returns the end; no NUL */
unsigned char *reg_digest_print(unsigned char *dst, const reg_digest_t *d);

/* the same as a string of the arena; null data when that is exhausted */
reg_str_t reg_digest_text(reg_arena_t *arena, const reg_digest_t *d);

int reg_digest_equal(const reg_digest_t *a, const reg_digest_t *b);

/* 1 when these bytes have it */
int reg_digest_is_of(const reg_digest_t *d, const reg_str_t *bytes);

void reg_digest_of(reg_digest_t *d, reg_alg_t alg, const void *data,
    size_t len);


void reg_hash_init(reg_hash_t *h, reg_alg_t alg);
void reg_hash_update(reg_hash_t *h, const void *data, size_t len);

/* h itself is left as it was and can go on */
void reg_hash_final(const reg_hash_t *h, reg_digest_t *d);

/*
 * Portable between machines, byte orders and OpenSSL versions.  Saving
 * writes to dst[REG_HASH_STATE_MAX] and returns the length; loading gives
 * REG_BAD for whatever saving cannot have written.
 */
size_t reg_hash_save(const reg_hash_t *h, unsigned char *dst);
reg_rc_t reg_hash_load(reg_hash_t *h, const unsigned char *src, size_t len);


#endif /* _REG_DIGEST_H_INCLUDED_ */
