/*
 * Registry errors: code, HTTP status and message, and the JSON body
 * {"errors":[{"code":...,"message":...,"detail":...}]}.
 */

#ifndef _REG_ERROR_H_INCLUDED_
#define _REG_ERROR_H_INCLUDED_


#include "reg_base.h"


typedef enum {
#define REG_E(code, status, message)  REG_E_##code,
#include "reg_errors.inc"
    REG_E_LAST
} reg_error_t;


const char *reg_error_code(reg_error_t e);
unsigned reg_error_status(reg_error_t e);

/* what nginx's own errors are called, and their cause */
reg_error_t reg_error_of_status(unsigned status, reg_str_t *detail);

/* "details" are n strings, one error object each; n == 0: one, no detail */
reg_str_t reg_error_json(reg_arena_t *arena, reg_error_t e,
    const reg_str_t *details, size_t n);


#endif /* _REG_ERROR_H_INCLUDED_ */
