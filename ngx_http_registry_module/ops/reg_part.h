#ifndef _REG_PART_H_INCLUDED_
#define _REG_PART_H_INCLUDED_


#include "reg_flow.h"


/* "find upload": where it stands, as far as its state does not tell */
reg_todo_t reg_upload_find(reg_flow_t *f);
reg_todo_t reg_upload_judge_found(reg_flow_t *f);

/* "check range": Content-Range begins where the upload ends */
reg_todo_t reg_upload_check_range(reg_flow_t *f);

/* "feed part": the client's body becomes one more part, or several */
reg_todo_t reg_upload_feed(reg_flow_t *f);
reg_todo_t reg_upload_judge_fed(reg_flow_t *f);

/* "check siblings", "drop part", "list again": was it the first one there? */
reg_todo_t reg_upload_check_siblings(reg_flow_t *f);
reg_todo_t reg_upload_judge_siblings(reg_flow_t *f);
reg_todo_t reg_upload_drop(reg_flow_t *f);
reg_todo_t reg_upload_list_again(reg_flow_t *f);

/* "delete parts": best effort, they expire anyway */
reg_todo_t reg_upload_delete_parts(reg_flow_t *f);


#endif /* _REG_PART_H_INCLUDED_ */
