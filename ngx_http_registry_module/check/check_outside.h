#ifndef _CHECK_OUTSIDE_H_INCLUDED_
#define _CHECK_OUTSIDE_H_INCLUDED_


#include "core/reg_listing.h"
#include "check.h"


/* what is no registry's; all names pass here in their order */
void check_foreign(check_t *c, reg_entry_t *entry, int foreign);
void check_foreign_end(check_t *c);
void check_parts(check_t *c);
void check_outside(check_t *c);


#endif /* _CHECK_OUTSIDE_H_INCLUDED_ */
