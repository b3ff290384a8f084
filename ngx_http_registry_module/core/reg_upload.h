/*
 * What the requests of one upload share: reg_upload_ops.c begins, feeds,
 * reports and cancels it, reg_commit_ops.c makes a blob of it.
 */

#ifndef _REG_UPLOAD_H_INCLUDED_
#define _REG_UPLOAD_H_INCLUDED_


#include "reg_data.h"
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
    unsigned        part_deleted:1;     /* the only one */

    unsigned char   foreign[REG_SESSION_KEY_ID];

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
    reg_data_t      source;
    unsigned        listing:1;          /* its segments are to be seen */
} reg_upload_t;


/* "find upload": lists the parts when the signed state is not at hand */
reg_todo_t reg_upload_find(reg_flow_t *f);

/* "check range": Content-Range begins where the upload ends */
reg_todo_t reg_upload_check_range(reg_flow_t *f);

/* "feed part" and its judge: the client's body becomes one more part */
reg_todo_t reg_upload_feed(reg_flow_t *f);
reg_todo_t reg_upload_judge_fed(reg_flow_t *f);

/*
 * "list parts": u->parts, and u->session as the store has it when its state
 * was not at hand or says otherwise.  list_under() lists another prefix of
 * the same form.
 */
reg_todo_t reg_upload_list(reg_flow_t *f);
reg_todo_t reg_upload_list_under(reg_flow_t *f, reg_str_t prefix);
reg_todo_t reg_upload_judge_listed(reg_flow_t *f);

/* "delete parts": best effort, they expire anyway */
reg_todo_t reg_upload_delete_parts(reg_flow_t *f);

/* "link blob": u->data at its own digest, and at the one that was asked */
reg_todo_t reg_upload_link(reg_flow_t *f);

/* 201 with the blob's Location */
reg_todo_t reg_upload_say_created(reg_flow_t *f);

/* the tables of a closing PUT, or of a POST with a digest */
const reg_step_t *reg_commit_steps(reg_flow_t *f);


#endif /* _REG_UPLOAD_H_INCLUDED_ */
