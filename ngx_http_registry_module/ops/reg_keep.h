#ifndef _REG_KEEP_H_INCLUDED_
#define _REG_KEEP_H_INCLUDED_


#include "reg_flow.h"


/* 403, as long as nothing is deleted; later rm->kept */
reg_todo_t reg_keep_check(reg_flow_t *f);

/* of rm->kept: the manifest is what it was, then 403 */
reg_todo_t reg_keep_links(reg_flow_t *f);
reg_todo_t reg_keep_refuse(reg_flow_t *f);


#endif /* _REG_KEEP_H_INCLUDED_ */
