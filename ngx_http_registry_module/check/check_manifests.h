#ifndef _CHECK_MANIFESTS_H_INCLUDED_
#define _CHECK_MANIFESTS_H_INCLUDED_


#include "check.h"


/* it is there after check_wait() */
void check_manifest_load(check_t *c, const reg_digest_t *d);


#endif /* _CHECK_MANIFESTS_H_INCLUDED_ */
