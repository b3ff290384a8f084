/*
 * A flow: which storage calls an operation makes, in which order, and what
 * each reply means.  A table of rows is read from its top; a row's "ask"
 * describes calls, its "judge" reads their replies.  Rows only go down.
 *
 * A flow does no input or output and knows no clock: whoever runs it makes
 * the calls (nginx, or a test).
 */

#ifndef _REG_FLOW_H_INCLUDED_
#define _REG_FLOW_H_INCLUDED_


#include "core/reg_base.h"
#include "core/reg_digest.h"
#include "core/reg_error.h"
#include "core/reg_route.h"
#include "core/reg_swift.h"


/* read into memory: configs, which each pull of an image reads */
#define REG_SMALL_MAX    (64 * 1024)

#define REG_CALLS_MAX    16             /* at the same time */
#define REG_HEADERS_MAX  12


typedef enum {
    REG_NEXT,           /* this row is settled: the row below */
    REG_AGAIN,          /* this row once more: the next page or batch */
    REG_CALL,           /* make f->calls[0 .. ncalls], then judge */
    REG_BODY,           /* read the client's body into f->body, then judge */
    REG_PASS,           /* calls[0]: its reply is the client's, the end */
    REG_RANGE,           /* calls[0]: its reply is a part of the client's,
                           behind call->head; then judge.  calls[1]: the next
                           one, if it may be fetched ahead */
    REG_ANSWER          /* f->answer is filled in: send it, the end */
} reg_todo_t;


typedef struct {
    unsigned        status;             /* 0: no answer of the store */
    int64_t         length;             /* Content-Length; -1: none */
    reg_str_t       content_range;
    reg_str_t       body;               /* until the row is judged */
    reg_str_t       etag;               /* without quotes */
    reg_str_t       object_manifest;    /* X-Object-Manifest */
    int64_t         whole;              /* REG_SWIFT_WHOLE; 0: none */
    reg_str_t       vouched;            /* REG_SWIFT_VOUCHED */
    reg_str_t       trans_id;
    reg_str_t       meta_digest;        /* X-Object-Meta-Digest */
    unsigned        expires:1;          /* the store will delete the object */
    unsigned        cached:1;           /* no call was made for it */
} reg_reply_t;


/* what a reply may be kept for by who runs the flow */

typedef enum {
    REG_CACHE_NONE = 0,
    REG_CACHE_FACT,         /* for a short time: it may change */
    REG_CACHE_DATA          /* for ever, if the bytes are "digest"'s */
} reg_cache_t;


typedef struct {
    reg_method_t    method;
    reg_str_t       object;             /* raw */
    reg_str_t       query;              /* escaped, without '?' */
    reg_str_t       headers;            /* "Name: value\r\n" ... */
    reg_str_t       body;               /* of a PUT */
    reg_str_t       content_type;       /* of it; null: just bytes */
    unsigned        on_container:1;     /* not on an object */
    unsigned        feed:1;             /* the client's body is the body */
    unsigned        failed:1;           /* out of memory: not to be made */
    unsigned        early:1;            /* a HEAD, alone or the last one, of
                                           what is wanted by GET then */
    size_t          reply_max;          /* bytes of the reply kept */

    /* of a listing, without the prefix of all: what its names must be */
    reg_str_t       prefix;
    reg_str_t       from;               /* all are behind it; or empty */
    reg_str_t       to;                 /* and before it; or empty */

    reg_cache_t     cache;              /* of a GET or HEAD */
    reg_digest_t    digest;             /* of REG_CACHE_DATA */
    reg_reply_t    *stale;              /* of who runs the flow */
    uint64_t        asked;              /* so is this: when, milliseconds */

    /* takes the body of a 2xx reply instead of reply.body */
    void          (*sink)(void *data, const unsigned char *p, size_t len);
    void           *sink_data;

    /* what a reply that goes to the client must be, or none of it goes */
    unsigned        want_status;
    int64_t         want_length;
    reg_str_t       want_range;         /* Content-Range; null: none */
    reg_str_t       head;               /* of REG_RANGE */

    /* of a part that may be kept: the call is for a slice of this size */
    int64_t         slice;              /* 0: it may not */
    int64_t         skip;               /* bytes of it before what is sent */
    int64_t         take;               /* bytes that are sent; fewer when
                                           it could not be kept */

    reg_reply_t     reply;
} reg_call_t;


