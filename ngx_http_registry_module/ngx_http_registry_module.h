/*
 * What the nginx half of the module shares: configuration, the context of a
 * request, and the functions that one file offers to the next.
 */

#ifndef _NGX_HTTP_REGISTRY_MODULE_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_MODULE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ops/reg_flow.h"
#include "core/reg_name.h"
#include "core/reg_session.h"
#include "shared/ngx_http_registry_cache.h"
#include "storage/ngx_http_registry_health.h"
#include "shared/ngx_http_registry_stat.h"
#include "storage/ngx_http_registry_token.h"


#define NGX_HTTP_REGISTRY_VERSION  "0.1.0"


/* RGW takes 5 GiB in one PUT; smaller parts than 1 MiB are many */
#define NGX_HTTP_REGISTRY_PART_MIN  ((off_t) 1024 * 1024)
#define NGX_HTTP_REGISTRY_PART_MAX  ((off_t) 5 * 1024 * 1024 * 1024)

#define NGX_HTTP_REGISTRY_SLICE_MIN  (256 * 1024)


/* formats of registry_status */
#define NGX_HTTP_REGISTRY_PROMETHEUS  1
#define NGX_HTTP_REGISTRY_JSON        2
#define NGX_HTTP_REGISTRY_HEALTH      3

/* a status that nginx has no name for */
#define NGX_HTTP_REGISTRY_HEADER_TOO_LARGE  431

/* of a container, and of a prefix in it */
#define NGX_HTTP_REGISTRY_NAME_MAX    255


typedef struct {
    ngx_array_t                    accounts;    /* of account_t pointers */
    ngx_array_t                    caches;      /* of file caches of nginx */
    ngx_array_t                    checks;      /* of health_t pointers */
    ngx_array_t                    locations;   /* of loc_conf_t pointers */
    ngx_array_t                    upstreams;   /* of ssl.c */
    ngx_uint_t                     containers;  /* bits given away */
} ngx_http_registry_main_conf_t;


typedef struct {
    ngx_uint_t                     registry;    /* one of its locations is */
} ngx_http_registry_srv_conf_t;


typedef struct {
    ngx_http_upstream_conf_t       upstream;
    ngx_str_t                      host;        /* of registry_pass */
    ngx_str_t                      file;        /* it stands in, for people */
    ngx_uint_t                     line;

    ngx_str_t                      auth_url;
    ngx_str_t                      user;
    ngx_uint_t                     auth_version;    /* unset: by the URL */
    reg_keystone_t                 keystone;
    ngx_str_t                      key_file;
    ngx_str_t                      secret_file;
    ngx_str_t                      container;
    ngx_str_t                      prefix;
    ngx_str_t                      prefix_slash;    /* or empty */
    ngx_str_t                      root;        /* container[/prefix] */
    ngx_http_complex_value_t      *external_url;
    ngx_http_complex_value_t      *redirect;    /* NULL: off */
    ngx_str_t                      redirect_key_file;
    ngx_str_t                      redirect_key;
    time_t                         redirect_expires;
    ngx_http_complex_value_t      *delete;      /* NULL: off */
    ngx_http_complex_value_t      *anonymous_mount;
    ngx_http_complex_value_t      *read_only;
    ngx_http_complex_value_t      *immutable;
    ngx_http_complex_value_t      *verify;      /* NULL: of what is kept */
    ngx_uint_t                     sparse;      /* reg_sparse_t */
    size_t                         manifest_max;
    off_t                          part_size;
    time_t                         upload_expires;
    time_t                         upload_authorize;    /* 0: off */
    ngx_flag_t                     single_node;
    ngx_shm_zone_t                *places;      /* of a single node */

    ngx_http_registry_account_t   *account;
    ngx_uint_t                     container_bit;
    ngx_msec_t                     health_interval;     /* 0: off */
    ngx_uint_t                     health_threshold;
    ngx_http_registry_health_t    *health;      /* NULL: off */
    ngx_uint_t                     status;      /* of registry_status */

    ngx_http_upstream_conf_t       blobs;       /* with nginx's cache */
    ngx_shm_zone_t                *blob_cache;  /* NULL: off */
    ngx_str_t                      blob_cache_id;   /* whose slices */
    off_t                          slice;
    ngx_flag_t                     blob_fill;   /* by pushes, too */

    ngx_str_t                      ssl_trusted;
    ngx_str_t                      ssl_name;
    ngx_flag_t                     ssl_verify;
    ngx_uint_t                     ssl;         /* unsigned  ssl:1; */
    u_char                         ssl_mark[32];    /* of what verifies */

    ngx_str_t                      container_id;    /* account.c: where it is */
    ngx_shm_zone_t                *cache_zone;      /* NULL: off */
    ngx_msec_t                     cache_valid;
    ngx_flag_t                     cache_use_stale;
    u_char                        *secrets;     /* the first one signs */
    ngx_uint_t                     nsecrets;
    u_char                        *former;      /* as 0.1.0 had them */
    ngx_uint_t                     nformer;
} ngx_http_registry_loc_conf_t;


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

