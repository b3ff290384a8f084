/*
 * What a request's query may say: each parameter that means something to the
 * route and the method is as the API's grammar has it, or the request is
 * refused.  Whoever takes a rule's decision from a parameter looks here first;
 * others, and those of other operations, are ignored.
 */

#ifndef _REG_PARAMS_H_INCLUDED_
#define _REG_PARAMS_H_INCLUDED_


#include "reg_route.h"


/*
 * REG_BAD: *e and *detail say what is wrong; detail is of the arena or for
 * good.  A parameter without a value is left to the operation.
 */
reg_rc_t reg_params_check(reg_arena_t *arena, const reg_route_t *route,
    reg_method_t method, const reg_str_t *args, reg_error_t *e,
    reg_str_t *detail);


#endif /* _REG_PARAMS_H_INCLUDED_ */
