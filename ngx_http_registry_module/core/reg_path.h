/*
 * The only file that knows how objects are called in the container: the
 * layout of registry:2, and a private tree beside it for uploads.
 * All return null data when the arena is exhausted.
 */

#ifndef _REG_PATH_H_INCLUDED_
#define _REG_PATH_H_INCLUDED_


#include "reg_base.h"
#include "reg_digest.h"


#define REG_PATH_REPOSITORIES  "files/docker/registry/v2/repositories/"


reg_str_t reg_path_blob(reg_arena_t *a, const reg_digest_t *d);
reg_str_t reg_path_layer_link(reg_arena_t *a, const reg_str_t *name,
    const reg_digest_t *d);
reg_str_t reg_path_revision_link(reg_arena_t *a, const reg_str_t *name,
    const reg_digest_t *d);
reg_str_t reg_path_tag_current(reg_arena_t *a, const reg_str_t *name,
    const reg_str_t *tag);
reg_str_t reg_path_tag_index(reg_arena_t *a, const reg_str_t *name,
    const reg_str_t *tag, const reg_digest_t *d);

/* prefixes, with the closing slash */
reg_str_t reg_path_tags(reg_arena_t *a, const reg_str_t *name);
reg_str_t reg_path_tag(reg_arena_t *a, const reg_str_t *name,
    const reg_str_t *tag);

/*
 * Parts of an upload, outside of registry:2's trees; they expire.  The
 * repository is in the name, so that an id is worth nothing in another one.
 */
reg_str_t reg_path_parts(reg_arena_t *a, const reg_str_t *name,
    const reg_str_t *id);
reg_str_t reg_path_part(reg_arena_t *a, const reg_str_t *name,
    const reg_str_t *id, int64_t offset);

/* the prefix of a large object's segments, which belong to it alone */
reg_str_t reg_path_segments(reg_arena_t *a, const reg_str_t *id);
reg_str_t reg_path_segment(reg_arena_t *a, const reg_str_t *id,
    int64_t offset);


#endif /* _REG_PATH_H_INCLUDED_ */