typedef struct {
    const char     *name;
    reg_str_t       value;
} reg_header_t;


typedef struct {
    unsigned        status;
    reg_str_t       content_type;
    reg_str_t       body;
    int64_t         length;             /* of the body, HEAD and PASS too */
    reg_header_t    headers[REG_HEADERS_MAX];
    unsigned        nheaders;
    reg_error_t     error;              /* REG_E_LAST: none */
} reg_answer_t;


/* whose references need not be there */

typedef enum {
    REG_SPARSE_OFF = 0,
    REG_SPARSE_INDEX,
    REG_SPARSE_ALL
} reg_sparse_t;


/* where an upload ends, as far as one who sees all its requests knows */

typedef enum {
    REG_PLACE_BEGIN = 0,    /* it begins, without parts */
    REG_PLACE_TAKE,         /* 1: it ends with "tip", and nobody is at it */
    REG_PLACE_LEAVE,        /* 1: nobody came since; it ends with "tip" now */
    REG_PLACE_LOSE          /* what is known is forgotten, for good */
} reg_place_t;


typedef struct reg_flow_s  reg_flow_t;

typedef reg_todo_t (*reg_row_pt)(reg_flow_t *f);

typedef struct {
    const char     *name;               /* for people: log and variables */
    reg_row_pt      ask;
    reg_row_pt      judge;
} reg_step_t;


struct reg_flow_s {
    reg_arena_t        *arena;

    /*
     * For what a row's calls are made of, and is of no use to later rows:
     * f->arena unless whoever runs the flow has another.  judged() is called
     * when a row is judged and the flow goes on: all of "row", and the bodies
     * of the row's replies, may be freed.
     */
    reg_arena_t        *row;
    void              (*judged)(void *data);    /* or NULL */
    void               *judged_data;

    /* the request, set by who runs the flow */

    reg_method_t        method;
    reg_route_t         route;
    reg_str_t           uri;            /* decoded, without the query */
    reg_str_t           args;
    reg_str_t           content_type;
    reg_str_t           content_range;
    reg_str_t           range;
    reg_str_t           accept;         /* all of its lines */
    reg_str_t           if_match;
    reg_str_t           if_none_match;
    reg_str_t           if_range;
    int64_t             body_length;    /* 0: no body, -1: not told */
    reg_str_t           body;           /* after REG_BODY */
    unsigned char       random[16];
    int64_t             now;            /* Unix seconds; 0: not told */

    /* NULL: other nodes may have requests of the same upload */

    int               (*place)(void *places, reg_place_t what,
                               const reg_str_t *id, uint64_t tip);
    void               *places;

    /* the configuration */

    const unsigned char *secret;        /* the first one signs, all verify */
    unsigned            nsecrets;
    reg_str_t           container;      /* and "/prefix", if there is one */
    reg_str_t           prefix;         /* "prefix/": before all names */
    reg_str_t           external_url;   /* before each Location; or empty */
    int64_t             part_size;      /* the largest single PUT */
    int64_t             upload_expires; /* seconds */
    int64_t             authorize_until;    /* an upload's Location does */
    size_t              manifest_max;
    int64_t             slice;              /* 0: blobs are not kept, or
                                               not any more: whoever makes the
                                               calls may set it so */
    reg_str_t           redirect;           /* of blobs; null: none */
    reg_str_t           redirect_key;
    int64_t             redirect_expires;   /* seconds */
    reg_sparse_t        sparse;
    unsigned            delete_allowed:1;
    unsigned            anonymous_mount:1;
    unsigned            read_only:1;

    /* 1: this tag stays where it is, once it is there; NULL: none does */

