/*
 * Blobs: GET, HEAD and DELETE of /v2/<name>/blobs/<digest>.
 *
 * A blob is readable in a repository that links it; the link's content is
 * the digest of the data (sha256 also for a blob asked by sha512).
 */

#include "reg_blob.h"
#include "core/reg_etag.h"
#include "core/reg_path.h"
#include "core/reg_range.h"
#include "core/reg_tempurl.h"
#include "reg_common.h"
#include "reg_store.h"


#define SLICES_MAX  512

/* of several ranges: slices that are read for them whatever they ask for, and
   bytes that are read for one that is asked for beyond that */
#define SLICES_FREE    8
#define SLICES_SPREAD  64


typedef struct {
    reg_data_t      data;               /* whose bytes the link means */
    unsigned        found:1;            /* its size is known */
    unsigned        listing:1;          /* its segments are to be seen */

    reg_range_t    *ranges;
    size_t          nranges;            /* 0: the whole */
    size_t          next;               /* to be sent */
    int64_t         sent;               /* of it, in slices */
    reg_range_t     whole;
    reg_str_t       boundary;           /* of several */
    reg_buf_t       delimiter;
} blob_t;


static reg_todo_t read_link(reg_flow_t *f);
static reg_todo_t judge_link(reg_flow_t *f);
static reg_todo_t head_data(reg_flow_t *f);
static reg_todo_t judge_data(reg_flow_t *f);
static reg_todo_t list_segments(reg_flow_t *f);
static reg_todo_t judge_segments(reg_flow_t *f);
static reg_todo_t check_conditions(reg_flow_t *f);
static reg_todo_t check_range(reg_flow_t *f);
static reg_todo_t read_small(reg_flow_t *f);
static reg_todo_t judge_small(reg_flow_t *f);
static reg_todo_t redirect(reg_flow_t *f);
static reg_todo_t send_data(reg_flow_t *f);
static reg_todo_t send_range(reg_flow_t *f);
static reg_todo_t judge_range(reg_flow_t *f);
static reg_todo_t refuse_delete(reg_flow_t *f);
static reg_todo_t delete_link(reg_flow_t *f);
static reg_todo_t judge_delete(reg_flow_t *f);
static reg_todo_t say_deleted(reg_flow_t *f);
static reg_todo_t unknown(reg_flow_t *f);


static const reg_step_t  read_blob[] = {
    { "read layer link", read_link, judge_link },
    { "check blob", head_data, judge_data },
    { "check segments", list_segments, judge_segments },
    { "check conditions", check_conditions, NULL },
    { "check range", check_range, NULL },
    { "read small blob", read_small, judge_small },
    { "redirect", redirect, NULL },
    { "send blob", send_data, NULL },
    { "send ranges", send_range, judge_range }
};


static const reg_step_t  delete_blob[] = {
    { "check that deletes are allowed", refuse_delete, NULL },
    { "delete layer link", delete_link, judge_delete },
    { "answer", say_deleted, NULL }
};


static const reg_str_t  octets = reg_string("application/octet-stream");
static const reg_str_t  cache = reg_string("max-age=31536000");


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
    blob_t      *b = f->op;
    reg_call_t  *call;

    if (b == NULL) {
        return reg_nomem(f);
    }

    reg_flow_recall(f, REG_GET, reg_path_layer_link(f->arena, &f->route.name,
                                                    &f->route.digest));

    if (f->route.digest.alg == REG_SHA256) {
        b->data.digest = f->route.digest;
        call = reg_data_head(f, &b->data);
        call->cache = REG_CACHE_FACT;

        /* slices are asked for one by one, of a redirect the client asks */

        call->early = (f->method == REG_GET && f->range.len == 0
                       && f->if_none_match.len == 0
                       && f->slice == 0 && f->redirect.len == 0);
    }

    return REG_CALL;
}


static reg_todo_t
take_data(reg_flow_t *f, reg_data_state_t state)
{
    blob_t  *b = f->op;

    switch (state) {

    case REG_DATA_WHOLE:
    case REG_DATA_LIST:
        b->found = 1;
        b->listing = (state == REG_DATA_LIST);
        return REG_NEXT;

    case REG_DATA_FAILED:
        return REG_ANSWER;

    default:

        /* damaged or not there: unknown, so that the next push repairs it */

        return unknown(f);
    }
}


static reg_todo_t
judge_link(reg_flow_t *f)
{
    blob_t  *b = f->op;

    if (reg_store_failed(f, &f->calls[0])) {
        return REG_ANSWER;
    }

    if (reg_data_link(f, &f->calls[0], &f->route.digest, &b->data.digest)
        != REG_OK)
    {
        return unknown(f);
    }

    if (f->ncalls == 2) {
        return take_data(f, reg_data_judge_head(f, &b->data, &f->calls[1]));
    }

    return REG_NEXT;
}


