#ifndef _REG_LIST_H_INCLUDED_
#define _REG_LIST_H_INCLUDED_


#include "reg_flow.h"


const reg_step_t *reg_list_steps(reg_flow_t *f);


#endif /* _REG_LIST_H_INCLUDED_ */