    int               (*immutable)(void *data, const reg_str_t *tag);
    void               *immutable_data;

    /* what a fed body was, set by who runs the flow */

    reg_hash_t         *hash;           /* updated with all that passes */
    reg_hash_t         *other;          /* so is this one, of another alg */
    const reg_digest_t *expected;       /* else the last bytes stay back */
    int64_t             fed;            /* bytes the call took */
    unsigned            fed_to_end:1;   /* of the body */
    unsigned            cut:1;          /* the part is full, there is more */
    unsigned            refused:1;      /* hash != expected */

    /* which secret signed _state, when it is none of ours; else NULL */

    const unsigned char *foreign;

    /* the flow itself */

    const reg_step_t   *step;
    reg_todo_t          todo;               /* what run() returned */
    unsigned            asked:1;
    reg_call_t          calls[REG_CALLS_MAX];
    unsigned            ncalls;
    unsigned            listings;           /* rows of them, until now */
    unsigned            written:1;          /* a PUT or DELETE was asked for */
    unsigned            missed:1;           /* the store has said 404 */
    unsigned            container_seen:1;   /* it is there, so that 404 is of
                                               an object */
    unsigned            pause;              /* before they are made, in ms;
                                               whoever makes them sets it to
                                               0 */
    reg_answer_t        answer;
    /* a blob that was written, and is linked here; size 0: none */

    reg_digest_t        made;
    int64_t             made_size;

    reg_str_t           damage;         /* found in the store: to be logged */
    void               *op;             /* of the operation */
};


/* runs until something is to be done outside */
reg_todo_t reg_flow_run(reg_flow_t *f);

/*
 * The next of f->calls, zeroed; reply_max is a link's.  A call whose object
 * or headers could not be allocated is "failed": it must not be made, since
 * without them it would mean something else.
 */
reg_call_t *reg_flow_call(reg_flow_t *f, reg_method_t method,
    reg_str_t object);
reg_call_t *reg_flow_call_container(reg_flow_t *f, reg_method_t method);

/*
 * The same for a read whose reply may come out of a cache.  Not for what
 * decides a write: its references must be there, not have been there.
 */
reg_call_t *reg_flow_recall(reg_flow_t *f, reg_method_t method,
    reg_str_t object);
reg_call_t *reg_flow_recall_data(reg_flow_t *f, reg_str_t object,
    const reg_digest_t *d);

/*
 * Whoever feeds a call tells of all bytes that pass, and of their end before
 * the last of them have passed: 0, and f->refused, when they are not those
 * of f->expected.
 */
void reg_flow_hash(reg_flow_t *f, const unsigned char *p, size_t len);
int reg_flow_hash_end(reg_flow_t *f);

/*
 * For rows: the object is not what it should be.  Whoever runs the flow logs
 * f->damage, and empties it.
 */
void reg_damaged(reg_flow_t *f, const reg_str_t *object, const char *what);

/*
 * For rows: all fill in f->answer and return REG_ANSWER.  A 405 gets its
 * Allow by itself.
 */

reg_todo_t reg_refuse(reg_flow_t *f, reg_error_t e, const char *detail);
reg_todo_t reg_refuse_str(reg_flow_t *f, reg_error_t e, reg_str_t detail);
reg_todo_t reg_nomem(reg_flow_t *f);
void reg_answer(reg_flow_t *f, unsigned status);
void reg_answer_header(reg_flow_t *f, const char *name, reg_str_t value);

/*
 * 1 when the reply says nothing of the object: no answer, 401, 5xx, no such
 * container, over quota ...; f->answer is then filled in.  404 and the 2xx
 * are for the caller: an answer that something is unknown is sent when it is
 * sure, too, that the container is there, for which reg_flow_run() asks if no
 * reply has told so.
 */
int reg_store_failed(reg_flow_t *f, const reg_call_t *call);

/* a 404 of the container says nothing of the object: it is not kept */
int reg_call_no_container(const reg_call_t *call);


#endif /* _REG_FLOW_H_INCLUDED_ */
