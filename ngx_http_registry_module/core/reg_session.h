/*
 * What is known of an upload between its requests.  It travels in the
 * Location that the client is given (?_state=), signed, so that any worker
 * of any node can continue; nothing of it is stored.
 */

#ifndef _REG_SESSION_H_INCLUDED_
#define _REG_SESSION_H_INCLUDED_


#include "reg_base.h"
#include "reg_digest.h"
#include "reg_parts.h"


#define REG_SESSION_SECRET  32
#define REG_SESSION_KEY_ID  4

/* bytes for the last parts: 28 or more of one size, of one request all */
#define REG_SESSION_LAST  255


typedef struct {
    int64_t         offset;             /* bytes that the store has */
    int64_t         expires;            /* Unix seconds; 0: never */
    int64_t         authorized;         /* whoever holds it may go on, until
                                           then; 0: nobody */

    /* the parts: how many, the last one, and what all of them are */

    uint32_t        nparts;
    uint64_t        tip;                /* id of the last one; 0: none */
    int64_t         tip_start;          /* its offset */
    unsigned        tip_merged:1;
    unsigned        small;              /* small ones at the end, to 255 */
    unsigned char   chain[32];          /* over size and ETag of each */
    unsigned char   large[32];          /* the same before the small ones */

    /*
     * The last parts, as many as fit, by which their names are known: a byte
     * of flags each, and what is not as with the part before
     */

    uint64_t        last_prev;          /* id of the part before them */
    unsigned char   last[REG_SESSION_LAST];
    size_t          last_len;

    /* over all bytes, when "hashed"; "other" when its alg is not sha256 */

    reg_hash_t      hash;
    reg_hash_t      other;

    unsigned        hashed:1;

    /* which secret signed it, also when that is not ours */

    unsigned char   key_id[REG_SESSION_KEY_ID];
} reg_session_t;


typedef enum {
    REG_SESSION_GOOD = 0,
    REG_SESSION_NONE,                   /* no _state at all */
    REG_SESSION_MALFORMED,
    REG_SESSION_FOREIGN,                /* another node's, or older, secret */
    REG_SESSION_FORGED,                 /* or of another repository or id */
    REG_SESSION_NOMEM
} reg_session_rc_t;


void reg_session_init(reg_session_t *s);

/*
 * One more part of "size" bytes.  The chain tells later whether the parts
 * found in the store are those that were hashed.
 */
void reg_session_add(reg_session_t *s, int64_t size, const reg_str_t *etag);

/*
 * It is the last one now, and its bytes are counted in s->offset.  The oldest
 * make room.
 */
void reg_session_put_part(reg_session_t *s, const reg_part_t *part);

/*
 * Those that are known, to parts[REG_SESSION_LAST], without ETag and time;
 * all when the first one begins at 0.  Returns how many.
 */
uint32_t reg_session_parts(const reg_session_t *s, reg_part_t *parts);

/* forgets the last n of them, or all */
void reg_session_drop_parts(reg_session_t *s, uint32_t n);

/* the algorithm that the closing request is expected to name */
void reg_session_expect(reg_session_t *s, reg_alg_t alg);

/* all bytes that come: both hashes, of which "other" may be unused */
void reg_session_hash(reg_session_t *s, const void *data, size_t len);

/*
 * base64url(key id || HMAC-SHA256 || payload), bound to repository and
 * upload id.  The key id says which secret signed, and nothing of it.
 * Decoding compares the HMAC in constant time before it reads the payload.
 * read() takes the value of _state out of a query string, and knows several
 * secrets, one after the other in memory.
 */
reg_str_t reg_session_encode(reg_arena_t *arena, const reg_session_t *s,
    const unsigned char *secret, const reg_str_t *name, const reg_str_t *id);
reg_session_rc_t reg_session_decode(reg_arena_t *arena, reg_session_t *s,
    const unsigned char *secret, const reg_str_t *name, const reg_str_t *id,
    const reg_str_t *text);
reg_session_rc_t reg_session_read(reg_arena_t *arena, reg_session_t *s,
    const unsigned char *secrets, unsigned nsecrets, const reg_str_t *name,
    const reg_str_t *id, const reg_str_t *args);

/* tells secrets apart, and nothing of them */
void reg_session_key_id(unsigned char *key_id, const unsigned char *secret);

/* for people, about any but REG_SESSION_GOOD */
const char *reg_session_text(reg_session_rc_t rc);


#endif /* _REG_SESSION_H_INCLUDED_ */
