#ifndef _REG_REFERRERS_H_INCLUDED_
#define _REG_REFERRERS_H_INCLUDED_


#include "reg_flow.h"


const reg_step_t *reg_referrers_steps(reg_flow_t *f);


#endif /* _REG_REFERRERS_H_INCLUDED_ */
