#include "reg_data.h"
#include "core/reg_path.h"
#include "reg_store.h"


#define SEGMENTS_PAGE  1000
#define NUMBER_LEN     16


static int find_segments(reg_flow_t *f, reg_data_t *data,
    const reg_str_t *manifest);
static void unescape(reg_str_t *s);
static int64_t number_of(const reg_data_t *data, const reg_str_t *name);
static int follows(reg_data_t *data, const reg_entry_t *entry);
static reg_data_state_t missing(reg_flow_t *f, const reg_data_t *data);
static reg_data_state_t wrong_size(reg_flow_t *f, const reg_data_t *data,
    int64_t size, const char *whose);
static reg_data_state_t damaged(reg_flow_t *f, const reg_data_t *data,
    const char *what);


reg_call_t *
reg_data_head(reg_flow_t *f, const reg_data_t *data)
{
    return reg_flow_call(f, REG_HEAD, reg_path_blob(f->arena, &data->digest));
}


reg_data_state_t
reg_data_judge_head(reg_flow_t *f, reg_data_t *data, const reg_call_t *call)
{
    reg_digest_t        empty;
    const reg_reply_t  *reply;

    reply = &call->reply;

    if (reg_store_failed(f, call)) {
        return REG_DATA_FAILED;
    }

    if (reply->status != 200 || reply->length < 0) {
        return REG_DATA_ABSENT;
    }

    data->size = reply->length;

    if (data->size == 0) {
        reg_digest_of(&empty, data->digest.alg, "", 0);

        if (!reg_digest_equal(&empty, &data->digest)) {
            return damaged(f, data, reply->object_manifest.len
                                    ? "has no segments" : "is empty");
        }

        return REG_DATA_WHOLE;
    }

    if (reply->object_manifest.len == 0) {
        return REG_DATA_WHOLE;
    }

    if (reply->whole > 0) {
        return reply->whole == data->size
               ? REG_DATA_WHOLE
               : wrong_size(f, data, reply->whole, "were made");
    }

    return find_segments(f, data, &reply->object_manifest)
           ? REG_DATA_LIST : REG_DATA_WHOLE;
}


/* 0: they are outside of all that is ours, which is RGW's affair alone */

static int
find_segments(reg_flow_t *f, reg_data_t *data, const reg_str_t *manifest)
{
    reg_str_t  prefix;

    if (!reg_data_segments(f, manifest, &prefix)) {
        return 0;
    }

    data->segments = prefix;
    data->by_offset = (reg_str_starts(&prefix, REG_PATH_SEGMENTS) != 0);
    data->named = 1;
    data->marker.len = 0;
    data->next = -1;
    data->sum = 0;

    return 1;
}


int
reg_data_segments(reg_flow_t *f, const reg_str_t *manifest,
    reg_str_t *prefix)
{
    size_t  len;

    len = f->container.len;

    if (reg_str_copy(f->arena, prefix, manifest->data, manifest->len)
        != REG_OK)
    {
        prefix->data = NULL;
        prefix->len = 0;
        return 1;
    }

    unescape(prefix);

    if (prefix->len <= len || prefix->data[len] != '/'
        || memcmp(prefix->data, f->container.data, len) != 0)
    {
        return 0;
    }

    prefix->data += len + 1;
    prefix->len -= len + 1;

    return 1;
}


static int
digit(unsigned char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    c |= 0x20;

    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}


/* in place, as it only gets shorter */

static void
unescape(reg_str_t *s)
{
    unsigned char        *dst;
    const unsigned char  *p, *end;

    dst = s->data;
    end = s->data + s->len;

    for (p = s->data; p < end; p++) {

        if (*p == '%' && end - p > 2 && digit(p[1]) >= 0 && digit(p[2]) >= 0)
        {
            *dst++ = (unsigned char) (16 * digit(p[1]) + digit(p[2]));
            p += 2;
            continue;
        }

        *dst++ = *p;
    }

    s->len = (size_t) (dst - s->data);
}


void
reg_data_list(reg_flow_t *f, const reg_data_t *data)
{
    reg_call_list(f, &data->segments, &data->marker, 0, SEGMENTS_PAGE);
}


