/* Listings. */

#ifndef _CHECK_CURSOR_H_INCLUDED_
#define _CHECK_CURSOR_H_INCLUDED_


#include "core/reg_listing.h"
#include "check_store.h"


/* a listing, read page by page, the next one on its way already */

typedef struct {
    reg_str_t         prefix;
    char              delimiter;
    check_pool_t      pool;
    check_pool_t      names;
    reg_listing_t     page;
    size_t            i;
    reg_str_t         marker;
    check_request_t  *request;
    unsigned          end:1;
} check_cursor_t;


void check_cursor_open(check_t *c, check_cursor_t *cursor,
    const char *prefix, char delimiter);
reg_entry_t *check_cursor_peek(check_t *c, check_cursor_t *cursor);
void check_cursor_next(check_t *c, check_cursor_t *cursor);
void check_cursor_close(check_cursor_t *cursor);


#endif /* _CHECK_CURSOR_H_INCLUDED_ */
