/*
 * What the requests of one upload share.
 */

#include "reg_upload.h"
#include "core/reg_path.h"
#include "core/reg_swift.h"
#include "reg_common.h"
#include "reg_store.h"


#define MARGIN    3600                  /* parts outlive the state */


/* RFC 9562, version 4 */

int
reg_upload_new_id(reg_flow_t *f, reg_str_t *id)
{
    unsigned        i;
    unsigned char  *p;

    f->random[6] = (unsigned char) ((f->random[6] & 0x0f) | 0x40);
    f->random[8] = (unsigned char) ((f->random[8] & 0x3f) | 0x80);

    p = reg_alloc(f->arena, 36);
    if (p == NULL) {
        return 0;
    }

    id->data = p;
    id->len = 36;

    for (i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *p++ = '-';
        }

        p = reg_hex(p, &f->random[i], 1);
    }

    return 1;
}


int
reg_upload_place(reg_flow_t *f, reg_place_t what, uint64_t tip)
{
    reg_upload_t  *u = f->op;

    return f->place && f->place(f->places, what, &u->id, tip);
}


void
reg_upload_expire(reg_flow_t *f, reg_call_t *call)
{
    int64_t              seconds;
    const reg_upload_t  *u = f->op;

    seconds = f->upload_expires;

    if (f->now && u->session.expires > f->now) {
        seconds = u->session.expires - f->now + MARGIN;
    }

    reg_call_header(f, call, REG_SWIFT_EXPIRE_AFTER, NULL, seconds);
}


reg_str_t
reg_upload_part(reg_flow_t *f, const reg_part_t *part)
{
    reg_upload_t  *u = f->op;

    return reg_path_part(f->arena, &f->route.name, &u->id, part);
}


unsigned
reg_upload_small(const reg_upload_t *u)
{
    int64_t   total;
    uint32_t  i;

    for (total = 0, i = u->npath; i > 0; i--) {
        reg_size_add(&total, u->path[i - 1]->size);

        if (u->path[i - 1]->size >= REG_PART_SMALL
            || total > (int64_t) REG_PART_SMALL * REG_PARTS_RUN)
        {
            break;
        }
    }

    return u->npath - i;
}


void
reg_upload_answer(reg_flow_t *f, unsigned status)
{
    reg_buf_t      b, range;
    reg_str_t      state, location;
    reg_upload_t  *u = f->op;

    reg_answer(f, status);

    location = reg_location(f, "/blobs/uploads/", &u->id);
    state = reg_session_encode(f->arena, &u->session, f->secret,
                               &f->route.name, &u->id);

    reg_buf_init(&b, f->arena, location.len + state.len + 16);
    reg_buf_add_str(&b, &location);
    reg_buf_text(&b, "?_state=");
    reg_buf_add_str(&b, &state);

    reg_buf_init(&range, f->arena, 32);
    reg_buf_text(&range, "0-");
    reg_buf_number(&range, u->session.offset ? u->session.offset - 1 : 0);

    reg_answer_header(f, "Location", state.data ? reg_buf_str(&b) : state);
    reg_answer_header(f, "Range", reg_buf_str(&range));
    reg_answer_header(f, "Docker-Upload-UUID", u->id);
}


reg_todo_t
reg_upload_refuse_range(reg_flow_t *f)
{
    reg_answer_t  refusal;

    reg_refuse(f, REG_E_RANGE_INVALID,
               "the range does not begin where the upload ends");
    refusal = f->answer;

    reg_upload_answer(f, 416);

    f->answer.content_type = refusal.content_type;
    f->answer.body = refusal.body;
    f->answer.length = refusal.length;
    f->answer.error = refusal.error;

    return REG_ANSWER;
}


reg_todo_t
reg_upload_say_begun(reg_flow_t *f)
{
    (void) reg_upload_place(f, REG_PLACE_BEGIN, 0);

    reg_upload_answer(f, 202);

    return REG_ANSWER;
}


reg_todo_t
reg_upload_refuse_expiring(reg_flow_t *f)
{
    return reg_refuse(f, REG_E_UNAVAILABLE,
                      "the storage lets expire what it was told to keep");
}


void
reg_upload_mark(reg_flow_t *f, reg_str_t digest)
{
    reg_call_t    *call;
    reg_upload_t  *u = f->op;

    call = reg_flow_call(f, REG_PUT,
                         reg_path_cancelled(f->arena, &f->route.name,
                                            &u->id));
    reg_upload_expire(f, call);
    call->body = digest;
}


void
reg_upload_ask_mark(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    reg_flow_call(f, REG_GET, reg_path_cancelled(f->arena, &f->route.name,
                                                 &u->id));
}


reg_todo_t
reg_upload_judge_mark(reg_flow_t *f, const reg_call_t *call)
{
    reg_digest_t   d;
    reg_upload_t  *u = f->op;

    if (reg_store_failed(f, call)) {
        return REG_ANSWER;
    }

    if (call->reply.status != 200) {
        return REG_NEXT;
    }

    /* closed with this digest: the answer may have been lost */

    if (u->closing && reg_link_read(&call->reply, &d) == REG_OK
        && reg_digest_equal(&d, &u->digest))
    {
        return REG_AGAIN;
    }

    return reg_refuse_str(f, REG_E_BLOB_UPLOAD_UNKNOWN, u->id);
}


reg_todo_t
reg_upload_link(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

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

    /* a mount has no size */

    f->made = u->data;
    f->made_size = u->size;

    reg_answer(f, 201);
    reg_answer_header(f, "Location", reg_location(f, "/blobs/", &text));
    reg_answer_digest(f, &u->digest, 0);

    return REG_ANSWER;
}
