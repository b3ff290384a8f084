#ifndef _REG_FINAL_H_INCLUDED_
#define _REG_FINAL_H_INCLUDED_


#include "reg_flow.h"
#include "reg_upload.h"


/*
 * "look at blob", "read blob", "verify blob", of u->data
 * and u->size (-1: not known).  Afterwards u->stored says that what stands
 * there is kept.
 */
reg_todo_t reg_final_look(reg_flow_t *f);
reg_todo_t reg_final_judge_look(reg_flow_t *f);

/* the same where it is known to have been right */
reg_todo_t reg_final_judge_standing(reg_flow_t *f);

reg_todo_t reg_final_read(reg_flow_t *f);
reg_todo_t reg_final_judge_read(reg_flow_t *f);
reg_todo_t reg_final_verify(reg_flow_t *f);
reg_todo_t reg_final_judge_verified(reg_flow_t *f);

/* u->standing again, when more is known of the upload */
void reg_final_weigh(reg_upload_t *u);

/*
 * For whoever has written the blob: one more call, what is to be made of its
 * reply, and "drop lost segments".
 */
void reg_final_list_lost(reg_flow_t *f);
void reg_final_take_lost(reg_flow_t *f, const reg_call_t *call);
reg_todo_t reg_final_drop_lost(reg_flow_t *f);
reg_todo_t reg_final_judge_lost(reg_flow_t *f);


#endif /* _REG_FINAL_H_INCLUDED_ */
