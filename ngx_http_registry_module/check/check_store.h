/* Requests to the storage. */

#ifndef _CHECK_STORE_H_INCLUDED_
#define _CHECK_STORE_H_INCLUDED_


#include "core/reg_digest.h"
#include "core/reg_route.h"
#include "check.h"


/* one request to the storage; 2xx and 404 reach "done", else the run ends */

typedef struct check_request_s  check_request_t;

typedef void (*check_done_pt)(check_t *c, check_request_t *r);

struct check_request_s {
    reg_method_t      method;
    check_done_pt     done;             /* may send, must not wait */
    void             *data;
    size_t            index;
    size_t            body_max;

    /* of a PUT */

    unsigned char    *put;
    size_t            put_len;
    void             *put_headers;      /* NULL: of a link */

    /* the reply */

    unsigned          status;
    int64_t           length;
    int64_t           modified;         /* seconds since 1970; 0: not told */
    int64_t           objects;          /* X-Container-Object-Count, or -1 */
    char             *object_manifest;
    unsigned          expires:1;        /* X-Delete-At */
    unsigned char    *body;
    size_t            body_len;

    /* takes the body instead; a body that breaks is then for "done" */

    reg_hash_t       *hash;
    unsigned          broken:1;

    unsigned          complete:1;
    unsigned          keep:1;           /* the sender frees it */

    /* of check_store.c */

    void             *easy;
    char             *url;
    char             *object;
    check_request_t  *next;
    uint64_t          not_before;       /* milliseconds */
    unsigned          tries;
    unsigned          generation;       /* of the token */
    unsigned          overflow:1;
    size_t            header_len;
    char              error[256];
};


void check_store_init(check_t *c);
void check_store_free(check_t *c);
void check_store_head_container(check_t *c);

/* copies the body; "type" may be NULL */
void check_request_put(check_t *c, check_request_t *r, const reg_str_t *body,
    const char *type);

/* a request, not sent yet; freed after "done" */
check_request_t *check_request(check_t *c, reg_method_t method,
    const reg_str_t *object, const char *query, check_done_pt done);
void check_send(check_t *c, check_request_t *r);
void check_request_free(check_request_t *r);

/* until there is room for more requests; until all are done */
void check_throttle(check_t *c);
void check_wait(check_t *c);

/* sends it, waits for it; to be freed by the caller */
void check_wait_for(check_t *c, check_request_t *r);


#endif /* _CHECK_STORE_H_INCLUDED_ */
