/*
 * Blobs: GET, HEAD and DELETE of /v2/<name>/blobs/<digest>.
 *
 * A blob is readable in a repository that links it; the link's content is
 * the digest of the data (sha256 also for a blob asked by sha512).
 */

#include "reg_ops.h"
#include "reg_path.h"
#include "reg_range.h"


typedef struct {
    reg_digest_t    data;               /* whose bytes the link means */
    int64_t         size;
    reg_range_t     range;
    unsigned        ranged:1;
} blob_t;


static reg_todo_t read_link(reg_flow_t *f);
static reg_todo_t judge_link(reg_flow_t *f);
static reg_todo_t head_data(reg_flow_t *f);
static reg_todo_t judge_data(reg_flow_t *f);
static reg_todo_t send_data(reg_flow_t *f);
static reg_todo_t refuse_delete(reg_flow_t *f);
static reg_todo_t delete_link(reg_flow_t *f);
static reg_todo_t judge_delete(reg_flow_t *f);
static reg_todo_t say_deleted(reg_flow_t *f);
static reg_todo_t take_size(reg_flow_t *f, const reg_call_t *call);
static reg_todo_t unknown(reg_flow_t *f);


static const reg_step_t  read_blob[] = {
    { "read layer link", read_link, judge_link },
    { "check blob", head_data, judge_data },
    { "send blob", send_data, NULL }
};


static const reg_step_t  delete_blob[] = {
    { "check that deletes are allowed", refuse_delete, NULL },
    { "delete layer link", delete_link, judge_delete },
    { "answer", say_deleted, NULL }
};


const reg_step_t *
reg_blob_steps(reg_flow_t *f)
{
    f->op = reg_calloc(f->arena, sizeof(blob_t));

    switch (f->method) {
    case REG_GET:
    case REG_HEAD:
        return read_blob;
    case REG_DELETE:
        return delete_blob;
    default:
        return reg_not_allowed;
    }
}


/*
 * The link and the size are asked for together: but for aliases the link
 * says what was asked.
 */

static reg_todo_t
read_link(reg_flow_t *f)
{
    if (f->op == NULL) {
        return reg_nomem(f);
    }

    reg_flow_recall(f, REG_GET, reg_path_layer_link(f->arena, &f->route.name,
                                                    &f->route.digest));

    if (f->route.digest.alg == REG_SHA256) {
        reg_flow_recall(f, REG_HEAD, reg_path_blob(f->arena,
                                                   &f->route.digest));
    }

    return REG_CALL;
}


static reg_todo_t
judge_link(reg_flow_t *f)
{
    blob_t  *b = f->op;

    if (reg_store_failed(f, &f->calls[0])) {
        return REG_ANSWER;
    }

    if (f->calls[0].reply.status == 404
        || reg_link_read(&f->calls[0].reply, &b->data) != REG_OK)
    {
        return unknown(f);
    }

    b->size = -1;

    if (f->ncalls == 2 && reg_digest_equal(&b->data, &f->route.digest)) {
        return take_size(f, &f->calls[1]);
    }

    return REG_NEXT;
}


static reg_todo_t
head_data(reg_flow_t *f)
{
    blob_t  *b = f->op;

    if (b->size >= 0) {
        return REG_NEXT;
    }

    reg_flow_recall(f, REG_HEAD, reg_path_blob(f->arena, &b->data));

    return REG_CALL;
}


static reg_todo_t
judge_data(reg_flow_t *f)
{
    return take_size(f, &f->calls[0]);
}


static reg_todo_t
take_size(reg_flow_t *f, const reg_call_t *call)
{
    blob_t        *b = f->op;
    reg_digest_t   empty;

    if (reg_store_failed(f, call)) {
        return REG_ANSWER;
    }

    if (call->reply.status != 200 || call->reply.length < 0) {
        return unknown(f);
    }

    b->size = call->reply.length;

    if (b->size == 0) {

        /*
         * registry:2 may leave a large object without segments: it reads as
         * zero bytes.  To call it unknown makes the next push repair it.
         */

        reg_digest_of(&empty, b->data.alg, "", 0);

        if (!reg_digest_equal(&empty, &b->data)) {
            return unknown(f);
        }
    }

    return REG_NEXT;
}


static reg_todo_t
unknown(reg_flow_t *f)
{
    return reg_refuse_str(f, REG_E_BLOB_UNKNOWN, f->route.reference);
}


