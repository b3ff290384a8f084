/*
 * What the requests of one upload share: reg_upload_begin.c begins, feeds,
 * reports and cancels it, reg_mount.c does without, reg_commit.c makes a blob
 * of it; reg_find.c and reg_part.c have the rows that deal with parts.
 */

#ifndef _REG_UPLOAD_H_INCLUDED_
#define _REG_UPLOAD_H_INCLUDED_


#include <openssl/md5.h>

#include "core/reg_parts.h"
#include "core/reg_session.h"
#include "reg_data.h"
#include "reg_ops.h"


#define REG_LISTING_PAGE  1000

/* a listing from the beginning */
#define REG_ALL_PARTS  ((int64_t) -1)

/* parts below SMALL are merged once there are RUN behind each other */
#define REG_PART_SMALL    (64 * 1024)
#define REG_PARTS_RUN     16


/* what has become clear after the body was read */

typedef enum {
    REG_VERDICT_GOOD = 0,
    REG_VERDICT_STALE,                  /* another request was there first */
    REG_VERDICT_SIZE                    /* Content-Range says otherwise */
} reg_verdict_t;


/* whether parts that a listing does not show are asked for by their names */

typedef enum {
    REG_NAMING_NONE = 0,
    REG_NAMING_ASK,
    REG_NAMING_DONE
} reg_naming_t;


/* what is asked of segments that may be nobody's */

typedef enum {
    REG_LOST_MARKS = 0,
    REG_LOST_BLOB,
    REG_LOST_LIST,
    REG_LOST_DELETE
} reg_lost_t;


typedef struct {
    reg_str_t       id;
    reg_session_t   session;
    reg_hash_t      hash;               /* of all that passed, this body too */
    reg_hash_t      other;              /* the client's algorithm */
    int64_t         told;               /* the offset that the state said */
    unsigned char   foreign[REG_SESSION_KEY_ID];
    unsigned        known:1;            /* the signed state was good */
    unsigned        closing:1;          /* a digest ends it */
    unsigned        cancelling:1;
    unsigned        unmarked:1;         /* its mark could not be written */
    unsigned        alone:1;            /* its place was taken, for us */

    /* the listing: all parts, or those since the last one that is known */

    reg_parts_t     parts;
    reg_str_t       marker;
    unsigned        all:1;              /* is to be listed */
    unsigned        grow:1;             /* take what came behind the state */

    /* the parts that are the upload, when "listed" */

    reg_part_t    **path;               /* of some rows only their end */
    uint32_t        npath;
    uint32_t        nall;               /* and what was merged, behind it */
    unsigned        listed:1;
    unsigned        stale:1;            /* the state was behind the store */
    unsigned        missing:1;          /* the part that the state names */
    unsigned        gone:1;             /* no part is there any more */

    /* those that the state names */

    reg_part_t     *named;
    uint32_t        nnamed;
    reg_naming_t    naming;
    unsigned        asking:1;           /* for the last one of them */

    /* what this request wrote */

    reg_session_t   before;             /* the session before it */
    uint64_t        first;              /* id of its first part */
    uint32_t        written;
    int64_t         fed;
    reg_verdict_t   verdict;

    /* small parts that become one */

    reg_buf_t       merged;
    uint32_t        run;                /* path[run ..] are merged */
    unsigned        merging:1;

    uint32_t        next;               /* of the row that is at work */

    /* of the commit */

    reg_digest_t    digest;             /* as the client names it */
    reg_digest_t    data;               /* sha256 of the same bytes */
    int64_t         size;
    reg_str_t       segments;           /* whose they are: path's "id" */
    reg_session_t   copied;             /* the chain of the segments */
    MD5_CTX         etags;              /* over theirs, as storages have it */
    reg_answer_t    refusal;            /* for when they are deleted */
    unsigned        refused:1;
    unsigned        unused:1;           /* the segments, if there are any */
    unsigned        proven:1;           /* the state's hash is the digest */
    unsigned        marked:1;           /* their mark may be there */

    /* what stands at the blob's name */

    reg_reply_t     standing;           /* of the last HEAD */
    reg_hash_t      read;
    unsigned        stored:1;           /* known to be right, and kept */
    unsigned        doubt:1;            /* it may be, and is to be read */
    unsigned        early:1;            /* looked at before the body came */
    unsigned        direct:1;           /* the body goes there */
    unsigned        wrote:1;            /* this request did */
    unsigned        waited;             /* times, until it was whole */
    unsigned        links;              /* calls of "link blob" for it */

    /* the segments that nobody names because of that */

    reg_str_t       overwritten;        /* X-Object-Manifest */
    reg_lost_t      losing;
    reg_str_t       lost[REG_CALLS_MAX];    /* as "segments" */
    unsigned        nlost;
    reg_listing_t   lost_page;

    /* of a mount */

    reg_str_t       from;
    reg_data_t      source;
    unsigned        listing:1;          /* its segments are to be seen */
} reg_upload_t;


/* 0 when nobody can know, too */
int reg_upload_place(reg_flow_t *f, reg_place_t what, uint64_t tip);


/* how many parts at the end of u->path are worth merging */
unsigned reg_upload_small(const reg_upload_t *u);


/* the name of an object */
reg_str_t reg_upload_part(reg_flow_t *f, const reg_part_t *part);

/* the call writes what belongs to the upload, and ends with it */
void reg_upload_expire(reg_flow_t *f, reg_call_t *call);

/* a random UUID; 0: out of memory */
int reg_upload_new_id(reg_flow_t *f, reg_str_t *id);

/*
 * The mark of an upload that has ended: with the digest that closed it, or
 * empty when it was cancelled.  Each adds one call; of what the second one
 * asked REG_NEXT says that it goes on, REG_AGAIN that it was closed with the
 * same digest.
 */
void reg_upload_mark(reg_flow_t *f, reg_str_t digest);
void reg_upload_ask_mark(reg_flow_t *f);
reg_todo_t reg_upload_judge_mark(reg_flow_t *f, const reg_call_t *call);

/* status, Location, Range and Docker-Upload-UUID */
void reg_upload_answer(reg_flow_t *f, unsigned status);
reg_todo_t reg_upload_refuse_range(reg_flow_t *f);
reg_todo_t reg_upload_say_begun(reg_flow_t *f);


/* what was to stay has an expiry */
reg_todo_t reg_upload_refuse_expiring(reg_flow_t *f);

/* "link blob": u->data at its own digest, and at the one that was asked */
reg_todo_t reg_upload_link(reg_flow_t *f);

/* 201 with the blob's Location */
reg_todo_t reg_upload_say_created(reg_flow_t *f);


#endif /* _REG_UPLOAD_H_INCLUDED_ */
