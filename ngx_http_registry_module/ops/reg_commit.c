/*
 * The end of an upload: PUT of /v2/<name>/blobs/uploads/<id>?digest=, and
 * POST with a digest.
 *
 * A whole body of known length goes straight to the blob's name if nothing
 * stands there: the last bytes stay back until the digest is right, and a
 * store that did not get them keeps nothing.  Otherwise one part is copied to
 * the blob's name, and several become the segments of a large object, unless
 * what stands there is right.  Data is complete and checked before it is
 * linked.
 *
 * The digest decides: a state that is behind the store, or parts that are
 * gone because this request was answered before, do not matter when the
 * bytes are right.
 */

#include "reg_commit.h"
#include "core/reg_path.h"
#include "core/reg_query.h"
#include "reg_common.h"
#include "reg_final.h"
#include "reg_find.h"
#include "reg_merge.h"
#include "reg_part.h"
#include "reg_segment.h"
#include "reg_store.h"


static reg_todo_t look_first(reg_flow_t *f);
static reg_todo_t judge_look_first(reg_flow_t *f);
static reg_todo_t look(reg_flow_t *f);
static reg_todo_t find(reg_flow_t *f);
static reg_todo_t judge_found(reg_flow_t *f);
static reg_todo_t feed_blob(reg_flow_t *f);
static reg_todo_t judge_fed_blob(reg_flow_t *f);
static reg_todo_t feed_rest(reg_flow_t *f);
static reg_todo_t list_parts(reg_flow_t *f);
static reg_todo_t hash_part(reg_flow_t *f);
static reg_todo_t judge_hashed(reg_flow_t *f);
static reg_todo_t check_digest(reg_flow_t *f);
static reg_todo_t refuse_digest(reg_flow_t *f);
static reg_todo_t end_upload(reg_flow_t *f);
static reg_todo_t judge_upload_ended(reg_flow_t *f);
static reg_todo_t read_own_link(reg_flow_t *f);
static reg_todo_t judge_own_link(reg_flow_t *f);
static reg_todo_t judge_merged(reg_flow_t *f);
static reg_todo_t copy_part(reg_flow_t *f);
static reg_todo_t judge_copied(reg_flow_t *f);
static reg_todo_t look_for_end(reg_flow_t *f);
static reg_todo_t judge_end(reg_flow_t *f);
static reg_todo_t link_blob(reg_flow_t *f);
static reg_todo_t judge_linked(reg_flow_t *f);
static reg_todo_t check_kept(reg_flow_t *f);


static const reg_step_t  put_whole[] = {
    { "look at blob", look_first, judge_look_first },
    { "feed blob", feed_blob, judge_fed_blob },
    { "read blob", reg_final_read, reg_final_judge_read },
    { "copy part", copy_part, judge_copied },
    { "verify blob", reg_final_verify, reg_final_judge_verified },
    { "read blob again", reg_final_read, reg_final_judge_read },
    { "check that it goes on", look_for_end, judge_end },
    { "link blob", link_blob, judge_linked },
    { "verify what was kept", reg_final_verify, reg_final_judge_verified },
    { "read what was kept", reg_final_read, reg_final_judge_read },
    { "check what was kept", check_kept, NULL },
    { "drop lost segments", reg_final_drop_lost, reg_final_judge_lost },
    { "answer", reg_upload_say_created, NULL }
};


/*
 * The upload has ended with this digest: nothing is written any more, nor
 * read, since the mark says that the blob was found right
 */

static const reg_step_t  put_again[] = {
    { "read own link", read_own_link, judge_own_link },
    { "look at blob", reg_final_look, reg_final_judge_standing },
    { "answer", reg_upload_say_created, NULL }
};


static const reg_step_t  put_parts[] = {
    { "find upload", find, judge_found },
    { "check range", reg_upload_check_range, NULL },
    { "feed part", feed_rest, reg_upload_judge_fed },
    { "list parts", list_parts, reg_upload_judge_listed },
    { "hash parts", hash_part, judge_hashed },
    { "check digest", check_digest, NULL },
    { "end upload", end_upload, judge_upload_ended },
    { "read own link", read_own_link, judge_own_link },
    { "look at blob", look, judge_look_first },
    { "read blob", reg_final_read, reg_final_judge_read },
    { "read small parts", reg_upload_read_small, reg_upload_judge_small },
    { "merge parts", reg_upload_merge, judge_merged },
    { "copy part", copy_part, judge_copied },
    { "mark segments", reg_segments_mark, reg_segments_judge_marked },
    { "copy parts", reg_segments_copy, reg_segments_judge_copied },
    { "check segments", reg_segments_head, reg_segments_judge_head },
    { "look again", reg_segments_look, reg_segments_judge_look },
    { "drop segments", reg_segments_drop, reg_segments_drop },
    { "write large object", reg_segments_write, reg_segments_judge_written },
    { "unmark segments", reg_segments_unmark, reg_segments_judge_unmarked },
    { "verify blob", reg_final_verify, reg_final_judge_verified },
    { "read blob again", reg_final_read, reg_final_judge_read },
    { "drop own segments", reg_segments_drop, reg_segments_drop },
    { "check that it goes on", look_for_end, judge_end },
    { "link blob", link_blob, judge_linked },
    { "drop lost segments", reg_final_drop_lost, reg_final_judge_lost },
    { "delete parts", reg_upload_delete_parts, reg_upload_delete_parts },
    { "answer", reg_upload_say_created, NULL }
};


