#ifndef _REG_BLOB_H_INCLUDED_
#define _REG_BLOB_H_INCLUDED_


#include "reg_data.h"
#include "reg_flow.h"


/* the first row for f->route and f->method; 405 is a row, too */
const reg_step_t *reg_blob_steps(reg_flow_t *f);

/*
 * One more call: the slice that has the byte at "at", of which "take" bytes
 * from there on are to be sent.  Returns the next slice's first byte.  Needs
 * f->slice, and of data its digest and size.
 */
int64_t reg_data_slice(reg_flow_t *f, const reg_data_t *data, int64_t at);


#endif /* _REG_BLOB_H_INCLUDED_ */
