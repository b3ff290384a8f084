#ifndef _REG_KEEP_H_INCLUDED_
#define _REG_KEEP_H_INCLUDED_


#include "reg_flow.h"


/* 403, as long as nothing is deleted; later rm->kept */
reg_todo_t reg_keep_check(reg_flow_t *f);

/* is the revision linked, at the second look? */
reg_todo_t reg_keep_read(reg_flow_t *f);
reg_todo_t reg_keep_judge(reg_flow_t *f);

/* and at the last one, if an entry was deleted: it is written again */
reg_todo_t reg_keep_read_last(reg_flow_t *f);
reg_todo_t reg_keep_judge_last(reg_flow_t *f);
reg_todo_t reg_keep_entries(reg_flow_t *f);

/* of rm->kept: the manifest is what it was, then 403 */
reg_todo_t reg_keep_links(reg_flow_t *f);
reg_todo_t reg_keep_refuse(reg_flow_t *f);


#endif /* _REG_KEEP_H_INCLUDED_ */