static reg_todo_t
head_data(reg_flow_t *f)
{
    blob_t  *b = f->op;

    if (b->found) {
        return REG_NEXT;
    }

    reg_data_head(f, &b->data)->cache = REG_CACHE_FACT;

    return REG_CALL;
}


static reg_todo_t
judge_data(reg_flow_t *f)
{
    blob_t  *b = f->op;

    return take_data(f, reg_data_judge_head(f, &b->data, &f->calls[0]));
}


static reg_todo_t
list_segments(reg_flow_t *f)
{
    blob_t  *b = f->op;

    if (!b->listing) {
        return REG_NEXT;
    }

    reg_data_list(f, &b->data);

    return REG_CALL;
}


static reg_todo_t
judge_segments(reg_flow_t *f)
{
    reg_todo_t  todo;
    blob_t     *b = f->op;

    todo = take_data(f, reg_data_judge_list(f, &b->data, &f->calls[0]));

    return todo == REG_NEXT && b->listing ? REG_AGAIN : todo;
}


static reg_todo_t
unknown(reg_flow_t *f)
{
    return reg_refuse_str(f, REG_E_BLOB_UNKNOWN, f->route.reference);
}


static reg_todo_t
check_conditions(reg_flow_t *f)
{
    if (reg_preconditions(f, &f->route.digest) == REG_NEXT) {
        return REG_NEXT;
    }

    if (f->answer.status == 304) {
        reg_answer_header(f, "Cache-Control", cache);
    }

    return REG_ANSWER;
}


static void
add_range(reg_buf_t *buf, const reg_range_t *range)
{
    reg_buf_number(buf, range->first);
    reg_buf_char(buf, '-');
    reg_buf_number(buf, range->last);
}


/* "bytes first-last/size" */

static reg_str_t
content_range(reg_flow_t *f, const reg_data_t *data, const reg_range_t *range)
{
    reg_buf_t  buf;

    reg_buf_init(&buf, f->arena, 72);
    reg_buf_text(&buf, "bytes ");

    if (range) {
        add_range(&buf, range);

    } else {
        reg_buf_char(&buf, '*');
    }

    reg_buf_char(&buf, '/');
    reg_buf_number(&buf, data->size);

    return reg_buf_str(&buf);
}


/* of a HEAD the range is ignored: RFC 9110, 14.2 defines it for GET alone */

static reg_todo_t
check_range(reg_flow_t *f)
{
    size_t     n;
    blob_t    *b = f->op;
    reg_rc_t   rc;
    reg_str_t  tag;

    if (f->method != REG_GET || f->range.len == 0) {
        return REG_NEXT;
    }

    if (f->if_range.len) {
        tag = reg_digest_text(f->arena, &f->route.digest);

        if (!reg_etag_is(&f->if_range, &tag)) {
            return REG_NEXT;
        }
    }

    rc = reg_range_select(f->arena, &f->range, b->data.size, &b->ranges, &n);

    if (rc == REG_NOMEM) {
        return reg_nomem(f);
    }

    if (rc != REG_OK) {
        return REG_NEXT;
    }

    if (n == 0) {
        reg_refuse(f, REG_E_RANGE_INVALID, "the range is beyond the blob");
        reg_answer_header(f, "Content-Range", content_range(f, &b->data, NULL));
        return REG_ANSWER;
    }

    b->nranges = n;

    return REG_NEXT;
}


static void
answer_blob(reg_flow_t *f, unsigned status, int64_t length,
    const reg_str_t *type)
{
    static const reg_str_t  bytes = reg_string("bytes");

    reg_answer(f, status);

    f->answer.content_type = *type;
    f->answer.length = length;

    reg_answer_digest(f, &f->route.digest, 1);
    reg_answer_header(f, "Cache-Control", cache);
    reg_answer_header(f, "Accept-Ranges", bytes);
}


static void
get_data(reg_flow_t *f, const reg_data_t *data, const reg_range_t *range)
{
    reg_buf_t    buf;
    reg_str_t    text;
    reg_call_t  *call;

    call = reg_flow_call(f, REG_GET, reg_path_blob(f->arena, &data->digest));
    call->want_status = 200;
    call->want_length = data->size;

    if (range) {
        reg_buf_init(&buf, f->arena, 48);
        reg_buf_text(&buf, "bytes=");
        add_range(&buf, range);

        text = reg_buf_str(&buf);
        reg_call_header(f, call, "Range", &text, 0);

        call->want_status = 206;
        call->want_length = range->last - range->first + 1;
        call->want_range = content_range(f, data, range);
        call->failed |= (call->want_range.data == NULL);
    }
}


/*
 * What stands before the bytes of a range, and behind the last one (RFC 9110,
 * 15.3.7.2), in a buffer that is used again for the next: it is sent then.
 */

