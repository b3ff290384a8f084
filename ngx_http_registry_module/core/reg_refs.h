/* references of a manifest, each digest once */

#ifndef _REG_REFS_H_INCLUDED_
#define _REG_REFS_H_INCLUDED_


#include "reg_manifest.h"


/*
 * Leaves the first of those of one digest, with the largest size that is
 * named, in their order; *n becomes their number.  "at" of all is set.  What
 * is allocated is of no use afterwards.
 */
reg_rc_t reg_refs_once(reg_arena_t *arena, reg_descriptor_t **refs,
    size_t *n);


#endif /* _REG_REFS_H_INCLUDED_ */