static reg_todo_t
judge_range(reg_flow_t *f)
{
    size_t     n;
    blob_t    *b = f->op;
    reg_buf_t  buf;
    reg_str_t  text;

    text = reg_digest_text(f->arena, &f->route.digest);

    if (f->range.len == 0
        || (f->if_range.len
            && (f->if_range.len != text.len + 2
                || memcmp(f->if_range.data + 1, text.data, text.len) != 0)))
    {
        return REG_NEXT;
    }

    /* several ranges are answered by the whole, as RFC 9110, 14.2 allows */

    if (reg_range_parse(&f->range, &b->range, 1, &n) != REG_OK || n != 1) {
        return REG_NEXT;
    }

    if (reg_range_resolve(&b->range, b->size) != REG_OK) {
        reg_refuse(f, REG_E_RANGE_INVALID, "the range is beyond the blob");

        reg_buf_init(&buf, f->arena, 32);
        reg_buf_text(&buf, "bytes */");
        reg_buf_number(&buf, b->size);
        reg_answer_header(f, "Content-Range", reg_buf_str(&buf));

        return REG_ANSWER;
    }

    b->ranged = 1;

    return REG_NEXT;
}


static void
add_range(reg_flow_t *f, reg_call_t *call)
{
    blob_t    *b = f->op;
    reg_buf_t  buf, want;
    reg_str_t  text;

    reg_buf_init(&buf, f->arena, 64);
    reg_buf_text(&buf, "bytes ");
    reg_buf_number(&buf, b->range.first);
    reg_buf_char(&buf, '-');
    reg_buf_number(&buf, b->range.last);
    reg_buf_char(&buf, '/');
    reg_buf_number(&buf, b->size);

    reg_answer_header(f, "Content-Range", reg_buf_str(&buf));

    if (call == NULL) {
        return;
    }

    reg_buf_init(&want, f->arena, 64);
    reg_buf_text(&want, "bytes=");
    reg_buf_number(&want, b->range.first);
    reg_buf_char(&want, '-');
    reg_buf_number(&want, b->range.last);

    text = reg_buf_str(&want);
    reg_call_header(f, call, "Range", &text, 0);
}


static reg_todo_t
send_data(reg_flow_t *f)
{
    blob_t      *b = f->op;
    reg_call_t  *call;

    static const reg_str_t  type = reg_string("application/octet-stream");
    static const reg_str_t  cache = reg_string("max-age=31536000");
    static const reg_str_t  bytes = reg_string("bytes");

    if (reg_not_modified(f, &f->route.digest)) {
        reg_answer(f, 304);
        reg_answer_digest(f, &f->route.digest, 1);
        reg_answer_header(f, "Cache-Control", cache);
        return REG_ANSWER;
    }

    if (judge_range(f) == REG_ANSWER) {
        return REG_ANSWER;
    }

    reg_answer(f, b->ranged ? 206 : 200);

    f->answer.content_type = type;
    f->answer.length = b->ranged ? b->range.last - b->range.first + 1
                                 : b->size;

    reg_answer_digest(f, &f->route.digest, 1);
    reg_answer_header(f, "Cache-Control", cache);
    reg_answer_header(f, "Accept-Ranges", bytes);

    f->ncalls = 0;
    call = NULL;

    if (f->method == REG_GET && b->size > 0) {
        call = reg_flow_call(f, REG_GET, reg_path_blob(f->arena, &b->data));
    }

    if (b->ranged) {
        add_range(f, call);
    }

    return call ? REG_PASS : REG_ANSWER;
}


static reg_todo_t
refuse_delete(reg_flow_t *f)
{
    if (!f->delete_allowed) {
        return reg_refuse(f, REG_E_UNSUPPORTED,
                          "deleting is switched off (registry_delete)");
    }

    return REG_NEXT;
}


static reg_todo_t
delete_link(reg_flow_t *f)
{
    reg_flow_call(f, REG_DELETE, reg_path_layer_link(f->arena,
                                                     &f->route.name,
                                                     &f->route.digest));
    return REG_CALL;
}


static reg_todo_t
judge_delete(reg_flow_t *f)
{
    if (reg_store_failed(f, &f->calls[0])) {
        return REG_ANSWER;
    }

    return f->calls[0].reply.status == 404 ? unknown(f) : REG_NEXT;
}


static reg_todo_t
say_deleted(reg_flow_t *f)
{
    reg_answer(f, 202);

    return REG_ANSWER;
}
