#ifndef _CHECK_JUDGE_H_INCLUDED_
#define _CHECK_JUDGE_H_INCLUDED_


#include "check_links.h"


void check_judge(check_t *c, check_batch_t *batch, check_repo_t *repo);


#endif /* _CHECK_JUDGE_H_INCLUDED_ */
