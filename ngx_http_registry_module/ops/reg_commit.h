#ifndef _REG_COMMIT_H_INCLUDED_
#define _REG_COMMIT_H_INCLUDED_


#include "reg_flow.h"


/* the tables of a closing PUT, or of a POST with a digest */
const reg_step_t *reg_commit_steps(reg_flow_t *f);


#endif /* _REG_COMMIT_H_INCLUDED_ */