typedef struct ngx_http_registry_call_s    ngx_http_registry_call_t;


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
                                       ngx_http_registry_call_t *rc);
    void                         (*started)(ngx_http_request_t *r,
                                       ngx_http_registry_call_t *rc);
    ngx_int_t                    (*header)(ngx_http_request_t *r,
                                       ngx_http_registry_call_t *rc);
    ngx_int_t                    (*filter_init)(ngx_http_request_t *r,
                                       ngx_http_registry_call_t *rc);
    ngx_int_t                    (*filter)(ngx_http_request_t *r,
                                       ngx_http_registry_call_t *rc,
                                       ssize_t bytes);
    ngx_int_t                    (*pipe)(ngx_event_pipe_t *p,
                                       ngx_http_registry_call_t *rc,
                                       ngx_buf_t *buf);
    ngx_int_t                    (*output)(ngx_http_request_t *r,
                                       ngx_http_registry_call_t *rc,
                                       ngx_chain_t *in, ngx_chain_t **out);
} ngx_http_registry_reply_t;


struct ngx_http_registry_call_s {
    reg_call_t                    *call;
    ngx_http_registry_ctx_t       *ctx;
    const ngx_http_registry_reply_t  *reply;

    /* the request's body and its length, -1: chunked; NULL: call->body */
    ngx_int_t                    (*feed)(ngx_http_request_t *sr,
                                       ngx_http_registry_call_t *rc,
                                       off_t *length, ngx_chain_t **bufs);

    ngx_http_registry_flight_t    *flight;      /* others wait for it */
    ngx_http_registry_slice_t     *slice;       /* of a part that is kept */
    ngx_http_registry_call_t      *before;      /* it was fetched ahead by */
    ngx_http_registry_call_t      *next;        /* with a pool of its own */
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


struct ngx_http_registry_ctx_s {
    ngx_http_request_t            *request;
    reg_arena_t                    arena;
    reg_arena_t                    row;         /* in row_pool */
    ngx_pool_t                    *row_pool;    /* NULL: nothing is in it */
    ngx_http_registry_call_t      *calls;       /* that have pools */
    reg_flow_t                    *flow;        /* at work: one of the two */
    reg_flow_t                     operation;
    reg_flow_t                     container;
    ngx_http_registry_next_t       next;        /* by next() alone */
    ngx_int_t                      status;      /* to fail by */

    ngx_str_t                      token;
    ngx_str_t                      storage;
    ngx_http_registry_token_wait_t wait;
    ngx_event_t                   *pause;       /* before calls of a row */
    ngx_uint_t                     running;     /* calls */
    ngx_http_request_t            *feeder;      /* takes the client's body */
    ngx_chain_t                   *body;        /* read and not yet taken */
    ngx_chain_t                   *body_before; /* by others, and not by us */
    ngx_buf_t                     *body_piece;  /* of its file */
    off_t                          fed;         /* by earlier calls */