static reg_str_t
delimiter(reg_flow_t *f, size_t i)
{
    blob_t     *b = f->op;
    reg_buf_t  *buf = &b->delimiter;

    buf->len = 0;

    reg_buf_text(buf, i ? "\r\n--" : "--");
    reg_buf_add_str(buf, &b->boundary);

    if (i == b->nranges) {
        reg_buf_text(buf, "--\r\n");
        return reg_buf_str(buf);
    }

    reg_buf_text(buf, "\r\nContent-Type: ");
    reg_buf_add_str(buf, &octets);
    reg_buf_text(buf, "\r\nContent-Range: bytes ");
    add_range(buf, &b->ranges[i]);
    reg_buf_char(buf, '/');
    reg_buf_number(buf, b->data.size);
    reg_buf_text(buf, "\r\n\r\n");

    return reg_buf_str(buf);
}


static reg_todo_t
answer_ranges(reg_flow_t *f)
{
    size_t          i;
    blob_t         *b = f->op;
    int64_t         length;
    reg_buf_t       type;
    reg_str_t       text;
    unsigned char  *hex;

    hex = reg_alloc(f->arena, 2 * sizeof(f->random));
    if (hex == NULL) {
        return reg_nomem(f);
    }

    b->boundary.data = hex;
    b->boundary.len = (size_t) (reg_hex(hex, f->random, sizeof(f->random))
                                - hex);

    reg_buf_init(&b->delimiter, f->arena, 256);

    length = (int64_t) delimiter(f, b->nranges).len;

    for (i = 0; i < b->nranges; i++) {
        length += b->ranges[i].last - b->ranges[i].first + 1
                  + (int64_t) delimiter(f, i).len;
    }

    reg_buf_init(&type, f->arena, 96);
    reg_buf_text(&type, "multipart/byteranges; boundary=");
    reg_buf_add_str(&type, &b->boundary);

    text = reg_buf_str(&type);
    if (text.data == NULL || b->delimiter.failed) {
        return reg_nomem(f);
    }

    answer_blob(f, 206, length, &text);

    return REG_NEXT;
}


/* into memory, where it is checked, and may be kept */

static reg_todo_t
read_small(reg_flow_t *f)
{
    blob_t  *b = f->op;

    if (f->method == REG_HEAD || b->nranges > 1
        || b->data.size == 0 || b->data.size > REG_SMALL_MAX)
    {
        return REG_NEXT;
    }

    reg_flow_recall_data(f, reg_path_blob(f->arena, &b->data.digest),
                         &b->data.digest);
    f->calls[0].reply_max = (size_t) b->data.size;

    return REG_CALL;
}


static reg_todo_t
judge_small(reg_flow_t *f)
{
    blob_t       *b = f->op;
    reg_call_t   *call = &f->calls[0];
    reg_range_t   all = { 0, b->data.size - 1 }, *range;

    if (reg_store_failed(f, call)) {
        return REG_ANSWER;
    }

    if (call->reply.status != 200) {
        return unknown(f);
    }

    if (!call->reply.cached
        && !reg_digest_is_of(&b->data.digest, &call->reply.body))
    {
        reg_damaged(f, &call->object, "has other bytes than its digest");
        return unknown(f);
    }

    /* it is the link that says whose bytes these are: it was not compared */

    if (f->route.digest.alg != b->data.digest.alg
        && !reg_digest_is_of(&f->route.digest, &call->reply.body))
    {
        reg_damaged(f, &call->object, "is not what a link to it is for");
        return unknown(f);
    }

    /* the size is that of another call: ranges are within these bytes, or not
       answered */

    if ((int64_t) call->reply.body.len != b->data.size) {
        return reg_refuse(f, REG_E_UNAVAILABLE,
                          "the storage sent another size than it had told");
    }

    range = b->nranges ? b->ranges : &all;

    answer_blob(f, b->nranges ? 206 : 200, range->last - range->first + 1,
                &octets);

    if (b->nranges) {
        reg_answer_header(f, "Content-Range",
                          content_range(f, &b->data, range));
    }

    f->answer.body.data = call->reply.body.data + range->first;
    f->answer.body.len = (size_t) f->answer.length;

    return REG_ANSWER;
}


/* never for several ranges, of which RGW answers the first only */

static reg_todo_t
redirect(reg_flow_t *f)
{
    blob_t    *b = f->op;
    reg_str_t  object, url;

    if (f->redirect.len == 0 || f->method != REG_GET || b->nranges > 1
        || b->data.size == 0)
    {
        return REG_NEXT;
    }

    object = reg_path_blob(f->arena, &b->data.digest);
    if (object.data == NULL) {
        return reg_nomem(f);
    }

    url = reg_tempurl(f->arena, &f->redirect, &f->container, &object,
                      &f->redirect_key, f->now + f->redirect_expires);
    if (url.data == NULL) {
        return reg_nomem(f);
    }

    reg_answer(f, 307);
    reg_answer_header(f, "Location", url);
    reg_answer_digest(f, &f->route.digest, 0);

    return REG_ANSWER;
}


