#ifndef _REG_COMMON_H_INCLUDED_
#define _REG_COMMON_H_INCLUDED_


#include "reg_flow.h"


/* answers 405 with Allow */
extern const reg_step_t  reg_not_allowed[];

/* 301 to the same path with the right end */
extern const reg_step_t  reg_moved[];

/* answers what reg_refuse() filled in while the steps were chosen */
extern const reg_step_t  reg_refused[];

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

/* Docker-Content-Digest and a quoted ETag */
void reg_answer_digest(reg_flow_t *f, const reg_digest_t *d, int etag);

/*
 * If-Match and If-None-Match of a GET or HEAD, in the order of RFC 9110,
 * 13.2.2: REG_ANSWER 412 or 304, or REG_NEXT.
 */
reg_todo_t reg_preconditions(reg_flow_t *f, const reg_digest_t *d);


#endif /* _REG_COMMON_H_INCLUDED_ */