    ngx_http_registry_call_t      *own;         /* on its own upstream */
    ngx_http_registry_early_t     *early;       /* not passed yet */
    ngx_http_registry_verify_t    *verify;      /* NULL: nothing */
    ngx_http_request_t            *part;        /* the last one, done */
    ngx_http_registry_call_t      *ahead;       /* the last slice */
    ngx_str_t                      error_body;  /* instead of nginx's own */
    ngx_str_t                      last_error;

    const reg_str_t               *tag;         /* asked of, else NULL */
    ngx_http_variable_value_t     *values;      /* to start with for each */

    /* of the storage, for the log */

    ngx_uint_t                     storage_calls;
    ngx_msec_t                     storage_time;
    ngx_msec_t                     storage_since;
    ngx_str_t                      storage_id;  /* of the last transaction */
    size_t                         storage_id_room;
    unsigned                       storage_busy:1;
    unsigned                       recalled:1;  /* out of the cache */
    unsigned                       at_hand:1;   /* the slice ahead was */
    unsigned                       stale:1;
    unsigned                       counted:1;   /* as running */

    unsigned                       tokenless:1; /* there is none to be had */
    unsigned                       renewed:1;   /* the token, once */
    unsigned                       body_begun:1;
    unsigned                       answered:1;  /* by us, not by nginx */
    unsigned                       error_sent:1;
};


extern ngx_module_t  ngx_http_registry_module;


/*
 * handler.c; who has ended what a request waits for says by next() what is to
 * be done, then wakes it: by r->write_event_handler(r), or, within a
 * subrequest or a row that is being started, by ngx_http_post_request().
 */
ngx_int_t ngx_http_registry_handler(ngx_http_request_t *r);
void ngx_http_registry_next(ngx_http_request_t *r,
    ngx_http_registry_next_t next);
void *ngx_http_registry_alloc(void *ctx, size_t size);
reg_method_t ngx_http_registry_method(ngx_http_request_t *r);

/* for the log: what a client, a variable or the storage says */
ngx_str_t ngx_http_registry_visible(ngx_http_request_t *r, ngx_str_t *s);
ngx_uint_t ngx_http_registry_switched(ngx_http_request_t *r,
    ngx_http_complex_value_t *cv, const char *directive, ngx_uint_t safe);

/* conf.c: setters; check() reads a location's values when they are merged */
char *ngx_http_registry_set_pass(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_registry_set_external_url(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_registry_set_switch(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_registry_set_cache(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_registry_conf_check(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf, ngx_http_core_loc_conf_t *clcf);

/* account.c: for the end of merge_loc_conf */
char *ngx_http_registry_account(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf);
extern ngx_conf_enum_t  ngx_http_registry_auth_versions[];

/*
 * ssl.c: for registry_pass with https.  Once all locations are known, watch()
 * keeps connections of other settings from those that verify.
 */
char *ngx_http_registry_ssl(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf);
ngx_int_t ngx_http_registry_ssl_watch(ngx_conf_t *cf);

/* health.c */
char *ngx_http_registry_health_init(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf);

/* redirect.c */
char *ngx_http_registry_set_redirect(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_registry_redirect_init(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf);
void ngx_http_registry_redirect(ngx_http_request_t *r, reg_flow_t *f);

/* for the log phase */
ngx_int_t ngx_http_registry_log_handler(ngx_http_request_t *r);

/* status.c */
char *ngx_http_registry_set_status(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* immutable.c: reg_flow_t's, data is the main request */
int ngx_http_registry_immutable(void *data, const reg_str_t *tag);

/* variables.c */
ngx_int_t ngx_http_registry_add_variables(ngx_conf_t *cf);
ngx_int_t ngx_http_registry_variables_init(ngx_conf_t *cf);

/*
 * call.c: clears the replies of f->calls and fills in what the cache has.
 * NGX_OK: all of them; NGX_DECLINED: calls_start() is to be called.
 */
ngx_int_t ngx_http_registry_calls_recall(ngx_http_request_t *r);

/*
 * Runs what is left of f->calls.  NGX_AGAIN: the request is woken when all
 * have their replies; NGX_OK: they have; NGX_ERROR, or an HTTP status to
 * finalize with.
 */
ngx_int_t ngx_http_registry_calls_start(ngx_http_request_t *r);

/*
 * For f->row and f->judged: memory of a row, in a pool of the request's
 * context; and the end of it and of the pools of the calls that are done.
 */
void *ngx_http_registry_row_alloc(void *ctx, size_t size);
void ngx_http_registry_calls_free(void *ctx);

ngx_http_request_t *ngx_http_registry_clone(ngx_http_request_t *r,
    ngx_http_registry_call_t *call, ngx_http_post_subrequest_t *ps,
    ngx_uint_t flags);

/* gives up the call that is fed, as if it had ended; returns as above */
ngx_int_t ngx_http_registry_calls_stop(ngx_http_request_t *r);

ngx_int_t ngx_http_registry_call_run(ngx_http_request_t *sr);
ngx_int_t ngx_http_registry_pass(ngx_http_request_t *r);
ngx_int_t ngx_http_registry_token(ngx_http_request_t *r);

/*
 * part.c: calls[0]'s reply goes to the client as a part of its own; returns
 * as calls_start().
 */
ngx_int_t ngx_http_registry_part(ngx_http_request_t *r);
ngx_int_t ngx_http_registry_part_header(ngx_http_request_t *r);

/* what waits for a slice looks whether it has come */
void ngx_http_registry_slice_come(ngx_http_request_t *sr,
    ngx_http_registry_call_t *part);

/*
 * early.c: a GET of the main request's upstream instead of a HEAD.
 * NGX_DECLINED: it is not to be had, or is not this call's; take() fills in
 * the reply of a small one, pass() ends the request by it and has its body
 * go by that table, drop() gives it up.
 * The request may be gone once early() or pass() has returned NGX_OK.
 */
ngx_int_t ngx_http_registry_early(ngx_http_request_t *r, reg_call_t *call,
    ngx_http_registry_flight_t *flight,
    ngx_http_registry_arrived_pt arrived);
ngx_int_t ngx_http_registry_early_take(ngx_http_request_t *r,
    reg_call_t *call);
ngx_int_t ngx_http_registry_early_pass(ngx_http_request_t *r,
    reg_call_t *call, const ngx_http_registry_reply_t *reply);
void ngx_http_registry_early_drop(ngx_http_request_t *r);

/*
 * verify.c: begin() makes ctx->verify, if it is wanted; then verify() is told
 * of all of the blob's bytes, in their order, before they are let through.
 * NGX_ERROR: with these all have come, and they are not the digest's.
 */
ngx_int_t ngx_http_registry_verify_begin(ngx_http_request_t *r,
    const reg_digest_t *digest, int64_t size);
ngx_int_t ngx_http_registry_verify(ngx_http_request_t *r,
    const reg_call_t *call, u_char *p, size_t len);
ngx_uint_t ngx_http_registry_verify_failed(ngx_http_registry_ctx_t *ctx);

/*
 * Of slices: whole() begins with the first one, if the storage sends it;
 * slice() takes one that is on disk.
 */
ngx_int_t ngx_http_registry_verify_whole(ngx_http_request_t *sr,
    ngx_http_registry_call_t *part);
ngx_int_t ngx_http_registry_verify_slice(ngx_http_request_t *sr,
    ngx_http_registry_call_t *part);

/* flight.c: NGX_OK: the cache had the reply; NGX_DECLINED: ask for it */
ngx_int_t ngx_http_registry_recall(ngx_http_request_t *r, reg_call_t *call);

/*
 * NGX_OK: another request is at it, arrived() is called later;
 * NGX_DECLINED: make the call, and if *own is set, flight_end() then.
 */
ngx_int_t ngx_http_registry_flight_join(ngx_http_request_t *r,
    reg_call_t *call, ngx_http_registry_arrived_pt arrived,
    ngx_http_registry_flight_t **own);
void ngx_http_registry_flight_end(ngx_http_request_t *r, reg_call_t *call,
    ngx_http_registry_flight_t *flight);

/* place.c: for f->place; "data" is the zone, whose entries survive a reload */
ngx_shm_zone_t *ngx_http_registry_places_zone(ngx_conf_t *cf);
int ngx_http_registry_place(void *data, reg_place_t what,
    const reg_str_t *id, uint64_t tip);

/* after a call that may have changed its object */
void ngx_http_registry_changed(ngx_http_request_t *r,
    const reg_call_t *call);

/* request.c: for the upstream, and a method's name */
ngx_int_t ngx_http_registry_create_request(ngx_http_request_t *r);
const char *ngx_http_registry_swift_method(reg_method_t method);

/*
 * swift.c: one call on an upstream of nginx.  expected(): what goes to the
 * client is what it was told, or nothing; told_length(): 0 is logged.
 */
ngx_http_registry_call_t *ngx_http_registry_call_of(ngx_http_request_t *r);
void ngx_http_registry_reset_reply(ngx_http_request_t *r,
    ngx_http_registry_call_t *rc);
ngx_int_t ngx_http_registry_upstream(ngx_http_request_t *r,
    ngx_http_registry_call_t *rc);
ngx_int_t ngx_http_registry_pipe(ngx_http_request_t *r);
ngx_int_t ngx_http_registry_pipe_init(ngx_http_request_t *r,
    ngx_http_registry_call_t *rc);
ngx_uint_t ngx_http_registry_expected(ngx_http_request_t *r,
    ngx_http_registry_call_t *rc);
ngx_uint_t ngx_http_registry_told_length(ngx_http_request_t *r,
    ngx_http_registry_call_t *rc);
extern const ngx_http_registry_reply_t  ngx_http_registry_reply_memory;
extern const ngx_http_registry_reply_t  ngx_http_registry_reply_pass;

/*
 * body.c: the client's body.  length() is -1 when it is not told.  read() puts what has come behind ctx->body, in
 * memory; NGX_OK: that was the end of it; NGX_AGAIN: there may be more; else
 * an HTTP status.  gather() reads all: NGX_AGAIN: the request is woken
 * when it is in f->body; NGX_OK: it is; else an HTTP status to finalize with.
 * failed() is told of such a status while the request waits.
 */
off_t ngx_http_registry_body_length(ngx_http_request_t *r);
ngx_int_t ngx_http_registry_body_begin(ngx_http_request_t *r);
ngx_int_t ngx_http_registry_body_read(ngx_http_request_t *r);
ngx_int_t ngx_http_registry_body_gather(ngx_http_request_t *r);
void ngx_http_registry_body_failed(ngx_http_request_t *r, ngx_int_t rc);
ngx_int_t ngx_http_registry_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
extern ngx_http_request_body_filter_pt
    ngx_http_registry_next_request_body_filter;

/*
 * feed.c: how a call takes the client's body.  begin() sets *length, -1 for
 * chunked framing, and *bufs to what has come whole, or the upstream's output
 * filter; NGX_ERROR: it is not to be sent.  event() is the main request's.
 * end() tells the flow what was taken.
 */
ngx_int_t ngx_http_registry_feed_begin(ngx_http_request_t *sr,
    ngx_http_registry_call_t *rc, off_t *length, ngx_chain_t **bufs);
void ngx_http_registry_feed_event(ngx_http_request_t *r);
void ngx_http_registry_feed_end(ngx_http_request_t *sr,
    ngx_http_registry_call_t *rc);

/* key.c: a file with a key, which others must not be able to read */
ngx_int_t ngx_http_registry_key_read(ngx_conf_t *cf, const char *directive,
    ngx_str_t *name, ngx_str_t *key);

/*
 * secret.c: makes conf->secrets of registry_secret_file, of the storage's key
 * or of random bytes.  Once all locations are known, former() adds those that
 * older releases made, where they open one place only.
 */
ngx_int_t ngx_http_registry_secrets(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf);
ngx_int_t ngx_http_registry_secrets_former(ngx_conf_t *cf);

/*
 * access.c: a signed Location that authorises.
 * by_state() tells whether it is looked at here; foreign() logs who signed.
 */
ngx_int_t ngx_http_registry_access_init(ngx_conf_t *cf);
char *ngx_http_registry_set_authorize(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
ngx_uint_t ngx_http_registry_access_by_state(ngx_http_request_t *r);
void ngx_http_registry_access_foreign(ngx_http_request_t *r,
    const unsigned char *key_id);

/* hide.c: after whoever else adds a handler of the log */
ngx_int_t ngx_http_registry_hide_init(ngx_conf_t *cf);

/*
 * slice_file.c: the name of a slice in nginx's cache; remove() takes away all
 * slices of a blob of "size" bytes, of which the call is for one.
 */
ngx_int_t ngx_http_registry_slice_key(ngx_http_request_t *r,
    const reg_str_t *object, const reg_str_t *range, ngx_str_t *key);
void ngx_http_registry_slice_remove(ngx_http_request_t *r,
    const reg_call_t *call, off_t size);

/* slice.c: a part whose bytes stay on disk */
extern const ngx_http_registry_reply_t  ngx_http_registry_reply_slice;
/* 1: its file could not be written, the flow goes on past the cache */
ngx_uint_t ngx_http_registry_slice_failed(ngx_http_request_t *sr,
    ngx_http_registry_call_t *part);

/* fill.c: the blob that the request wrote, after its answer */
void ngx_http_registry_fill(ngx_http_request_t *r);

/* slice_conf.c */
char *ngx_http_registry_set_cache_path(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_registry_set_blob_cache(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_registry_blob_cache(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf);

/* answer.c */
ngx_int_t ngx_http_registry_answer(ngx_http_request_t *r);
ngx_int_t ngx_http_registry_answer_headers(ngx_http_request_t *r);
ngx_int_t ngx_http_registry_filters_init(ngx_conf_t *cf);


/* moved */
void ngx_http_registry_drive(ngx_http_request_t *r);
void ngx_http_registry_wake(ngx_http_request_t *r);
void ngx_http_registry_fail(ngx_http_request_t *r, ngx_int_t rc);
void ngx_http_registry_log_damage(ngx_http_request_t *r, reg_flow_t *f);
ngx_int_t ngx_http_registry_keep_body(ngx_http_request_t *r,
    ngx_http_registry_call_t *rc, u_char *p, size_t len);
void ngx_http_registry_token_ready(void *data, ngx_int_t rc);
void ngx_http_registry_busy(ngx_http_registry_ctx_t *ctx, ngx_uint_t busy);
ngx_uint_t ngx_http_registry_container_ready(ngx_http_request_t *r);
void ngx_http_registry_container_found(ngx_http_request_t *r);
ngx_uint_t ngx_http_registry_redirect_valid(ngx_str_t *url);
ngx_int_t ngx_http_registry_take_header(ngx_http_request_t *r,
    ngx_http_registry_call_t *rc);
ngx_int_t ngx_http_registry_status_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_registry_copy_header(ngx_http_request_t *r, ngx_str_t *name,
    reg_str_t *value);
ngx_int_t ngx_http_registry_push(ngx_http_request_t *r, const char *name,
    u_char *value, size_t len);


#endif /* _NGX_HTTP_REGISTRY_MODULE_H_INCLUDED_ */
