/*
 * What the requests of one upload share: reg_upload_ops.c begins, feeds,
 * reports and cancels it, reg_commit_ops.c makes a blob of it.
 */

#ifndef _REG_UPLOAD_H_INCLUDED_
#define _REG_UPLOAD_H_INCLUDED_


#include "reg_listing.h"
#include "reg_ops.h"
#include "reg_session.h"


typedef struct {
    int64_t         offset;
    int64_t         size;
    reg_str_t       etag;
} reg_part_t;


typedef struct {
    reg_str_t       id;
    reg_session_t   session;            /* before this request */
    reg_hash_t      hash;               /* of all that passed, this body too */
    unsigned        known:1;            /* the signed state was good */
    unsigned        listed:1;           /* parts[] is what the store has */

    reg_part_t     *parts;
    uint32_t        nparts;
    uint32_t        parts_room;
    uint32_t        next;               /* of the row that is at work */

    reg_str_t       marker;

    /* of the commit */

    reg_digest_t    digest;             /* as the client names it */
    reg_digest_t    data;               /* sha256 of the same bytes */
    int64_t         size;
    reg_hash_t      other;              /* the client's algorithm, not sha256 */

    /* of a mount */

    reg_str_t       from;
} reg_upload_t;


/* "feed part" and its judge: the client's body becomes one more part */
reg_todo_t reg_upload_feed(reg_flow_t *f);
reg_todo_t reg_upload_judge_fed(reg_flow_t *f);

/* "list parts": u->parts, and u->session when its state was not at hand */
reg_todo_t reg_upload_list(reg_flow_t *f);
reg_todo_t reg_upload_judge_listed(reg_flow_t *f);

/* "delete parts": best effort, they expire anyway */
reg_todo_t reg_upload_delete_parts(reg_flow_t *f);

/* a refusal that names the offset to go on at */
reg_todo_t reg_upload_refuse_range(reg_flow_t *f);

/* the tables of a closing PUT, or of a POST with a digest */
const reg_step_t *reg_commit_steps(reg_flow_t *f);


#endif /* _REG_UPLOAD_H_INCLUDED_ */
