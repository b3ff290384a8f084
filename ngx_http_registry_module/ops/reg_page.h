/*
 * A page of a list: the first "n" names behind "last", in the API's order,
 * by listings of the store, which has another one.
 *
 * The store sorts keys: a name, and the delimiter behind it.  So "a-b/" comes
 * before "a/", though the tag "a" comes before "a-b"; and of repositories
 * "a-b/_" and "a/0/_" come before "a/_", though the API has "a", all that is
 * below it, and then "a-b".  What the API has earlier than the store is always
 * below a name that was cut before a '-' or '.', or is a name that was cut
 * before a '/': so what is not listed yet is kept as pieces of the store's
 * order, each with the least name that it may have, and a page is complete
 * when no piece has a name for it.  That costs listings in proportion to the
 * page, whatever the container has, and no more than some pieces for a name
 * that a client made up.
 */

#ifndef _REG_PAGE_H_INCLUDED_
#define _REG_PAGE_H_INCLUDED_


#include "reg_flow.h"


typedef struct {
    reg_str_t       name;
    unsigned        known:1;            /* else it is to be checked */
    unsigned        gone:1;
} reg_page_name_t;


/* an interval of the store's order, its ends excluded */

typedef struct {
    reg_str_t       from;
    reg_str_t       to;                 /* empty: no end */
    reg_str_t       least;
    unsigned        done:1;
} reg_page_piece_t;


typedef struct {
    reg_str_t       prefix;             /* of the listed objects */
    reg_str_t       last;
    int64_t         n;                  /* -1: all */
    unsigned        repositories:1;     /* else tags */
    unsigned        mixed:1;            /* a piece has what is not for it */

    reg_page_name_t  *names;
    size_t            nnames;
    size_t            names_room;
    size_t            nlikely;          /* a tag to be checked is not */

    reg_page_piece_t *pieces;
    size_t            npieces;
    size_t            pieces_room;

    size_t          asked[REG_CALLS_MAX];   /* pieces, or names to check */
    unsigned        checking:1;
    unsigned        failed:1;               /* out of memory */
} reg_page_t;


/* prefix, last, n and repositories are set, all else is zero */
void reg_page_begin(reg_flow_t *f, reg_page_t *page);

/*
 * Both halves of a row.  When it is done, names[0 .. min(n, nnames)) are the
 * page; nnames > n: there are more.
 */
reg_todo_t reg_page_ask(reg_flow_t *f, reg_page_t *page);
reg_todo_t reg_page_judge(reg_flow_t *f, reg_page_t *page);


#endif /* _REG_PAGE_H_INCLUDED_ */