const reg_step_t *
reg_commit_steps(reg_flow_t *f)
{
    reg_rc_t       rc;
    reg_str_t      text;
    reg_upload_t  *u = f->op;

    rc = reg_query_get(f->arena, &f->args, "digest", &text);

    if (rc == REG_NOMEM) {
        reg_nomem(f);
        return reg_refused;
    }

    if (rc != REG_OK
        || text.data == NULL
        || reg_digest_parse(&text, &u->digest) != REG_OK)
    {
        reg_refuse(f, REG_E_DIGEST_INVALID,
                   "the query must name one digest=<algorithm>:<hex>");
        return reg_refused;
    }

    u->closing = 1;

    if (u->known && u->session.offset == 0) {

        /* nothing was hashed yet, so any algorithm may still be chosen */

        reg_session_expect(&u->session, u->digest.alg);
        u->other = u->session.other;

        if (u->digest.alg == REG_SHA256
            && f->body_length > 0 && f->body_length <= f->part_size
            && f->content_range.len == 0)
        {
            return put_whole;
        }
    }

    return put_parts;
}


/* the hash that the digest is compared with was made on the way */

static int
has_hash(const reg_upload_t *u)
{
    return u->session.hashed
           && (u->digest.alg == REG_SHA256
               || u->session.other.alg == u->digest.alg);
}


static int
hash_is_right(const reg_upload_t *u)
{
    reg_digest_t       d;
    const reg_hash_t  *h;

    h = u->digest.alg == REG_SHA256 ? &u->hash : &u->other;

    reg_hash_final(h, &d);

    return u->hash.bytes == (uint64_t) u->session.offset
           && h->bytes == u->hash.bytes
           && reg_digest_equal(&d, &u->digest);
}


static reg_todo_t
judge_mark(reg_flow_t *f, const reg_call_t *call)
{
    reg_todo_t     todo;
    reg_upload_t  *u = f->op;

    todo = reg_upload_judge_mark(f, call);

    if (todo == REG_AGAIN) {
        u->gone = 1;
        u->proven = 0;
        f->step = put_again;
    }

    return todo;
}


/* a POST has begun its upload itself: nobody can have ended it */

static reg_todo_t
look_first(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    u->early = 1;
    u->data = u->digest;
    u->size = f->body_length;

    (void) reg_final_look(f);

    if (f->method != REG_POST) {
        (void) reg_upload_place(f, REG_PLACE_LOSE, 0);
        reg_upload_ask_mark(f);
    }

    return REG_CALL;
}


static reg_todo_t
judge_look_first(reg_flow_t *f)
{
    reg_todo_t  todo;

    todo = f->ncalls > 1 ? judge_mark(f, &f->calls[1]) : REG_NEXT;

    return todo == REG_NEXT ? reg_final_judge_look(f) : todo;
}


/*
 * A Location that stands for a password is good for one blob.  Of others the
 * parts tell that they were closed: they are gone.
 */

static reg_todo_t
look(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    (void) reg_final_look(f);

    if (u->session.authorized && f->method != REG_POST) {
        reg_upload_ask_mark(f);
    }

    return REG_CALL;
}


/* whether it has ended is worth knowing before a body is read */

static reg_todo_t
find(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    if (!u->known || f->content_range.len || f->body_length == 0
        || f->method == REG_POST)
    {
        return reg_upload_find(f);
    }

    (void) reg_upload_place(f, REG_PLACE_LOSE, 0);
    reg_upload_ask_mark(f);

    return REG_CALL;
}


static reg_todo_t
judge_found(reg_flow_t *f)
{
    return f->calls[0].on_container ? reg_upload_judge_found(f)
                                    : judge_mark(f, &f->calls[0]);
}


/*
 * Where nothing stands the body goes straight to the blob's name.  Else it
 * becomes a part: what it is, is known at its end.
 */

