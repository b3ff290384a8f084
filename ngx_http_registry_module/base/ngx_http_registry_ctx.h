/*
 * A request of a registry, its storage calls, and what becomes of a reply.
 */

#ifndef _NGX_HTTP_REGISTRY_CTX_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_CTX_H_INCLUDED_


#include "ngx_http_registry.h"

#include "ops/reg_flow.h"

typedef struct ngx_http_registry_ctx_s     ngx_http_registry_ctx_t;
typedef struct ngx_http_registry_flight_s  ngx_http_registry_flight_t;
typedef struct ngx_http_registry_slice_s   ngx_http_registry_slice_t;
typedef struct ngx_http_registry_early_s   ngx_http_registry_early_t;
typedef struct ngx_http_registry_verify_s  ngx_http_registry_verify_t;


/* what the driver does when the request is woken */

typedef enum {
    NGX_HTTP_REGISTRY_WAIT = 0, /* nothing yet */
    NGX_HTTP_REGISTRY_JUDGE,    /* the row has its replies, or its body */
    NGX_HTTP_REGISTRY_AGAIN,    /* what the row asks for, once more */
    NGX_HTTP_REGISTRY_STOP,     /* the call that is fed */
    NGX_HTTP_REGISTRY_FAIL      /* by ctx->status */
} ngx_http_registry_next_t;


/* one storage call, on a subrequest or, when its reply is the client's,
   on the main request */

typedef struct ngx_http_registry_exchange_s    ngx_http_registry_exchange_t;


/* one call has its reply, or, unless NULL, is to be made after all */

typedef void (*ngx_http_registry_arrived_pt)(ngx_http_request_t *r,
    reg_call_t *again);


/*
 * What becomes of a call's reply; a function that is NULL has nothing to do.
 * upstream() chooses buffers or a pipe, and a key of the cache; started() is
 * called when the call has begun; header() when the reply's header has come
 * and is well-formed; filter_init(), filter() and pipe() get the body, filter()
 * without a pipe, pipe() with one; output() may change what a subrequest sends.
 */

typedef struct {
    ngx_int_t                    (*upstream)(ngx_http_request_t *r,
                                       ngx_http_registry_exchange_t *ex);
    void                         (*started)(ngx_http_request_t *r,
                                       ngx_http_registry_exchange_t *ex);
    ngx_int_t                    (*header)(ngx_http_request_t *r,
                                       ngx_http_registry_exchange_t *ex);
    ngx_int_t                    (*filter_init)(ngx_http_request_t *r,
                                       ngx_http_registry_exchange_t *ex);
    ngx_int_t                    (*filter)(ngx_http_request_t *r,
                                       ngx_http_registry_exchange_t *ex,
                                       ssize_t bytes);
    ngx_int_t                    (*pipe)(ngx_event_pipe_t *p,
                                       ngx_http_registry_exchange_t *ex,
                                       ngx_buf_t *buf);
    ngx_int_t                    (*output)(ngx_http_request_t *r,
                                       ngx_http_registry_exchange_t *ex,
                                       ngx_chain_t *in, ngx_chain_t **out);
} ngx_http_registry_reply_t;


struct ngx_http_registry_exchange_s {
    reg_call_t                    *call;
    ngx_http_registry_ctx_t       *ctx;
    const ngx_http_registry_reply_t  *reply;

    /* the request's body and its length, -1: chunked; NULL: call->body */
    ngx_int_t                    (*feed)(ngx_http_request_t *sr,
                                       ngx_http_registry_exchange_t *ex,
                                       off_t *length, ngx_chain_t **bufs);

    ngx_http_registry_flight_t    *flight;      /* others wait for it */
    ngx_http_registry_slice_t     *slice;       /* of a part that is kept */
    ngx_http_registry_exchange_t  *before;      /* it was fetched ahead by */
    ngx_http_registry_exchange_t  *next;        /* with a pool of its own */
    ngx_pool_t                    *pool;        /* its own, or NULL */
    ngx_http_request_t            *request;     /* ahead, done */

    ngx_http_status_t              status;
    ngx_http_chunked_t             chunks;
    ngx_buf_t                      body;        /* of the reply */
    ngx_chain_t                   *free;        /* chunk framing of a feed */
    ngx_chain_t                   *busy;
    off_t                          length;      /* of the reply; -1: none */
    ngx_msec_t                     since;

    /* of a feed */

