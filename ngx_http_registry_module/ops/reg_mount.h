#ifndef _REG_MOUNT_H_INCLUDED_
#define _REG_MOUNT_H_INCLUDED_


#include "reg_flow.h"


/* NULL when the query asks for none */
const reg_step_t *reg_mount_steps(reg_flow_t *f);


#endif /* _REG_MOUNT_H_INCLUDED_ */
