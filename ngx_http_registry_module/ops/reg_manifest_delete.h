#ifndef _REG_MANIFEST_DELETE_H_INCLUDED_
#define _REG_MANIFEST_DELETE_H_INCLUDED_


#include "reg_flow.h"


const reg_step_t *reg_delete_steps(reg_flow_t *f);


#endif /* _REG_MANIFEST_DELETE_H_INCLUDED_ */
