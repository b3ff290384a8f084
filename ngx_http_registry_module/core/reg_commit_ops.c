/*
 * The end of an upload: PUT of /v2/<name>/blobs/uploads/<id>?digest=, and
 * POST with a digest.
 *
 * A whole body of known length goes straight to the blob's name: the last
 * bytes stay back until the digest is right, and a store that did not get
 * them keeps nothing.  Otherwise one part is copied to the blob's name, and
 * several become the segments of a large object.  Data is complete and
 * checked before it is linked.
 */

#include "reg_upload.h"
#include "reg_path.h"
#include "reg_query.h"


#define COPIES  4                       /* at the same time */


static reg_todo_t feed_blob(reg_flow_t *f);
static reg_todo_t feed_rest(reg_flow_t *f);
static reg_todo_t list_parts(reg_flow_t *f);
static reg_todo_t hash_part(reg_flow_t *f);
static reg_todo_t judge_hashed(reg_flow_t *f);
static reg_todo_t check_digest(reg_flow_t *f);
static reg_todo_t copy_parts(reg_flow_t *f);
static reg_todo_t judge_copied(reg_flow_t *f);
static reg_todo_t list_segments(reg_flow_t *f);
static reg_todo_t judge_segments(reg_flow_t *f);
static reg_todo_t write_large(reg_flow_t *f);
static reg_todo_t verify_blob(reg_flow_t *f);
static reg_todo_t judge_verified(reg_flow_t *f);
static reg_todo_t delete_parts(reg_flow_t *f);


static const reg_step_t  put_whole[] = {
    { "feed blob", feed_blob, reg_upload_judge_fed },
    { "link blob", reg_upload_link, reg_judge_made },
    { "answer", reg_upload_say_created, NULL }
};


static const reg_step_t  put_parts[] = {
    { "find upload", reg_upload_find, reg_upload_judge_listed },
    { "check range", reg_upload_check_range, NULL },
    { "feed part", feed_rest, reg_upload_judge_fed },
    { "list parts", list_parts, reg_upload_judge_listed },
    { "hash parts", hash_part, judge_hashed },
    { "check digest", check_digest, NULL },
    { "copy parts", copy_parts, judge_copied },
    { "list segments", list_segments, judge_segments },
    { "write large object", write_large, reg_judge_made },
    { "verify blob", verify_blob, judge_verified },
    { "link blob", reg_upload_link, reg_judge_made },
    { "delete parts", delete_parts, delete_parts },
    { "answer", reg_upload_say_created, NULL }
};


const reg_step_t *
reg_commit_steps(reg_flow_t *f)
{
    reg_str_t      text;
    reg_upload_t  *u = f->op;

    if (reg_query_get(f->arena, &f->args, "digest", &text) != REG_OK
        || text.data == NULL
        || reg_digest_parse(&text, &u->digest) != REG_OK)
    {
        reg_refuse(f, REG_E_DIGEST_INVALID,
                   "the query must name one digest=<algorithm>:<hex>");
        return reg_refused;
    }

    if (u->digest.alg != REG_SHA256) {
        reg_hash_init(&u->other, u->digest.alg);
    }

    if (u->known && u->session.offset == 0
        && u->digest.alg == REG_SHA256
        && f->body_length > 0 && f->body_length <= f->part_size
        && f->content_range.len == 0)
    {
        return put_whole;
    }

    return put_parts;
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

    if (u->session.hashed && u->digest.alg == REG_SHA256) {
        f->expected = &u->digest;
    }

    return reg_upload_feed(f);
}


/*
 * The parts must be known one by one when there are several, and when they
 * have to be read again: the state was lost, or another algorithm is asked.
 */