reg_data_state_t
reg_data_judge_list(reg_flow_t *f, reg_data_t *data, const reg_call_t *call)
{
    size_t          i;
    reg_listing_t   listing;

    if (reg_judge_list_row(f, call, &listing) == REG_ANSWER) {
        return REG_DATA_FAILED;
    }

    for (i = 0; i < listing.n; i++) {
        if (!follows(data, &listing.entries[i])) {
            return missing(f, data);
        }
    }

    /* RGW may send less than was asked for, though there is more */

    if (listing.n == SEGMENTS_PAGE
        || (listing.n && data->sum < data->size))
    {
        if (reg_str_copy(f->arena, &data->marker,
                         listing.entries[listing.n - 1].name.data,
                         listing.entries[listing.n - 1].name.len)
            != REG_OK)
        {
            (void) reg_nomem(f);
            return REG_DATA_FAILED;
        }

        return REG_DATA_LIST;
    }

    /* they may have changed since the HEAD */

    if (data->sum != data->size) {
        return wrong_size(f, data, data->sum, "are the sum of its segments");
    }

    /* the last segment is missed by its size alone */

    if (data->least > data->size) {
        return wrong_size(f, data, data->least, "are named");
    }

    return REG_DATA_WHOLE;
}


/*
 * registry:2 numbers segments from 1; where it continued an upload that was
 * a plain object, that one became 0 and the next is 2.
 */

static int
follows(reg_data_t *data, const reg_entry_t *entry)
{
    int64_t  number, expected;

    number = number_of(data, &entry->name);

    if (number < 0) {
        data->named = 0;
    }

    if (data->named) {

        if (data->by_offset) {
            expected = data->sum;

        } else if (data->next == -1) {
            expected = number == 0 ? 0 : 1;

        } else {
            expected = data->next;
        }

        data->next = expected;

        if (number != expected) {
            return 0;
        }

        data->next = number == 0 ? 2 : number + 1;
    }

    reg_size_add(&data->sum, entry->bytes);

    return 1;
}


static int64_t
number_of(const reg_data_t *data, const reg_str_t *name)
{
    reg_str_t  rest;

    if (name->len < data->segments.len) {
        return -1;
    }

    rest.data = name->data + data->segments.len;
    rest.len = name->len - data->segments.len;

    if (rest.len && rest.data[0] == '/') {
        rest.data++;
        rest.len--;
    }

    return rest.len == NUMBER_LEN ? reg_atoi64(rest.data, rest.len) : -1;
}


static reg_data_state_t
missing(reg_flow_t *f, const reg_data_t *data)
{
    reg_buf_t  b;

    reg_buf_init(&b, f->arena, 512);
    reg_buf_text(&b, data->by_offset ? "lacks the segment at offset "
                                     : "lacks segment ");
    reg_buf_number(&b, data->next);
    reg_buf_text(&b, " of \"");
    reg_buf_visible(&b, data->segments.data, data->segments.len);
    reg_buf_add(&b, "\"", 2);

    return damaged(f, data, (const char *) reg_buf_str(&b).data);
}


static reg_data_state_t
wrong_size(reg_flow_t *f, const reg_data_t *data, int64_t size,
    const char *whose)
{
    reg_buf_t  b;

    reg_buf_init(&b, f->arena, 128);
    reg_buf_text(&b, "has ");
    reg_buf_number(&b, data->size);
    reg_buf_text(&b, " bytes, where ");
    reg_buf_number(&b, size);
    reg_buf_char(&b, ' ');
    reg_buf_add(&b, whose, strlen(whose) + 1);

    return damaged(f, data, (const char *) reg_buf_str(&b).data);
}


static reg_data_state_t
damaged(reg_flow_t *f, const reg_data_t *data, const char *what)
{
    reg_str_t  object;

    object = reg_path_blob(f->arena, &data->digest);

    reg_damaged(f, &object, what ? what : "is damaged");

    return REG_DATA_DAMAGED;
}


reg_rc_t
reg_data_link(reg_flow_t *f, const reg_call_t *call, const reg_digest_t *d,
    reg_digest_t *data)
{
    if (call->reply.status != 200) {
        return REG_BAD;
    }

    if (reg_link_read(&call->reply, data) != REG_OK) {
        reg_damaged(f, &call->object, call->reply.body.len
                                      ? "is a link that holds no digest"
                                      : "is an empty link");
        return REG_BAD;
    }

    if (!reg_digest_equal(data, d)
        && (d->alg == REG_SHA256 || data->alg != REG_SHA256))
    {
        reg_damaged(f, &call->object, "is a link to another digest");
        return REG_BAD;
    }

    if (call->reply.body.data[call->reply.body.len - 1] == '\n') {
        reg_damaged(f, &call->object,
                    "ends in a newline; registry:2 cannot read it");
    }

    return REG_OK;
}
