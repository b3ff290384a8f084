#ifndef _REG_UPLOAD_BEGIN_H_INCLUDED_
#define _REG_UPLOAD_BEGIN_H_INCLUDED_


#include "reg_flow.h"


const reg_step_t *reg_upload_steps(reg_flow_t *f);


#endif /* _REG_UPLOAD_BEGIN_H_INCLUDED_ */
