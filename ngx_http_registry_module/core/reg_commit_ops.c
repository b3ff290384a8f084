/*
 * The end of an upload: PUT of /v2/<name>/blobs/uploads/<id>?digest=, and
 * POST with a digest.
 *
 * A whole body of known length goes straight to the blob's name: the last
 * bytes stay back until the digest is right, and a store that did not get
 * them keeps nothing.  Otherwise one part is copied to the blob's name, and
 * several become the segments of a large object.  Data is complete and
 * checked before it is linked.
 *
 * The digest decides: a state that is behind the store, or parts that are
 * gone because this request was answered before, do not matter when the
 * bytes are right.
 */

#include "reg_upload.h"
#include "reg_path.h"
#include "reg_query.h"


static reg_todo_t feed_blob(reg_flow_t *f);
static reg_todo_t feed_rest(reg_flow_t *f);
static reg_todo_t list_parts(reg_flow_t *f);
static reg_todo_t hash_part(reg_flow_t *f);
static reg_todo_t judge_hashed(reg_flow_t *f);
static reg_todo_t check_digest(reg_flow_t *f);
static reg_todo_t read_own_link(reg_flow_t *f);
static reg_todo_t judge_own_link(reg_flow_t *f);
static reg_todo_t check_blob(reg_flow_t *f);
static reg_todo_t judge_merged(reg_flow_t *f);
static reg_todo_t copy_part(reg_flow_t *f);
static reg_todo_t judge_copied(reg_flow_t *f);
static reg_todo_t verify_blob(reg_flow_t *f);
static reg_todo_t judge_verified(reg_flow_t *f);
static reg_todo_t link_blob(reg_flow_t *f);
static reg_todo_t judge_linked(reg_flow_t *f);


static const reg_step_t  put_whole[] = {
    { "find upload", reg_upload_find, reg_upload_judge_found },
    { "feed blob", feed_blob, reg_upload_judge_fed },
    { "link blob", reg_upload_link, reg_judge_made },
    { "answer", reg_upload_say_created, NULL }
};


