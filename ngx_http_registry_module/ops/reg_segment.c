/*
 * Rows of the closing PUT that make a large object of several parts.
 *
 * They are copied to segments, of this request alone, whatever others do with
 * the same parts; these are compared with what was hashed; then the large
 * object is written at the blob's name.  While that may still happen a mark
 * stands beside them; without one, and without a large object that names
 * them, they are nobody's (reg_final.c).
 *
 * Segments never expire.  RGW (16.2) removes an expiry that an object has by
 * X-Remove-Delete-At only in part: a note stays that it ended in 1970, and
 * the next radosgw that starts deletes the object.  So what is not needed
 * after all is deleted here; what a node leaves that dies, or a write of
 * which nobody knows whether it was done, registry-check finds.
 */

/* MD5, which is what storages have for an ETag */

#define OPENSSL_SUPPRESS_DEPRECATED

#include "reg_segment.h"
#include "core/reg_path.h"
#include "core/reg_swift.h"
#include "reg_final.h"
#include "reg_store.h"


static int
is_large(const reg_upload_t *u)
{
    return u->session.nparts > 1 && !u->stored && !u->gone && !u->unused;
}


/* the answer has to wait until what was copied is deleted */

static reg_todo_t
give_up(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    u->refusal = f->answer;
    u->refused = 1;
    u->unused = 1;
    u->next = 0;

    return REG_NEXT;
}


static reg_str_t
segment(reg_flow_t *f, uint32_t n)
{
    reg_upload_t  *u = f->op;

    return reg_path_segment(f->arena, &u->segments, u->path[n]->offset);
}


reg_todo_t
reg_segments_mark(reg_flow_t *f)
{
    reg_str_t      id;
    reg_upload_t  *u = f->op;

    if (!is_large(u)) {
        return REG_NEXT;
    }

    if (!reg_upload_new_id(f, &id)) {
        return reg_nomem(f);
    }

    u->segments = reg_path_segments_of(f->arena, &u->data, &id);
    if (u->segments.data == NULL) {
        return reg_nomem(f);
    }

    reg_flow_call(f, REG_PUT, reg_path_mark(f->arena, &u->segments));

    return REG_CALL;
}


reg_todo_t
reg_segments_judge_marked(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    u->next = 0;
    u->marked = 1;

    return reg_judge_made(f);
}


reg_todo_t
reg_segments_copy(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    if (!is_large(u)) {
        return REG_NEXT;
    }

    while (u->next < u->npath && f->ncalls < REG_CALLS_MAX) {
        reg_upload_copy(f, segment(f, u->next),
                        reg_upload_part(f, u->path[u->next]));
        u->next++;
    }

    return f->ncalls ? REG_CALL : REG_NEXT;
}


/* a part that is gone: as where there is only one */

reg_todo_t
reg_segments_judge_copied(reg_flow_t *f)
{
    unsigned       i;
    reg_upload_t  *u = f->op;

    for (i = 0; i < f->ncalls; i++) {

        if (reg_store_failed(f, &f->calls[i])) {
            return give_up(f);
        }

        u->gone |= (f->calls[i].reply.status == 404);
    }

    if (u->gone) {
        u->unused = 1;
        u->next = 0;
        return REG_NEXT;
    }

    return REG_AGAIN;
}


/* asked one by one: a listing may lag, and does not tell what expires */

reg_todo_t
reg_segments_head(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    if (!is_large(u)) {
        return REG_NEXT;
    }

    if (u->next == u->npath) {
        u->next = 0;
        reg_session_init(&u->copied);
        (void) MD5_Init(&u->etags);
    }

    while (u->next < u->npath && f->ncalls < REG_CALLS_MAX) {
        reg_flow_call(f, REG_HEAD, segment(f, u->next++));
    }

    return REG_CALL;
}


/* what is about to become the blob is exactly what was hashed, and stays */