static reg_todo_t
list_parts(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    if (u->listed
        || u->session.nparts == 0
        || (u->session.nparts == 1 && u->session.hashed
            && u->digest.alg == REG_SHA256))
    {
        return REG_NEXT;
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

    if ((u->session.hashed && u->digest.alg == REG_SHA256)
        || u->next == u->nparts)
    {
        return REG_NEXT;
    }

    if (u->next == 0 && !u->session.hashed) {
        reg_hash_init(&u->hash, REG_SHA256);
    }

    call = reg_flow_call(f, REG_GET,
                         reg_path_part(f->arena, &f->route.name, &u->id,
                                       u->parts[u->next].offset));
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

    if (f->calls[0].reply.status != 200) {
        return reg_refuse_str(f, REG_E_BLOB_UPLOAD_UNKNOWN, u->id);
    }

    u->next++;

    return REG_AGAIN;
}


static reg_todo_t
check_digest(reg_flow_t *f)
{
    int            same;
    reg_digest_t   d;
    reg_upload_t  *u = f->op;

    u->next = 0;
    u->size = u->session.offset;

    reg_hash_final(&u->hash, &u->data);

    same = (u->hash.bytes == (uint64_t) u->size);

    if (u->digest.alg == REG_SHA256) {
        same = same && reg_digest_equal(&u->data, &u->digest);

    } else {
        reg_hash_final(&u->other, &d);
        same = same && u->other.bytes == (uint64_t) u->size
               && reg_digest_equal(&d, &u->digest);
    }

    if (!same) {
        return reg_refuse(f, REG_E_DIGEST_INVALID,
                          "the bytes uploaded are not those of the digest");
    }

    return REG_NEXT;
}


static void
copy(reg_flow_t *f, reg_str_t to, reg_str_t from)
{
    reg_buf_t    b;
    reg_str_t    source;
    reg_call_t  *call;

    reg_buf_init(&b, f->arena, 256);
    reg_buf_char(&b, '/');
    reg_buf_escape(&b, &f->container, 0);
    reg_buf_char(&b, '/');
    reg_buf_escape(&b, &from, 1);
    source = reg_buf_str(&b);

    call = reg_flow_call(f, REG_PUT, to);
    reg_call_header(f, call, "X-Copy-From", &source, 0);
}


static reg_todo_t
copy_parts(reg_flow_t *f)
{
    int64_t        offset;
    reg_upload_t  *u = f->op;

    if (u->session.nparts == 0) {

        /* an empty blob */

        if (u->next++) {
            return REG_NEXT;
        }

        reg_flow_call(f, REG_PUT, reg_path_blob(f->arena, &u->data));
        return REG_CALL;
    }

    while (u->next < u->session.nparts && f->ncalls < COPIES) {

        if (u->session.nparts == 1) {
            copy(f, reg_path_blob(f->arena, &u->data),
                 reg_path_part(f->arena, &f->route.name, &u->id, 0));

        } else {
            offset = u->parts[u->next].offset;
            copy(f, reg_path_segment(f->arena, &u->id, offset),
                 reg_path_part(f->arena, &f->route.name, &u->id, offset));
        }

        u->next++;
    }

    return f->ncalls ? REG_CALL : REG_NEXT;
}


/*
 * A part that is gone may mean that this very request was answered before:
 * the blob then tells, in "verify blob".
 */

static reg_todo_t
judge_copied(reg_flow_t *f)
{
    unsigned       i;
    reg_upload_t  *u = f->op;

    for (i = 0; i < f->ncalls; i++) {

        if (reg_store_failed(f, &f->calls[i])) {
            return REG_ANSWER;
        }

        if (f->calls[i].reply.status == 404 && u->session.nparts > 1) {
            return reg_refuse_str(f, REG_E_BLOB_UPLOAD_UNKNOWN, u->id);
        }
    }

    return REG_AGAIN;
}


static reg_todo_t
list_segments(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    if (u->session.nparts <= 1) {
        return REG_NEXT;
    }

    return reg_upload_list_under(f, reg_path_segments(f->arena, &u->id));
}


/* what is about to become the blob is exactly what was hashed */

static reg_todo_t
judge_segments(reg_flow_t *f)
{
    reg_todo_t      todo;
    unsigned char   chain[32];
    reg_upload_t   *u = f->op;

    memcpy(chain, u->session.chain, sizeof(chain));

    todo = reg_upload_judge_listed(f);

    if (todo == REG_NEXT
        && memcmp(chain, u->session.chain, sizeof(chain)) != 0)
    {
        return reg_refuse(f, REG_E_BLOB_UPLOAD_INVALID,
                          "another request changed this upload");
    }

    return todo;
}


static reg_todo_t
write_large(reg_flow_t *f)
{
    reg_buf_t      b;
    reg_str_t      prefix, value;
    reg_call_t    *call;
    reg_upload_t  *u = f->op;

    if (u->session.nparts <= 1) {
        return REG_NEXT;
    }

    prefix = reg_path_segments(f->arena, &u->id);

    reg_buf_init(&b, f->arena, 256);
    reg_buf_escape(&b, &f->container, 0);
    reg_buf_char(&b, '/');
    reg_buf_add_str(&b, &prefix);
    value = reg_buf_str(&b);

    call = reg_flow_call(f, REG_PUT, reg_path_blob(f->arena, &u->data));
    reg_call_header(f, call, "X-Object-Manifest", &value, 0);
    reg_call_header(f, call, REG_HEADER_WHOLE, NULL, u->size);

    return REG_CALL;
}


static reg_todo_t
verify_blob(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

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

    if (call->reply.status == 404) {
        return reg_refuse_str(f, REG_E_BLOB_UPLOAD_UNKNOWN, u->id);
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
            return reg_refuse(f, REG_E_BLOB_UPLOAD_INVALID,
                              "another request changed this upload");
        }
    }

    return REG_NEXT;
}


static reg_todo_t
delete_parts(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    f->ncalls = 0;

    if (u->session.nparts == 1 && !u->part_deleted) {
        u->part_deleted = 1;
        reg_flow_call(f, REG_DELETE,
                      reg_path_part(f->arena, &f->route.name, &u->id, 0));
        return REG_CALL;
    }

    return u->session.nparts > 1 ? reg_upload_delete_parts(f) : REG_NEXT;
}


