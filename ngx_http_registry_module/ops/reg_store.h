#ifndef _REG_STORE_H_INCLUDED_
#define _REG_STORE_H_INCLUDED_


#include "core/reg_listing.h"
#include "reg_flow.h"


/*
 * A call that copies; both are names of objects.  Without the metadata, of
 * which an expiry is part: Swift takes it over to the copy, RGW does not.
 * What stays has to be looked at all the same.
 */
reg_call_t *reg_upload_copy(reg_flow_t *f, reg_str_t to, reg_str_t from);

/* makes the container when it is missing; ends in REG_ANSWER 200 */
extern const reg_step_t  reg_container_steps[];

/*
 * A flow of these steps, which comes in between two steps of "f"; NULL: there
 * is no memory.
 */
reg_flow_t *reg_container_flow(const reg_flow_t *f);

/* a link's digest out of the reply; REG_BAD for an empty or damaged one */
reg_rc_t reg_link_read(const reg_reply_t *reply, reg_digest_t *d);

/* a call that writes the digest as a link */
reg_call_t *reg_link_write(reg_flow_t *f, reg_str_t object,
    const reg_digest_t *d);

/*
 * A call that lists objects; "delimiter" 0 or '/'.  RGW may answer less than
 * "limit" though there is more: the end is a listing of nothing.  Prefix and
 * markers are looked at when the reply is read: their bytes must last so long.
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

/*
 * The listing in a reply, names without the prefix of all.  REG_BAD: it is
 * none, or has a name that was not asked for, or there were too many for one
 * request, which f->damage tells.
 */
reg_rc_t reg_call_listing(reg_flow_t *f, const reg_call_t *call,
    reg_listing_t *listing);

/*
 * The same, or an answer why there is none; of f->row: entries live until the
 * row is judged
 */
reg_todo_t reg_judge_list_row(reg_flow_t *f, const reg_call_t *call,
    reg_listing_t *listing);

/*
 * 503 for whoever keeps what listings name, beyond so many: some 100 MB, more
 * than the parts of an upload, or what a delete deletes, ever are
 */

#define REG_NAMES_MAX  250000

reg_todo_t reg_refuse_endless(reg_flow_t *f, const reg_call_t *call);

/* a header line of a call; text may be NULL when "number" is to be written */
void reg_call_header(reg_flow_t *f, reg_call_t *call, const char *name,
    const reg_str_t *text, int64_t number);

/* judge of writes that must have made something: 2xx */
reg_todo_t reg_judge_made(reg_flow_t *f);


#endif /* _REG_STORE_H_INCLUDED_ */
