#ifndef _CHECK_REPOS_H_INCLUDED_
#define _CHECK_REPOS_H_INCLUDED_


#include "check.h"


void check_repositories(check_t *c);
void check_uploads(check_t *c);
int check_name_order(const reg_str_t *a, const char *b);


#endif /* _CHECK_REPOS_H_INCLUDED_ */