/*
 * Slices of a large blob are larger, since each costs some memory until the
 * request has ended.
 */

static int64_t
slice_size(const reg_flow_t *f, const reg_data_t *data)
{
    int64_t  size;

    for (size = f->slice; data->size / size >= SLICES_MAX; size *= 2) {
        /* void */
    }

    return size;
}


/* a request of some bytes here and there must not have all of a blob read */

static int
scattered(const reg_flow_t *f, const blob_t *b)
{
    int64_t        size, asked, slices;
    unsigned char  seen[SLICES_MAX] = { 0 };

    if (f->slice == 0 || b->nranges < 2) {
        return 0;
    }

    size = slice_size(f, &b->data);
    slices = reg_range_blocks(b->ranges, b->nranges, size, seen, &asked);

    return slices > SLICES_FREE && slices * size / SLICES_SPREAD > asked;
}


static reg_todo_t
send_data(reg_flow_t *f)
{
    blob_t  *b = f->op;

    if (scattered(f, b)) {
        f->slice = 0;
    }

    if (b->nranges > 1) {
        return answer_ranges(f);
    }

    if (b->nranges == 1) {
        answer_blob(f, 206, b->ranges->last - b->ranges->first + 1, &octets);
        reg_answer_header(f, "Content-Range",
                          content_range(f, &b->data, b->ranges));

    } else {
        answer_blob(f, 200, b->data.size, &octets);
    }

    if (f->method == REG_HEAD || b->data.size == 0) {
        return REG_ANSWER;
    }

    if (f->slice == 0) {
        get_data(f, &b->data, b->ranges);
        return REG_PASS;
    }

    if (b->nranges == 0) {
        b->whole.last = b->data.size - 1;
        b->ranges = &b->whole;
        b->nranges = 1;
    }

    return REG_NEXT;
}


int64_t
reg_data_slice(reg_flow_t *f, const reg_data_t *data, int64_t at)
{
    int64_t      size;
    reg_call_t  *call;
    reg_range_t  range;

    size = slice_size(f, data);

    range.first = at / size * size;
    range.last = range.first + size - 1;

    if (range.last >= data->size) {
        range.last = data->size - 1;
    }

    get_data(f, data, &range);

    call = &f->calls[f->ncalls - 1];
    call->slice = size;
    call->skip = at - range.first;
    call->take = range.last - at + 1;

    return range.last + 1;
}


/* one slice, what of it is to be sent, and the next one, to fetch it ahead */

static void
get_slice(reg_flow_t *f)
{
    blob_t       *b = f->op;
    int64_t       left, next;
    reg_range_t  *range = &b->ranges[b->next];

    next = reg_data_slice(f, &b->data, range->first + b->sent);

    left = range->last - range->first + 1 - b->sent;

    if (f->calls[0].take > left) {
        f->calls[0].take = left;
    }

    if (next <= range->last) {
        (void) reg_data_slice(f, &b->data, next);
    }
}


/*
 * RGW answers the first of several ranges only: each is a call of its own,
 * as is each slice.
 */

static reg_todo_t
send_range(reg_flow_t *f)
{
    blob_t      *b = f->op;
    reg_call_t  *call;
    reg_range_t  rest;

    if (b->next == b->nranges) {

        if (b->nranges > 1) {
            f->answer.body = delimiter(f, b->next);
        }

        return REG_ANSWER;
    }

    if (f->slice) {
        get_slice(f);

    } else {
        rest = b->ranges[b->next];
        rest.first += b->sent;
        get_data(f, &b->data, &rest);
    }

    call = &f->calls[0];

    if (b->nranges > 1 && b->sent == 0) {
        call->head = delimiter(f, b->next);
        call->failed |= (call->head.data == NULL);
    }

    return REG_RANGE;
}


/* a part that broke in its middle has ended the request */

static reg_todo_t
judge_range(reg_flow_t *f)
{
    blob_t       *b = f->op;
    reg_range_t  *range = &b->ranges[b->next];

    if (reg_store_failed(f, &f->calls[0])) {
        return REG_ANSWER;
    }

    if (f->calls[0].reply.status != 206) {
        return reg_refuse(f, REG_E_UNAVAILABLE,
                          "the storage does not send the range");
    }

    b->sent += f->calls[0].take;

    if (f->calls[0].slice == 0 || b->sent > range->last - range->first) {
        b->next++;
        b->sent = 0;
    }

    return REG_AGAIN;
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
