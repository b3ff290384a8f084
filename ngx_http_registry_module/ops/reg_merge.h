#ifndef _REG_MERGE_H_INCLUDED_
#define _REG_MERGE_H_INCLUDED_


#include "reg_flow.h"


reg_todo_t reg_upload_read_small(reg_flow_t *f);
reg_todo_t reg_upload_judge_small(reg_flow_t *f);
reg_todo_t reg_upload_merge(reg_flow_t *f);
reg_todo_t reg_upload_judge_merged(reg_flow_t *f);
reg_todo_t reg_upload_delete_merged(reg_flow_t *f);


#endif /* _REG_MERGE_H_INCLUDED_ */
