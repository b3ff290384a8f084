#ifndef _REG_MANIFEST_PUT_H_INCLUDED_
#define _REG_MANIFEST_PUT_H_INCLUDED_


#include "reg_flow.h"


const reg_step_t *reg_put_steps(reg_flow_t *f);


#endif /* _REG_MANIFEST_PUT_H_INCLUDED_ */
