/*
 * The only file that knows how objects are called in the container: the
 * layout of registry:2, and private trees beside it.
 * All return null data when the arena is exhausted.
 */

#ifndef _REG_PATH_H_INCLUDED_
#define _REG_PATH_H_INCLUDED_


#include "reg_base.h"
#include "reg_digest.h"
#include "reg_parts.h"


#define REG_PATH_REGISTRY      "files/docker/registry/v2/"
#define REG_PATH_BLOBS         REG_PATH_REGISTRY "blobs/"
#define REG_PATH_REPOSITORIES  REG_PATH_REGISTRY "repositories/"
#define REG_PATH_REFERRERS     "referrers/"
#define REG_PATH_ALL_SEGMENTS  "segments/"
#define REG_PATH_UPLOADS       "uploads/"
#define REG_PATH_ALIASES       "aliases/"


reg_str_t reg_path_blob(reg_arena_t *a, const reg_digest_t *d);
reg_str_t reg_path_layer_link(reg_arena_t *a, const reg_str_t *name,
    const reg_digest_t *d);
reg_str_t reg_path_revision_link(reg_arena_t *a, const reg_str_t *name,
    const reg_digest_t *d);
reg_str_t reg_path_tag_current(reg_arena_t *a, const reg_str_t *name,
    const reg_str_t *tag);
reg_str_t reg_path_tag_index(reg_arena_t *a, const reg_str_t *name,
    const reg_str_t *tag, const reg_digest_t *d);

/* a link to the sha256 of what another digest names; ours alone */
reg_str_t reg_path_alias(reg_arena_t *a, const reg_digest_t *d);

/* prefixes, with the closing slash */
reg_str_t reg_path_tags(reg_arena_t *a, const reg_str_t *name);
reg_str_t reg_path_tag(reg_arena_t *a, const reg_str_t *name,
    const reg_str_t *tag);

/*
 * What refers to a subject, one object each, outside of registry:2's trees.
 * The names below the prefix, "<algorithm>/<hex>", grow as digests do.
 */
reg_str_t reg_path_referrers(reg_arena_t *a, const reg_str_t *name,
    const reg_digest_t *subject);
reg_str_t reg_path_referrer(reg_arena_t *a, const reg_str_t *name,
    const reg_digest_t *subject, const reg_digest_t *d);

/* the digest behind the prefix; REG_BAD: the name is not of this form */
reg_rc_t reg_path_read_referrer(const reg_str_t *object,
    const reg_str_t *prefix, reg_digest_t *d);

/*
 * The tag under which clients keep an index of referrers where a registry
 * has no API for them: OCI Distribution spec, "Referrers Tag Schema".
 */
reg_str_t reg_path_referrers_tag(reg_arena_t *a, const reg_str_t *name,
    const reg_digest_t *subject);

/*
 * Parts of an upload, outside of registry:2's trees; they expire.  The
 * repository is in the name, so that an id is worth nothing in another one.
 */
reg_str_t reg_path_parts(reg_arena_t *a, const reg_str_t *name,
    const reg_str_t *id);
reg_str_t reg_path_part(reg_arena_t *a, const reg_str_t *name,
    const reg_str_t *id, const reg_part_t *part);
reg_str_t reg_path_cancelled(reg_arena_t *a, const reg_str_t *name,
    const reg_str_t *id);

/* the prefix of a large object's segments, which belong to it alone */
#define REG_PATH_SEGMENTS  "segments/ngx/"

/* beside them, while the request that writes them is at work */
#define REG_PATH_MARK      ".closing"

/* "<hex>/<id>": whose segments they are, and of which request */
reg_str_t reg_path_segments_of(reg_arena_t *a, const reg_digest_t *d,
    const reg_str_t *id);
reg_str_t reg_path_mark(reg_arena_t *a, const reg_str_t *id);

reg_str_t reg_path_segments(reg_arena_t *a, const reg_str_t *id);
reg_str_t reg_path_segment(reg_arena_t *a, const reg_str_t *id,
    int64_t offset);


#endif /* _REG_PATH_H_INCLUDED_ */
