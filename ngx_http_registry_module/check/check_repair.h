#ifndef _CHECK_REPAIR_H_INCLUDED_
#define _CHECK_REPAIR_H_INCLUDED_


#include "core/reg_route.h"
#include "check_report.h"


/* NULL when this kind is not to be repaired */
check_action_t *check_action(check_t *c, unsigned kind, check_kind_t problem,
    reg_method_t method, const reg_str_t *object, const char *repository);
void check_repair(check_t *c);

/*
 * Something is missing: "missing" (if not NULL) must answer 404, and
 * "holder", which needs it, must be there and older than the grace; then
 * "object" is reported, and "action" is to be done.
 */
void check_suspect(check_t *c, check_kind_t kind, const reg_str_t *missing,
    const reg_str_t *holder, const reg_str_t *object, const char *repository,
    check_action_t *action, const char *format, ...)
    __attribute__((format(printf, 8, 9)));


#endif /* _CHECK_REPAIR_H_INCLUDED_ */