reg_todo_t
reg_segments_judge_head(reg_flow_t *f)
{
    unsigned       i;
    reg_upload_t  *u = f->op;
    reg_reply_t   *reply;

    for (i = 0; i < f->ncalls; i++) {
        reply = &f->calls[i].reply;

        if (reg_store_failed(f, &f->calls[i])) {
            return give_up(f);
        }

        if (reply->expires) {
            (void) reg_upload_refuse_expiring(f);
            return give_up(f);
        }

        /* one that is not there breaks the chain */

        if (reply->status == 200) {
            reg_session_add(&u->copied, reply->length, &reply->etag);
            (void) MD5_Update(&u->etags, reply->etag.data, reply->etag.len);
        }
    }

    if (u->next < u->npath) {
        return REG_AGAIN;
    }

    if (memcmp(u->copied.chain, u->session.chain, 32) != 0) {
        reg_refuse(f, REG_E_UNAVAILABLE,
                   "the storage did not copy what it was told to");
        return give_up(f);
    }

    return REG_NEXT;
}


/* another request may have made the blob meanwhile, of its own segments */

reg_todo_t
reg_segments_look(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    return is_large(u) ? reg_final_look(f) : REG_NEXT;
}


reg_todo_t
reg_segments_judge_look(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    if (reg_final_judge_look(f) != REG_NEXT) {
        return give_up(f);
    }

    /* what stood there before was read, and is not right */

    u->doubt = 0;
    u->unused = u->stored;

    return REG_NEXT;
}


/*
 * No large object names them, or will.  The mark goes first: should this
 * request end here, whoever writes the blob next takes the rest away.
 */

reg_todo_t
reg_segments_drop(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    f->ncalls = 0;

    if (!u->unused) {
        return REG_NEXT;
    }

    if (u->marked) {
        u->marked = 0;
        reg_flow_call(f, REG_DELETE, reg_path_mark(f->arena, &u->segments));
        return REG_CALL;
    }

    while (u->next < u->npath && f->ncalls < REG_CALLS_MAX) {
        reg_flow_call(f, REG_DELETE, segment(f, u->next++));
    }

    if (f->ncalls) {
        return REG_CALL;
    }

    u->next = 0;

    if (u->refused) {
        f->answer = u->refusal;
        return REG_ANSWER;
    }

    return REG_NEXT;
}


reg_todo_t
reg_segments_write(reg_flow_t *f)
{
    reg_buf_t       b;
    reg_str_t       prefix, value;
    reg_call_t     *call;
    reg_upload_t   *u = f->op;
    unsigned char   raw[MD5_DIGEST_LENGTH], hex[2 * MD5_DIGEST_LENGTH];

    if (!is_large(u)) {
        return REG_NEXT;
    }

    prefix = reg_path_segments(f->arena, &u->segments);

    reg_buf_init(&b, f->arena, 256);
    reg_buf_escape(&b, &f->container, 1);
    reg_buf_char(&b, '/');
    reg_buf_add_str(&b, &prefix);
    value = reg_buf_str(&b);

    call = reg_flow_call(f, REG_PUT, reg_path_blob(f->arena, &u->data));
    reg_call_header(f, call, REG_SWIFT_MANIFEST, &value, 0);
    reg_call_header(f, call, REG_SWIFT_WHOLE, NULL, u->size);
    call->failed |= (prefix.data == NULL);

    (void) MD5_Final(raw, &u->etags);
    (void) reg_hex(hex, raw, sizeof(raw));

    value.data = hex;
    value.len = sizeof(hex);
    reg_call_header(f, call, REG_SWIFT_VOUCHED, &value, 0);

    return REG_CALL;
}


/* where nobody knows whether it was done, the mark stays */

reg_todo_t
reg_segments_judge_written(reg_flow_t *f)
{
    reg_todo_t     todo;
    reg_upload_t  *u = f->op;

    todo = reg_judge_made(f);

    if (todo == REG_NEXT) {
        u->wrote = 1;
        u->overwritten = u->standing.object_manifest;
    }

    return todo;
}


reg_todo_t
reg_segments_unmark(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    if (!u->marked || !u->wrote) {
        return REG_NEXT;
    }

    u->marked = 0;
    reg_flow_call(f, REG_DELETE, reg_path_mark(f->arena, &u->segments));

    return REG_CALL;
}


/* one that stays keeps others from taking away what is not named any more */

reg_todo_t
reg_segments_judge_unmarked(reg_flow_t *f)
{
    (void) f;

    return REG_NEXT;
}
