/* A batch of repositories: all their links, as the listing has them. */

#ifndef _CHECK_LINKS_H_INCLUDED_
#define _CHECK_LINKS_H_INCLUDED_


#include "check.h"


typedef enum {
    CHECK_LINK_UNREAD = 0,
    CHECK_LINK_GOOD,
    CHECK_LINK_EMPTY,
    CHECK_LINK_NEWLINE,                 /* "target" is good */
    CHECK_LINK_MALFORMED,
    CHECK_LINK_WRONG,                   /* "target" is not that of the name */
    CHECK_LINK_GONE
} check_link_state_t;


/* sha256 is what nearly all are: the other half is then not there */

typedef struct {
    reg_digest_t    digest;             /* of the name; unset for a current */
    reg_digest_t    target;             /* of the body */
    char           *tag;
    char           *text;               /* the body, if it was read */
    int64_t         modified;
    uint32_t        repository;
    uint8_t         kind;               /* reg_object_kind_t */
    uint8_t         state;
    uint8_t         needed;             /* by a manifest */
} check_link_t;


typedef struct {
    reg_digest_t    subject;
    reg_digest_t    digest;
    int64_t         modified;
} check_entry_t;


/* ranges [first, last) */

typedef struct {
    size_t          first;
    size_t          last;
} check_range_t;


typedef struct {
    char           *name;
    check_range_t   layers;
    check_range_t   revisions;
    check_range_t   tags;               /* of each: current, then its index */
    check_range_t   entries;
    unsigned        unread:1;           /* a manifest is not understood */
} check_repo_t;


typedef struct {
    check_pool_t    pool;

    check_link_t   *links;
    size_t          nlinks;
    size_t          links_room;

    check_entry_t  *entries;
    size_t          nentries;
    size_t          entries_room;

    check_repo_t   *repos;
    size_t          nrepos;
    size_t          repos_room;
} check_batch_t;


/* reads what the listing did not tell */
void check_links_read(check_t *c, check_batch_t *batch);
reg_str_t check_link_name(check_batch_t *batch, const check_link_t *link,
    check_pool_t *pool);

/* what it means, whatever its body is; 0: it is not known */
int check_link_target(const check_link_t *link, reg_digest_t *d);

check_link_t *check_link_find(check_batch_t *batch, check_range_t *range,
    const reg_digest_t *d);


#endif /* _CHECK_LINKS_H_INCLUDED_ */
