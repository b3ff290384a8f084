/*
 * registry-check: reads a registry's container and reports what is damaged,
 * dangling or left over in it; repairs what it is told to.
 *
 * A run is: blobs, then repositories (and the referrers beside them) in
 * batches, then segments, then what lies outside.  Whatever is missing is
 * asked for once more before it is reported, so that running pushes and
 * deletes are no findings.  A storage that fails ends the run by exit().
 */

#ifndef _CHECK_H_INCLUDED_
#define _CHECK_H_INCLUDED_


#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include "core/reg_base.h"
#include "core/reg_digest.h"
#include "core/reg_listing.h"
#include "core/reg_manifest.h"
#include "core/reg_object.h"
#include "core/reg_path.h"
#include "core/reg_route.h"


#define CHECK_CLEAN     0
#define CHECK_PROBLEMS  1
#define CHECK_FAILED    2

#define CHECK_NONE      UINT32_MAX

/* repairs */
#define CHECK_LINKS           0x01
#define CHECK_LAYERS          0x02
#define CHECK_REVISIONS       0x04
#define CHECK_REFERRERS       0x08
#define CHECK_DANGLING_TAGS   0x10
#define CHECK_DANGLING_LINKS  0x20
#define CHECK_MARKERS         0x40


typedef struct check_s         check_t;
typedef struct check_store_s   check_store_t;
typedef struct check_report_s  check_report_t;
typedef struct check_action_s  check_action_t;


/* memory that is freed at once; the end of memory is the end of the run */

typedef struct check_chunk_s  check_chunk_t;

typedef struct {
    reg_arena_t     arena;
    check_chunk_t  *chunks;
} check_pool_t;


typedef struct {
    char           *auth_url;
    char           *user;
    char           *key;
    char           *container;
    reg_str_t       prefix;             /* of all names, with its slash */
    char           *storage_url;        /* NULL: what the auth server says */
    char           *ca_file;
    long            parallel;
    long            timeout;            /* seconds */
    int64_t         grace;              /* seconds */
    unsigned        repair;
    unsigned        deep:1;
    unsigned        dry_run:1;
    unsigned        json:1;
    unsigned        quiet:1;
    unsigned        all:1;
} check_options_t;


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


struct check_s {
    check_options_t    options;
    check_store_t     *store;
    check_report_t    *report;
    int64_t            now;             /* when the run began */
    check_pool_t       pool;            /* lives as long as the run */

    check_blob_t      *blobs;
    size_t             nblobs;
    size_t             blobs_room;

    reg_digest_t      *others;          /* referred to, not among the blobs */
    size_t             nothers;
    size_t             others_room;

    check_manifest_t  *manifests;
    size_t             nmanifests;
    size_t             manifests_room;
    uint32_t          *hashed_manifests;        /* numbers, or CHECK_NONE */
    size_t             manifests_mask;

    check_ref_t       *refs;
    size_t             nrefs;
    size_t             refs_room;

    check_head_t      *heads;
    size_t             nheads;
    size_t             heads_room;

    check_upload_t    *uploads;
    size_t             nuploads;
    size_t             uploads_room;

    check_size_t      *sizes;
    size_t             nsizes;
    size_t             sizes_room;

    check_action_t   **actions;
    size_t             nactions;
    size_t             actions_room;

    /* figures */

    int64_t            objects;         /* seen in listings */
    int64_t            objects_total;   /* as the container says */
    int64_t            bytes;
    int64_t            hashed;
    int64_t            repositories;
    int64_t            tags;
    unsigned           unread:1;        /* some manifest was not understood */
};


/* check_memory.c */

void check_pool_init(check_pool_t *pool);
void check_pool_free(check_pool_t *pool);
void *check_grow(void *array, size_t *room, size_t n, size_t size);
char *check_strdup(check_pool_t *pool, const reg_str_t *s);
reg_str_t check_str(const char *text);
int check_compare(const void *a, size_t alen, const void *b, size_t blen);

/* a size that the storage tells: what is negative is none, a sum is at most
   the largest number */
void check_add(int64_t *sum, int64_t size);

/* check_options.c */

void check_options_read(check_options_t *o, int argc, char **argv);
const char *check_repair_name(unsigned kind);

/* check_store.c */

