/*
 * The operations: each file holds the step tables of its routes, and one
 * function that chooses among them.
 */

#ifndef _REG_OPS_H_INCLUDED_
#define _REG_OPS_H_INCLUDED_


#include "reg_flow.h"
#include "core/reg_listing.h"


/* sets f->step for f->route and f->method; NULL: out of memory */
void reg_flow_start(reg_flow_t *f);

/* the first row for f->route and f->method; 405 is a row, too */
const reg_step_t *reg_blob_steps(reg_flow_t *f);
const reg_step_t *reg_upload_steps(reg_flow_t *f);
const reg_step_t *reg_manifest_steps(reg_flow_t *f);
const reg_step_t *reg_put_steps(reg_flow_t *f);
const reg_step_t *reg_delete_steps(reg_flow_t *f);
const reg_step_t *reg_referrers_steps(reg_flow_t *f);
const reg_step_t *reg_list_steps(reg_flow_t *f);

/* answers 405 with Allow */
extern const reg_step_t  reg_not_allowed[];

/* 301 to the same path with the right end */
extern const reg_step_t  reg_moved[];

/* answers what reg_refuse() filled in while the steps were chosen */
extern const reg_step_t  reg_refused[];

/* makes the container when it is missing; ends in REG_ANSWER 200 */
extern const reg_step_t  reg_container_steps[];


/* what several operations do alike; reg_common.c */

/* a link's digest out of the reply; REG_BAD for an empty or damaged one */
reg_rc_t reg_link_read(const reg_reply_t *reply, reg_digest_t *d);

/* a call that writes the digest as a link */
reg_call_t *reg_link_write(reg_flow_t *f, reg_str_t object,
    const reg_digest_t *d);

/*
 * A call that lists objects; "delimiter" 0 or '/'.  RGW may answer less than
 * "limit" though there is more: the end is a listing of nothing.
 */
void reg_call_list(reg_flow_t *f, const reg_str_t *prefix,
    const reg_str_t *marker, char delimiter, int limit);

/*
 * The same behind "from" and before "to", each of which may be empty, and
 * with any delimiter
 */
void reg_call_list_between(reg_flow_t *f, const reg_str_t *prefix,
    const reg_str_t *from, const reg_str_t *to, const char *delimiter,
    int limit);

/* the listing in a reply; REG_BAD: it is none, or not of the prefix of all */
reg_rc_t reg_call_listing(reg_flow_t *f, const reg_call_t *call,
    reg_listing_t *listing);

/* the same, or an answer why there is none */
reg_todo_t reg_judge_list(reg_flow_t *f, const reg_call_t *call,
    reg_listing_t *listing);

/* the same, of f->row: entries live until the row is judged */
reg_todo_t reg_judge_list_row(reg_flow_t *f, const reg_call_t *call,
    reg_listing_t *listing);

/* a header line of a call; text may be NULL when "number" is to be written */
void reg_call_header(reg_flow_t *f, reg_call_t *call, const char *name,
    const reg_str_t *text, int64_t number);

/* "<registry_external_url><prefix>/v2/<name><rest><last>" */
reg_str_t reg_location(reg_flow_t *f, const char *rest,
    const reg_str_t *last);

/*
 * The Link of a list that goes on: "path" behind "<prefix>/v2/", "query"
 * without '?', both as they are to be on the wire
 */
void reg_answer_next(reg_flow_t *f, const reg_str_t *path,
    const reg_str_t *query);

/* 403: the tag stays where it is */
reg_todo_t reg_refuse_immutable(reg_flow_t *f, const reg_str_t *tag);

/* judge of writes that must have made something: 2xx */
reg_todo_t reg_judge_made(reg_flow_t *f);

/* Docker-Content-Digest and a quoted ETag */
void reg_answer_digest(reg_flow_t *f, const reg_digest_t *d, int etag);

/*
 * If-Match and If-None-Match of a GET or HEAD, in the order of RFC 9110,
 * 13.2.2: REG_ANSWER 412 or 304, or REG_NEXT.
 */
reg_todo_t reg_preconditions(reg_flow_t *f, const reg_digest_t *d);


#endif /* _REG_OPS_H_INCLUDED_ */
