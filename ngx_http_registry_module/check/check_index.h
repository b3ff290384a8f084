/* What a run has seen; the tables are fields of check_t. */

#ifndef _CHECK_INDEX_H_INCLUDED_
#define _CHECK_INDEX_H_INCLUDED_


#include "core/reg_digest.h"
#include "check_memory.h"


#define CHECK_NONE      UINT32_MAX


#define CHECK_BLOB_HEADED      0x01
#define CHECK_BLOB_LARGE       0x02     /* a dynamic large object */
#define CHECK_BLOB_DAMAGED     0x04     /* its size means nothing */
#define CHECK_BLOB_NEEDED      0x08     /* a manifest names it, or is it */
#define CHECK_BLOB_LINKED      0x10     /* a link names it */
#define CHECK_BLOB_YOUNG       0x20
#define CHECK_BLOB_WRONG_SIZE  0x40

typedef struct {
    unsigned char   hash[32];           /* sha256; the table is sorted by it */
    int64_t         size;               /* -1: it is not there any more */
    uint32_t        flags;
} check_blob_t;


/* what a manifest refers to */

typedef enum {
    CHECK_REF_CONFIG = 0,
    CHECK_REF_LAYER,
    CHECK_REF_FOREIGN,                  /* a layer that is elsewhere */
    CHECK_REF_CHILD,
    CHECK_REF_SUBJECT
} check_role_t;

typedef struct {
    uint32_t        node;               /* blobs[], others[] behind them */
    uint32_t        role;
    int64_t         size;
} check_ref_t;


typedef enum {
    CHECK_MANIFEST_GOOD = 0,
    CHECK_MANIFEST_ABSENT,
    CHECK_MANIFEST_EMPTY,               /* reported as a blob */
    CHECK_MANIFEST_WRONG,               /* other bytes than its digest's */
    CHECK_MANIFEST_UNREADABLE,
    CHECK_MANIFEST_SCHEMA1
} check_manifest_state_t;

typedef struct {
    unsigned char           hash[32];
    const char             *why;
    size_t                  first;      /* refs[] */
    uint32_t                nrefs;
    uint32_t                subject;    /* node, or CHECK_NONE */
    check_manifest_state_t  state;
    unsigned                reported:1;
    unsigned                loaded:1;
    reg_str_t               referrer;   /* its entry, when it has a subject */
} check_manifest_t;


/* a large object and where its segments are */

typedef struct {
    char           *prefix;             /* without the container */
    uint32_t        blob;               /* or CHECK_NONE: an upload's */
    uint32_t        upload;             /* uploads[] */
    int64_t         next;               /* number that is expected */
    int64_t         bytes;
    uint32_t        segments;
    unsigned        gap:1;
} check_head_t;


typedef struct {
    char           *object;             /* up to its id */
    char           *repository;
    int64_t         modified;           /* the youngest of its objects */
    int64_t         bytes;
    unsigned        dated:1;            /* has "startedat" */
} check_upload_t;


/* a size that a manifest tells, and the blob has not */

typedef struct {
    uint32_t        blob;
    int64_t         size;
    char           *holder;
    char           *repository;
} check_size_t;


typedef struct check_s  check_t;


/* not older than the grace */
int check_young(check_t *c, int64_t modified);

/* CHECK_NONE: not when the blobs were listed */
uint32_t check_blob_find(check_t *c, const reg_digest_t *d);
reg_str_t check_blob_name(check_t *c, check_pool_t *pool, uint32_t blob);

/* of blobs[], or of others[] behind them, where it is put */
uint32_t check_node(check_t *c, const reg_digest_t *d);
reg_digest_t check_node_digest(check_t *c, uint32_t node);

/* of sha256 alone; add() returns NULL when it is there already */
check_manifest_t *check_manifest_find(check_t *c, const reg_digest_t *d);
check_manifest_t *check_manifest_add(check_t *c, const reg_digest_t *d);

void check_head_add(check_t *c, const char *object_manifest, uint32_t blob,
    uint32_t upload);


#endif /* _CHECK_INDEX_H_INCLUDED_ */