static reg_todo_t
feed_blob(reg_flow_t *f)
{
    reg_todo_t     todo;
    reg_upload_t  *u = f->op;

    todo = reg_upload_feed(f);

    f->expected = &u->digest;

    if (u->standing.status != 200) {
        u->direct = 1;
        f->calls[0].object = reg_path_blob(f->arena, &u->data);
        f->calls[0].failed = (f->calls[0].object.data == NULL);
        f->calls[0].headers.len = 0;
    }

    return todo;
}


static reg_todo_t
judge_fed_blob(reg_flow_t *f)
{
    reg_todo_t     todo;
    reg_upload_t  *u = f->op;

    todo = reg_upload_judge_fed(f);

    if (todo != REG_NEXT) {
        return todo;
    }

    u->wrote = u->direct;
    u->stored = u->direct;
    u->doubt = 0;

    if (!u->direct) {
        reg_final_weigh(u);
    }

    return REG_NEXT;
}


static reg_todo_t
feed_rest(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    if (has_hash(u)) {
        f->expected = &u->digest;
    }

    return reg_upload_feed(f);
}


/*
 * The parts must be known one by one when there are several, and when they
 * have to be read again: the state was lost, or another algorithm is asked.
 * When the digest is not that of what the state knows, there may be more:
 * the answer to a PATCH was lost.
 */

static reg_todo_t
list_parts(reg_flow_t *f)
{
    int            right;
    reg_upload_t  *u = f->op;

    right = has_hash(u) && hash_is_right(u);

    if (u->marker.len == 0 && u->naming != REG_NAMING_ASK) {

        if (u->listed || u->gone || !u->known
            || (has_hash(u) && !right && u->written)
            || (right && u->session.nparts <= 1))
        {
            u->next = 0;
            return REG_NEXT;
        }

        u->grow = (!right && u->written == 0);

        if (!u->grow && u->session.small < REG_PARTS_RUN
            && reg_upload_by_state(f, u->session.nparts))
        {
            return REG_NEXT;
        }
    }

    return reg_upload_list(f);
}


static void
hash_bytes(void *data, const unsigned char *p, size_t len)
{
    reg_upload_t  *u = data;

    if (!u->session.hashed) {
        reg_hash_update(&u->hash, p, len);
    }

    if (u->digest.alg != REG_SHA256) {
        reg_hash_update(&u->other, p, len);
    }
}


static reg_todo_t
hash_part(reg_flow_t *f)
{
    reg_call_t    *call;
    reg_upload_t  *u = f->op;

    if (has_hash(u) || !u->listed || u->next == u->npath) {
        return REG_NEXT;
    }

    if (u->next == 0) {

        if (!u->session.hashed) {
            reg_hash_init(&u->hash, REG_SHA256);
        }

        reg_hash_init(&u->other, u->digest.alg);
    }

    call = reg_flow_call(f, REG_GET,
                         reg_upload_part(f, u->path[u->next]));
    call->sink = hash_bytes;
    call->sink_data = u;

    return REG_CALL;
}


static reg_todo_t
judge_hashed(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    if (reg_store_failed(f, &f->calls[0])) {
        return REG_ANSWER;
    }

    /* this request was answered before, or is now: the own link tells */

    if (f->calls[0].reply.status != 200) {
        u->gone = 1;
        return REG_NEXT;
    }

    u->next++;

    return REG_AGAIN;
}


static reg_todo_t
check_digest(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    u->next = 0;
    u->size = u->session.offset;

    u->proven = has_hash(u) && hash_is_right(u);

    /* what was answered before may have been deleted by half */

    if (u->missing && u->written == 0 && !hash_is_right(u)) {
        u->gone = 1;
    }

    if (u->gone && !u->proven) {

        /* no bytes to compare: only the repository's own link may tell */

        return REG_NEXT;
    }

    if (!hash_is_right(u)) {
        return has_hash(u) ? refuse_digest(f) : REG_NEXT;
    }

    reg_hash_final(&u->hash, &u->data);

    return REG_NEXT;
}


static reg_todo_t
refuse_digest(reg_flow_t *f)
{
    return reg_refuse(f, REG_E_DIGEST_INVALID,
                      "the bytes uploaded are not those of the digest");
}


/*
 * All parts were read for a digest that is not theirs: as with registry:2
 * that is the end of the upload.  Else each request, which is of a few bytes,
 * could have them read once more.
 */

static reg_todo_t
end_upload(reg_flow_t *f)
{
    reg_str_t      none = reg_null_string;
    reg_upload_t  *u = f->op;

    if (u->gone || hash_is_right(u)) {
        return REG_NEXT;
    }

    (void) reg_upload_place(f, REG_PLACE_LOSE, 0);
    reg_upload_mark(f, none);

    return REG_CALL;
}


static reg_todo_t
judge_upload_ended(reg_flow_t *f)
{
    return reg_store_failed(f, &f->calls[0]) ? REG_ANSWER : refuse_digest(f);
}


