#ifndef _REG_FIND_H_INCLUDED_
#define _REG_FIND_H_INCLUDED_


#include "reg_flow.h"


/* "list parts": all of them, for u->path */
reg_todo_t reg_upload_list(reg_flow_t *f);
reg_todo_t reg_upload_judge_listed(reg_flow_t *f);

/*
 * One more page of u->parts, from an offset on or REG_ALL_PARTS; REG_AGAIN:
 * there may be more.  Then which of them are the upload.
 */
reg_todo_t reg_upload_ask_listing(reg_flow_t *f, int64_t start);
reg_todo_t reg_upload_take_page(reg_flow_t *f);
reg_todo_t reg_upload_choose(reg_flow_t *f);

/*
 * U->path out of the state; 0: it does not name that many of the last parts,
 * or there is no memory.
 */
int reg_upload_by_state(reg_flow_t *f, uint32_t least);


#endif /* _REG_FIND_H_INCLUDED_ */
