#ifndef _CHECK_REPORT_H_INCLUDED_
#define _CHECK_REPORT_H_INCLUDED_


#include "core/reg_route.h"
#include "check.h"


typedef enum {
#define CHECK_KIND(id, name, problem, text)  CHECK_K_##id,
#include "check_kinds.inc"
#undef CHECK_KIND
    CHECK_NKINDS
} check_kind_t;


/* what may mend it */

struct check_action_s {
    unsigned         kind;              /* CHECK_LINKS ... */
    check_kind_t     problem;
    reg_method_t     method;            /* PUT or DELETE */
    char            *object;
    char            *repository;
    reg_str_t        body;              /* of a PUT */
    char            *type;

    /* what must still be so; all but "was" are objects or NULL */

    char            *was;               /* its text; PUT: NULL if absent */
    char            *needs;             /* this is there */
    char            *absent;            /* this is not there */
    char            *guard;             /* this has the text */
    char            *guard_text;
    unsigned         empty:1;           /* it has no bytes */

    unsigned         part:1;            /* the next one completes it */
    check_action_t  *next;
};


void check_report_init(check_t *c);
void check_report_free(check_t *c);

/* "repository" may be NULL; "bytes" -1: none; format NULL: no detail */
void check_report(check_t *c, check_kind_t kind, const reg_str_t *object,
    const char *repository, int64_t bytes, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
void check_report_repair(check_t *c, check_action_t *action,
    const char *outcome);
void check_report_error(check_t *c, const char *text);
int check_report_end(check_t *c);
void check_progress(check_t *c);

/* the end: a message, and exit(CHECK_FAILED) */
void check_fatal(check_t *c, const char *format, ...)
    __attribute__((format(printf, 2, 3), noreturn));


#endif /* _CHECK_REPORT_H_INCLUDED_ */
