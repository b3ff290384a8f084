#ifndef _CHECK_REFERRERS_H_INCLUDED_
#define _CHECK_REFERRERS_H_INCLUDED_


#include "check_links.h"


void check_referrers(check_t *c, check_batch_t *batch, check_repo_t *repo);


#endif /* _CHECK_REFERRERS_H_INCLUDED_ */
