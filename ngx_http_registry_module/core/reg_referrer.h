/*
 * What is stored of a manifest that refers to another one ("subject"): its
 * descriptor as a list of referrers has it.  A small one is in the Content-
 * Type of its object too, so that listing the objects is enough to know it.
 */

#ifndef _REG_REFERRER_H_INCLUDED_
#define _REG_REFERRER_H_INCLUDED_


#include "reg_manifest.h"


/* a descriptor that is longer is in the body of its object only */
#define REG_REFERRER_INLINE_MAX  4096


/*
 * The descriptor of "m", whose bytes are "size" long and whose digest is
 * "d": OCI Distribution spec, "Listing Referrers".
 */
reg_str_t reg_referrer_text(reg_arena_t *arena, const reg_manifest_t *m,
    const reg_digest_t *d, size_t size);

/* the Content-Type for its object */
reg_str_t reg_referrer_type(reg_arena_t *arena, const reg_str_t *text);

/* the descriptor out of it; REG_BAD: it is not there, or is damaged */
reg_rc_t reg_referrer_read(reg_arena_t *arena, const reg_str_t *type,
    reg_str_t *text);


#endif /* _REG_REFERRER_H_INCLUDED_ */
