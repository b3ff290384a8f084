#ifndef _CHECK_SEGMENTS_H_INCLUDED_
#define _CHECK_SEGMENTS_H_INCLUDED_


#include "check.h"


void check_segments(check_t *c);


#endif /* _CHECK_SEGMENTS_H_INCLUDED_ */
