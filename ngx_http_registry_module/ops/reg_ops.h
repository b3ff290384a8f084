/*
 * The operations: each file holds the step tables of its routes, and one
 * function that chooses among them.
 */

#ifndef _REG_OPS_H_INCLUDED_
#define _REG_OPS_H_INCLUDED_


#include "core/reg_listing.h"
#include "reg_flow.h"


/* sets f->step for f->route and f->method; NULL: out of memory */
void reg_flow_start(reg_flow_t *f);


#endif /* _REG_OPS_H_INCLUDED_ */