void check_store_init(check_t *c);
void check_store_free(check_t *c);
void check_store_head_container(check_t *c);
uint64_t check_store_requests(check_t *c);

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

/* the end: a message, and exit(CHECK_FAILED) */
void check_fatal(check_t *c, const char *format, ...)
    __attribute__((format(printf, 2, 3), noreturn));

/* check_cursor.c */

void check_cursor_open(check_t *c, check_cursor_t *cursor,
    const char *prefix, char delimiter);
reg_entry_t *check_cursor_peek(check_t *c, check_cursor_t *cursor);
void check_cursor_next(check_t *c, check_cursor_t *cursor);
void check_cursor_close(check_cursor_t *cursor);

/* check_blobs.c */

void check_blobs(check_t *c);
void check_blobs_end(check_t *c);
void check_blobs_deep(check_t *c);
int check_young(check_t *c, int64_t modified);

/* CHECK_NONE: not when the blobs were listed */
uint32_t check_blob_find(check_t *c, const reg_digest_t *d);
reg_str_t check_blob_name(check_t *c, check_pool_t *pool, uint32_t blob);

/* check_segments.c */

void check_head_add(check_t *c, const char *object_manifest, uint32_t blob,
    uint32_t upload);
void check_segments(check_t *c);

/* check_repos.c */

void check_repositories(check_t *c);
void check_uploads(check_t *c);
int check_name_order(const reg_str_t *a, const char *b);

/* check_manifests.c */

void check_manifest_load(check_t *c, const reg_digest_t *d);
check_manifest_t *check_manifest_find(check_t *c, const reg_digest_t *d);
reg_digest_t check_node_digest(check_t *c, uint32_t node);

/* check_referrers.c */

/* m->referrer, what its entry holds */
void check_referrer_make(check_t *c, check_manifest_t *m,
    const reg_manifest_t *manifest, size_t size);

/* check_outside.c */

/* what is no registry's; all names pass here in their order */
void check_foreign(check_t *c, reg_entry_t *entry, int foreign);
void check_foreign_end(check_t *c);
void check_parts(check_t *c);
void check_outside(check_t *c);

/* check_report.c */

typedef enum {
#define CHECK_KIND(id, name, problem, text)  CHECK_K_##id,
#include "check_kinds.inc"
#undef CHECK_KIND
    CHECK_NKINDS
} check_kind_t;

void check_report_init(check_t *c);
void check_report_free(check_t *c);

/* "repository" may be NULL; "bytes" -1: none; format NULL: no detail */
void check_report(check_t *c, check_kind_t kind, const reg_str_t *object,
    const char *repository, int64_t bytes, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
void check_report_repair(check_t *c, check_action_t *action,
    const char *outcome);
void check_report_error(check_t *c, const char *text);
int check_report_end(check_t *c);
void check_progress(check_t *c);

/* check_repair.c */

struct check_action_s {
    unsigned         kind;              /* CHECK_LINKS ... */
    check_kind_t     problem;
    reg_method_t     method;            /* PUT or DELETE */
    char            *object;
    char            *repository;
    reg_str_t        body;              /* of a PUT */
    char            *type;

    /* what must still be so; all but "was" are objects or NULL */

    char            *was;               /* its text; PUT: NULL if absent */
    char            *needs;             /* this is there */
    char            *absent;            /* this is not there */
    char            *guard;             /* this has the text */
    char            *guard_text;
    unsigned         empty:1;           /* it has no bytes */

    unsigned         part:1;            /* the next one completes it */
    check_action_t  *next;
};

/* NULL when this kind is not to be repaired */
check_action_t *check_action(check_t *c, unsigned kind, check_kind_t problem,
    reg_method_t method, const reg_str_t *object, const char *repository);
void check_repair(check_t *c);

/*
 * Something is missing: "missing" (if not NULL) must answer 404, and
 * "holder", which needs it, must be there and older than the grace; then
 * "object" is reported, and "action" is to be done.
 */
void check_suspect(check_t *c, check_kind_t kind, const reg_str_t *missing,
    const reg_str_t *holder, const reg_str_t *object, const char *repository,
    check_action_t *action, const char *format, ...)
    __attribute__((format(printf, 8, 9)));


#endif /* _CHECK_H_INCLUDED_ */