static reg_todo_t
read_own_link(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    if (!u->gone || u->proven) {
        return REG_NEXT;
    }

    u->size = -1;

    reg_flow_call(f, REG_GET, reg_path_layer_link(f->arena, &f->route.name,
                                                  &u->digest));

    return REG_CALL;
}


static reg_todo_t
judge_own_link(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    if (reg_store_failed(f, &f->calls[0])) {
        return REG_ANSWER;
    }

    if (f->calls[0].reply.status != 200
        || reg_link_read(&f->calls[0].reply, &u->data) != REG_OK
        || u->data.alg != REG_SHA256)
    {
        return reg_refuse_str(f, REG_E_BLOB_UPLOAD_UNKNOWN, u->id);
    }

    return REG_NEXT;
}


/* what was merged is deleted with all other parts, at the end */

static reg_todo_t
judge_merged(reg_flow_t *f)
{
    reg_todo_t     todo;
    reg_upload_t  *u = f->op;

    todo = reg_upload_judge_merged(f);

    u->npath = u->run + 1;
    u->next = 0;

    return todo;
}


/* the only part of an upload need not have been listed */

static reg_str_t
only_part(reg_flow_t *f)
{
    reg_part_t     part;
    reg_upload_t  *u = f->op;

    memset(&part, 0, sizeof(reg_part_t));
    part.id = u->session.tip;
    part.merged = u->session.tip_merged;

    return reg_upload_part(f, &part);
}


static reg_todo_t
copy_part(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    if (u->gone || u->stored || u->session.nparts > 1) {
        return REG_NEXT;
    }

    if (u->session.nparts) {
        reg_upload_copy(f, reg_path_blob(f->arena, &u->data), only_part(f));

    } else {
        reg_flow_call(f, REG_PUT, reg_path_blob(f->arena, &u->data));
    }

    return REG_CALL;
}


/*
 * A part that is gone may mean that this very request was answered before,
 * or is at this time: the blob then tells.
 */

static reg_todo_t
judge_copied(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    if (reg_store_failed(f, &f->calls[0])) {
        return REG_ANSWER;
    }

    u->gone = (f->calls[0].reply.status == 404);
    u->wrote = !u->gone;
    u->overwritten = u->standing.object_manifest;

    return REG_NEXT;
}


/* others may have closed it with another digest while this body came */

static reg_todo_t
look_for_end(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    if (!u->session.authorized || f->method == REG_POST) {
        return REG_NEXT;
    }

    reg_upload_ask_mark(f);

    return REG_CALL;
}


static reg_todo_t
judge_end(reg_flow_t *f)
{
    return reg_upload_judge_mark(f, &f->calls[0]) == REG_ANSWER ? REG_ANSWER
                                                                : REG_NEXT;
}


/*
 * The only part goes at the same time: should the link fail, the client's
 * next try finds the blob, which its state proves.  So are the segments that
 * this blob may have made superfluous listed, and what was kept is looked at
 * once more if the body came after the first look.
 */

static reg_todo_t
link_blob(reg_flow_t *f)
{
    reg_str_t      text;
    reg_todo_t     todo;
    reg_upload_t  *u = f->op;

    todo = reg_upload_link(f);

    if (u->session.authorized && f->method != REG_POST) {
        text = reg_digest_text(f->arena, &u->digest);
        reg_upload_mark(f, text);
        f->calls[f->ncalls - 1].failed |= (text.data == NULL);
    }

    u->links = f->ncalls;

    if (u->wrote) {
        reg_final_list_lost(f);

    } else if (u->early) {
        (void) reg_final_look(f);
    }

    if (!u->listed && !u->direct && u->session.nparts == 1) {
        reg_flow_call(f, REG_DELETE, only_part(f));
    }

    return todo;
}


static reg_todo_t
judge_linked(reg_flow_t *f)
{
    reg_todo_t     todo;
    reg_call_t    *more;
    reg_upload_t  *u = f->op;

    more = f->ncalls > u->links ? &f->calls[u->links] : NULL;
    f->ncalls = u->links;

    todo = reg_judge_made(f);

    if (todo != REG_NEXT || more == NULL) {
        return todo;
    }

    if (u->wrote) {
        reg_final_take_lost(f, more);

    } else if (more->method == REG_HEAD
               && (more->reply.status != 200
                   || !reg_str_equal(&more->reply.etag, &u->standing.etag)))
    {
        /* another one pushed it over, perhaps: it may be right all the same */

        u->stored = 0;
    }

    return REG_NEXT;
}


/* the last row that may find it right has read it */

static reg_todo_t
check_kept(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    return u->stored ? REG_NEXT
           : reg_refuse(f, REG_E_UNAVAILABLE,
                        "the blob was changed meanwhile; try again");
}