    off_t                          left;        /* until the part is full */
    off_t                          sent;
    u_char                         held;        /* the last byte, */
    unsigned                       holding:1;   /* until the body has ended */
    unsigned                       framed:1;    /* chunked towards RGW */
    unsigned                       final:1;     /* all the rest fits in */
    unsigned                       cut:1;       /* full, there is more */
    unsigned                       complete:1;  /* nothing else is to come */
    unsigned                       stopped:1;   /* is to be given up */

    unsigned                       ahead:1;     /* a slice, without output */
    unsigned                       fetched:1;   /* of the storage, ahead */
    unsigned                       done:1;      /* ahead */
    unsigned                       awaited:1;   /* ahead, by the next part */
    unsigned                       chunked:1;   /* the reply is */
    unsigned                       close:1;     /* after the reply */
    unsigned                       excess:1;    /* a byte too many may come */
    unsigned                       whole:1;     /* the reply was read */
};


/*
 * Behind each group stands who writes its fields; t/04-floors.t looks whether
 * others do.  Without an operation only an error of nginx is told.
 */

struct ngx_http_registry_ctx_s {

    /* the flow: handler, drive */

    ngx_http_request_t            *request;
    reg_arena_t                    arena;
    reg_arena_t                    row;         /* in row_pool */
    reg_flow_t                    *operation;
    reg_flow_t                    *container;   /* NULL: not looked for */
    reg_flow_t                    *flow;        /* the one at work */
    unsigned                       counted:1;   /* as running */
    unsigned                       renewed:2;   /* the token, for a row */

    /* what to do next: ctx */

    ngx_http_registry_next_t       next;

    /* and by what status to fail: body, call */

    ngx_int_t                      status;

    /* the storage: ready */

    ngx_str_t                      token;
    ngx_str_t                      storage;
    ngx_http_registry_token_wait_t wait;
    ngx_msec_t                     storage_time;    /* for the log */
    ngx_msec_t                     storage_since;
    unsigned                       storage_busy:1;
    unsigned                       tokenless:1; /* there is none to be had */

    /* what it said last: upstream */

    ngx_str_t                      storage_id;  /* of its transaction */
    size_t                         storage_id_room;

    /* and why it could not: upstream, ready, handler, drive */

    ngx_str_t                      last_error;

    /* a client that leaves: leave */

    ngx_event_handler_pt           client_event;    /* of nginx, or NULL */
    unsigned                       left:1;

    /* the body: body */

    ngx_chain_t                   *body_before; /* by others, and not by us */
    ngx_buf_t                     *body_piece;  /* of its file */
    unsigned                       body_begun:1;

    /* what was read and not yet taken: body, feed */

    ngx_chain_t                   *body;

    /* and what takes it: feed, call */

    ngx_http_request_t            *feeder;
    off_t                          fed;         /* by earlier calls */

    /* a row's calls: call */

    ngx_pool_t                    *row_pool;    /* NULL: nothing is in it */
    ngx_http_registry_exchange_t  *calls;       /* that have pools */
    ngx_event_t                   *pause;       /* before calls of a row */
    ngx_uint_t                     running;
    unsigned                       stale:1;

    /* out of the cache: call, slice */

    unsigned                       recalled:1;

    /* calls so far: call, early, pass, range, slice */

    ngx_uint_t                     storage_calls;

    /* on the request's own upstream: early, pass */

    ngx_http_registry_exchange_t  *own;

    /* not passed yet: early */

    ngx_http_registry_early_t     *early;

    /* ranges: range */

    ngx_http_request_t            *range;       /* the last one, done */
    ngx_http_registry_exchange_t  *ahead;       /* the last slice */

    /* slices: slice */

    unsigned                       at_hand:1;   /* the one ahead was */

    /* the bytes of a blob: verify */

    ngx_http_registry_verify_t    *verify;      /* NULL: nothing */

    /* the answer: answer */

    unsigned                       answered:1;  /* by us, not by nginx */

    /* instead of nginx's own: error */

    ngx_str_t                      error_body;
    unsigned                       error_sent:1;

    /* a tag that is asked of: immutable */

    const reg_str_t               *tag;         /* else NULL */
    ngx_http_variable_value_t     *values;      /* to start with for each */
};


/*
 * Who has ended what a request waits for says by next() what is to be done,
 * then wakes it: by r->write_event_handler(r), or, within a subrequest or a
 * row that is being started, by ngx_http_post_request().
 */
void ngx_http_registry_next(ngx_http_request_t *r,
    ngx_http_registry_next_t next);

/* of a subrequest, or of the main request's own upstream */
ngx_http_registry_exchange_t *ngx_http_registry_exchange_of(
    ngx_http_request_t *r);


#endif /* _NGX_HTTP_REGISTRY_CTX_H_INCLUDED_ */
