/*
 * What is known of an upload between its requests.  It travels in the
 * Location that the client is given (?_state=), signed, so that any worker
 * of any node can continue; nothing of it is stored.
 */

#ifndef _REG_SESSION_H_INCLUDED_
#define _REG_SESSION_H_INCLUDED_


#include "reg_base.h"
#include "reg_digest.h"


#define REG_SESSION_SECRET  32


typedef struct {
    int64_t         offset;             /* bytes that the store has */
    uint32_t        nparts;
    unsigned char   chain[32];          /* over size and ETag of each part */
    reg_hash_t      hash;               /* over all bytes, when "hashed" */
    unsigned        hashed:1;
} reg_session_t;


void reg_session_init(reg_session_t *s);

/*
 * One more part of "size" bytes.  The chain tells later whether the parts
 * found in the store are those that were hashed: two requests may have
 * written to one offset.
 */
void reg_session_add(reg_session_t *s, int64_t size, const reg_str_t *etag);

/*
 * base64url(HMAC-SHA256 || payload), bound to repository and upload id.
 * Decoding compares the HMAC in constant time before it reads anything.
 */
reg_str_t reg_session_encode(reg_arena_t *arena, const reg_session_t *s,
    const unsigned char *secret, const reg_str_t *name, const reg_str_t *id);
reg_rc_t reg_session_decode(reg_arena_t *arena, reg_session_t *s,
    const unsigned char *secret, const reg_str_t *name, const reg_str_t *id,
    const reg_str_t *text);


#endif /* _REG_SESSION_H_INCLUDED_ */
