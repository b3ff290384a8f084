#ifndef _CHECK_BLOBS_H_INCLUDED_
#define _CHECK_BLOBS_H_INCLUDED_


#include "check.h"


void check_blobs(check_t *c);
void check_blobs_end(check_t *c);
void check_blobs_deep(check_t *c);


#endif /* _CHECK_BLOBS_H_INCLUDED_ */