static const reg_step_t  put_parts[] = {
    { "find upload", reg_upload_find, reg_upload_judge_found },
    { "check range", reg_upload_check_range, NULL },
    { "feed part", feed_rest, reg_upload_judge_fed },
    { "list parts", list_parts, reg_upload_judge_listed },
    { "hash parts", hash_part, judge_hashed },
    { "check digest", check_digest, NULL },
    { "read own link", read_own_link, judge_own_link },
    { "check blob", check_blob, reg_upload_judge_blob },
    { "read small parts", reg_upload_read_small, reg_upload_judge_small },
    { "merge parts", reg_upload_merge, judge_merged },
    { "copy part", copy_part, judge_copied },
    { "copy parts", reg_segments_copy, reg_segments_judge_copied },
    { "check segments", reg_segments_head, reg_segments_judge_head },
    { "check blob again", reg_segments_check, reg_segments_judge_checked },
    { "drop segments", reg_segments_drop, reg_segments_drop },
    { "write large object", reg_segments_write, reg_judge_made },
    { "verify blob", verify_blob, judge_verified },
    { "link blob", link_blob, judge_linked },
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
feed_blob(reg_flow_t *f)
{
    reg_call_t    *call;
    reg_upload_t  *u = f->op;

    call = reg_flow_call(f, REG_PUT, reg_path_blob(f->arena, &u->digest));
    call->feed = 1;

    f->hash = &u->hash;
    f->expected = &u->digest;

    u->data = u->digest;

    return REG_CALL;
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

    if (u->marker.len == 0) {

        if (u->listed || u->gone || !u->known
            || (has_hash(u) && !right && u->written)
            || (right && u->session.nparts <= 1))
        {
            u->next = 0;
            return REG_NEXT;
        }

        u->grow = (!right && u->written == 0);
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
        return reg_refuse(f, REG_E_DIGEST_INVALID,
                          "the bytes uploaded are not those of the digest");
    }

    reg_hash_final(&u->hash, &u->data);

    return REG_NEXT;
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


/*
 * Segments belong to one large object: a blob that is there already is left
 * as it is, since those of the old one would stay for ever.
 */

static reg_todo_t
check_blob(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    if (!u->gone && u->session.nparts <= 1) {
        return REG_NEXT;
    }

    reg_flow_call(f, REG_HEAD, reg_path_blob(f->arena, &u->data));

    return REG_CALL;
}


reg_todo_t
reg_upload_judge_blob(reg_flow_t *f)
{
    reg_call_t    *call = &f->calls[0];
    reg_upload_t  *u = f->op;
    reg_digest_t   empty;

    if (reg_store_failed(f, call)) {
        return REG_ANSWER;
    }

    reg_digest_of(&empty, REG_SHA256, "", 0);

    u->stored = (call->reply.status == 200
                 && (u->size < 0 ? call->reply.length > 0
                                   || reg_digest_equal(&empty, &u->data)
                                 : call->reply.length == u->size));

    if (u->gone && !u->stored) {
        return reg_refuse_str(f, REG_E_BLOB_UPLOAD_UNKNOWN, u->id);
    }

    u->next = 0;

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

    if (u->gone || u->session.nparts > 1) {
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

    return REG_NEXT;
}


static reg_todo_t
verify_blob(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    if (u->stored) {
        return REG_NEXT;
    }

    reg_flow_call(f, REG_HEAD, reg_path_blob(f->arena, &u->data));

    return REG_CALL;
}


static reg_todo_t
judge_verified(reg_flow_t *f)
{
    reg_call_t     *call = &f->calls[0];
    reg_upload_t   *u = f->op;
    reg_session_t   copied;

    if (reg_store_failed(f, call)) {
        return REG_ANSWER;
    }

    if (call->reply.status == 404 && u->gone) {
        return reg_refuse_str(f, REG_E_BLOB_UPLOAD_UNKNOWN, u->id);
    }

    if (call->reply.status == 404) {
        return reg_refuse(f, REG_E_UNAVAILABLE,
                          "the storage does not have what was written");
    }

    if (call->reply.length != u->size) {
        return reg_refuse(f, REG_E_UNAVAILABLE,
                          "the storage holds another size than was written");
    }

    if (u->session.nparts == 1 && call->reply.object_manifest.len == 0) {
        reg_session_init(&copied);
        reg_session_add(&copied, u->size, &call->reply.etag);

        if (memcmp(copied.chain, u->session.chain, sizeof(copied.chain))
            != 0)
        {
            return reg_refuse(f, REG_E_UNAVAILABLE,
                              "the storage holds other bytes than were"
                              " written");
        }
    }

    if (call->reply.expires) {
        return reg_upload_refuse_expiring(f);
    }

    u->next = 0;

    return REG_NEXT;
}


reg_todo_t
reg_upload_refuse_expiring(reg_flow_t *f)
{
    return reg_refuse(f, REG_E_UNAVAILABLE,
                      "the storage lets expire what it was told to keep");
}


/*
 * The only part goes at the same time: should the link fail, the client's
 * next try finds the blob, which its state proves.
 */

static reg_todo_t
link_blob(reg_flow_t *f)
{
    reg_todo_t     todo;
    reg_upload_t  *u = f->op;

    todo = reg_upload_link(f);

    if (!u->listed && u->session.nparts == 1) {
        u->next = 1;
        reg_flow_call(f, REG_DELETE, only_part(f));
    }

    return todo;
}


static reg_todo_t
judge_linked(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    f->ncalls -= u->next;

    return reg_judge_made(f);
}


reg_todo_t
reg_upload_link(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    u->next = 0;

    reg_link_write(f, reg_path_layer_link(f->arena, &f->route.name,
                                          &u->data), &u->data);

    if (!reg_digest_equal(&u->digest, &u->data)) {
        reg_link_write(f, reg_path_layer_link(f->arena, &f->route.name,
                                              &u->digest), &u->data);
        reg_link_write(f, reg_path_alias(f->arena, &u->digest), &u->data);
    }

    return REG_CALL;
}


reg_todo_t
reg_upload_say_created(reg_flow_t *f)
{
    reg_str_t      text;
    reg_upload_t  *u = f->op;

    text = reg_digest_text(f->arena, &u->digest);

    /* a whole body has no size but that of its hash; a mount has neither */

    f->made = u->data;
    f->made_size = u->size ? u->size : (int64_t) u->hash.bytes;

    reg_answer(f, 201);
    reg_answer_header(f, "Location", reg_location(f, "/blobs/", &text));
    reg_answer_digest(f, &u->digest, 0);

    return REG_ANSWER;
}
