/*
 * OpenStack's Identity API v3 ("Keystone"): the request for a token, and what
 * its answer says of the object store.
 */

#ifndef _REG_KEYSTONE_H_INCLUDED_
#define _REG_KEYSTONE_H_INCLUDED_


#include "reg_base.h"


/* by its name, or, as "id=...", by its id; empty: not given */

typedef struct {
    reg_str_t       user;
    reg_str_t       domain;             /* of the user */
    reg_str_t       project;
    reg_str_t       project_domain;     /* empty: the user's */
    reg_str_t       credential;         /* an application credential */
    reg_str_t       trust;              /* an id, always */

    reg_str_t       region;             /* of the endpoint; empty: any */
    reg_str_t       interface;          /* "public", "internal", "admin" */
} reg_keystone_t;


typedef struct {
    reg_str_t       url;                /* of the object store */
    int64_t         issued;             /* Unix seconds, by Keystone's clock */
    int64_t         expires;
} reg_keystone_token_t;


/* NULL, or which value is missing or one too many, and what to do */
const char *reg_keystone_check(const reg_keystone_t *k);

/*
 * The body of POST /v3/auth/tokens; null when the arena is exhausted.  One
 * allocation: who wipes these bytes has wiped the secret.
 */
reg_str_t reg_keystone_request(reg_arena_t *arena, const reg_keystone_t *k,
    const reg_str_t *secret);

/* REG_BAD: *why is a static sentence without any byte of the answer */
reg_rc_t reg_keystone_read(reg_arena_t *arena, const reg_str_t *json,
    const reg_keystone_t *k, reg_keystone_token_t *token, const char **why);


/* "2015-11-07T01:58:43.578929Z" in Unix seconds; -1: it is no such time */
int64_t reg_keystone_time(const reg_str_t *text);


#endif /* _REG_KEYSTONE_H_INCLUDED_ */
