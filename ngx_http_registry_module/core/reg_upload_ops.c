/*
 * Uploads: POST of /v2/<name>/blobs/uploads/, and PATCH, GET, HEAD and DELETE
 * of /v2/<name>/blobs/uploads/<id>.
 *
 * Beginning one costs no storage call: its state is in the Location.  Each
 * PATCH becomes a part, an object of its own that expires.
 */

#include "reg_upload.h"
#include "reg_name.h"
#include "reg_path.h"
#include "reg_query.h"
#include "reg_range.h"


#define LISTING_PAGE  1000


static const reg_step_t *begin_steps(reg_flow_t *f, reg_upload_t *u);
static reg_todo_t say_begun(reg_flow_t *f);
static reg_todo_t read_source(reg_flow_t *f);
static reg_todo_t judge_source(reg_flow_t *f);
static reg_todo_t check_source(reg_flow_t *f);
static reg_todo_t judge_checked(reg_flow_t *f);
static reg_todo_t list_source(reg_flow_t *f);
static reg_todo_t judge_source_list(reg_flow_t *f);
static reg_todo_t refuse_range(reg_flow_t *f);
static reg_todo_t say_accepted(reg_flow_t *f);
static reg_todo_t say_status(reg_flow_t *f);
static reg_todo_t say_cancelled(reg_flow_t *f);
static void answer_upload(reg_flow_t *f, unsigned status);


static const reg_step_t  begin_upload[] = {
    { "begin upload", say_begun, NULL }
};


static const reg_step_t  mount_blob[] = {
    { "read source link", read_source, judge_source },
    { "check blob", check_source, judge_checked },
    { "check segments", list_source, judge_source_list },
    { "link blob", reg_upload_link, reg_judge_made },
    { "answer", reg_upload_say_created, NULL }
};


static const reg_step_t  patch_upload[] = {
    { "find upload", reg_upload_find, reg_upload_judge_listed },
    { "check range", reg_upload_check_range, NULL },
    { "feed part", reg_upload_feed, reg_upload_judge_fed },
    { "answer", say_accepted, NULL }
};


static const reg_step_t  upload_status[] = {
    { "list parts", reg_upload_list, reg_upload_judge_listed },
    { "answer", say_status, NULL }
};


static const reg_step_t  cancel_upload[] = {
    { "list parts", reg_upload_list, reg_upload_judge_listed },
    { "delete parts", reg_upload_delete_parts, reg_upload_delete_parts },
    { "answer", say_cancelled, NULL }
};


const reg_step_t *
reg_upload_steps(reg_flow_t *f)
{
    reg_upload_t      *u;
    reg_session_rc_t   rc;

    u = reg_calloc(f->arena, sizeof(reg_upload_t));
    if (u == NULL) {
        reg_nomem(f);
        return reg_refused;
    }

    f->op = u;
    reg_session_init(&u->session);

    if (f->route.kind == REG_ROUTE_UPLOADS) {
        return f->method == REG_POST ? begin_steps(f, u) : reg_not_allowed;
    }

    u->id = f->route.reference;

    rc = reg_session_read(f->arena, &u->session, f->secret, f->nsecrets,
                          &f->route.name, &u->id, &f->args);

    u->known = (rc == REG_SESSION_GOOD);

    if (rc == REG_SESSION_NOMEM) {
        reg_nomem(f);
        return reg_refused;
    }

    if (rc == REG_SESSION_FOREIGN) {

        /* not trusted: what the store has is listed, and read again */

        memcpy(u->foreign, u->session.key_id, REG_SESSION_KEY_ID);
        f->foreign = u->foreign;

    } else if (!u->known && rc != REG_SESSION_NONE) {
        reg_refuse(f, REG_E_BLOB_UPLOAD_INVALID, reg_session_text(rc));
        return reg_refused;
    }

    if (u->session.expires && f->now && f->now >= u->session.expires) {
        reg_refuse(f, REG_E_BLOB_UPLOAD_UNKNOWN, "the upload has expired");
        return reg_refused;
    }

    if (u->session.expires == 0 && f->now) {
        u->session.expires = f->now + f->upload_expires;
    }

    u->hash = u->session.hash;

    switch (f->method) {
    case REG_PATCH:
        return patch_upload;
    case REG_PUT:
        return reg_commit_steps(f);
    case REG_GET:
    case REG_HEAD:
        return upload_status;
    case REG_DELETE:
        return cancel_upload;
    default:
        return reg_not_allowed;
    }
}


static const reg_step_t *
begin_steps(reg_flow_t *f, reg_upload_t *u)
{
    unsigned        i;
    reg_str_t       mount, from, digest;
    unsigned char  *p;

    /* RFC 9562, version 4 */

    f->random[6] = (unsigned char) ((f->random[6] & 0x0f) | 0x40);
    f->random[8] = (unsigned char) ((f->random[8] & 0x3f) | 0x80);

    p = reg_alloc(f->arena, 36);
    if (p == NULL) {
        reg_nomem(f);
        return reg_refused;
    }

    u->id.data = p;
    u->id.len = 36;

    for (i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *p++ = '-';
        }

        p = reg_hex(p, &f->random[i], 1);
    }

    u->known = 1;
    u->hash = u->session.hash;
    u->session.authorized = f->authorize_until;

    if (f->now) {
        u->session.expires = f->now + f->upload_expires;
    }

    if (reg_query_get(f->arena, &f->args, "mount", &mount) != REG_OK
        || reg_query_get(f->arena, &f->args, "from", &from) != REG_OK
        || reg_query_get(f->arena, &f->args, "digest", &digest) != REG_OK)
    {
        reg_refuse(f, REG_E_DIGEST_INVALID,
                   "mount, from or digest is malformed or there twice");
        return reg_refused;
    }

    if (mount.data && from.data
        && reg_name_valid(&from)
        && reg_digest_parse(&mount, &u->digest) == REG_OK)
    {
        u->from = from;
        return mount_blob;
    }

    if (digest.data) {
        return reg_commit_steps(f);
    }

    return begin_upload;
}


static reg_todo_t
say_begun(reg_flow_t *f)
{
    answer_upload(f, 202);

    return REG_ANSWER;
}


static reg_todo_t
read_source(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    reg_flow_call(f, REG_GET,
                  reg_path_layer_link(f->arena, &u->from, &u->digest));

    return REG_CALL;
}


/* whatever prevents a mount makes it a plain upload: the spec's "fall back" */

static reg_todo_t
judge_source(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    if (reg_store_failed(f, &f->calls[0])) {
        return REG_ANSWER;
    }

    if (reg_data_link(f, &f->calls[0], &u->digest, &u->data) != REG_OK) {
        return say_begun(f);
    }

    return REG_NEXT;
}


static reg_todo_t
check_source(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    u->source.digest = u->data;
    reg_data_head(f, &u->source);

    return REG_CALL;
}


static reg_todo_t
take_source(reg_flow_t *f, reg_data_state_t state)
{
    reg_upload_t  *u = f->op;

    u->listing = (state == REG_DATA_LIST);

    switch (state) {
    case REG_DATA_WHOLE:
    case REG_DATA_LIST:
        return REG_NEXT;
    case REG_DATA_FAILED:
        return REG_ANSWER;
    default:
        return say_begun(f);
    }
}


static reg_todo_t
judge_checked(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    return take_source(f, reg_data_judge_head(f, &u->source, &f->calls[0]));
}


static reg_todo_t
list_source(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    if (!u->listing) {
        return REG_NEXT;
    }

    reg_data_list(f, &u->source);

    return REG_CALL;
}


static reg_todo_t
judge_source_list(reg_flow_t *f)
{
    reg_todo_t     todo;
    reg_upload_t  *u = f->op;

    todo = take_source(f, reg_data_judge_list(f, &u->source, &f->calls[0]));

    return todo == REG_NEXT && u->listing ? REG_AGAIN : todo;
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
    }

    return REG_CALL;
}


reg_todo_t
reg_upload_say_created(reg_flow_t *f)
{
    reg_str_t      text;
    reg_upload_t  *u = f->op;

    text = reg_digest_text(f->arena, &u->digest);

    reg_answer(f, 201);
    reg_answer_header(f, "Location", reg_location(f, "/blobs/", &text));
    reg_answer_digest(f, &u->digest, 0);

    return REG_ANSWER;
}


reg_todo_t
reg_upload_find(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    return u->known ? REG_NEXT : reg_upload_list(f);
}


reg_todo_t
reg_upload_check_range(reg_flow_t *f)
{
    int64_t        start, end;
    reg_upload_t  *u = f->op;

    if (f->content_range.len == 0) {
        return REG_NEXT;
    }

    if (reg_content_range_parse(&f->content_range, &start, &end) != REG_OK
        || start != u->session.offset)
    {
        return refuse_range(f);
    }

    if (f->body_length >= 0 && f->body_length != end - start + 1) {
        return reg_refuse(f, REG_E_SIZE_INVALID,
                          "Content-Range and Content-Length differ");
    }

    return REG_NEXT;
}


static reg_todo_t
refuse_range(reg_flow_t *f)
{
    reg_answer_t  refusal;

    reg_refuse(f, REG_E_RANGE_INVALID,
               "the range does not begin where the upload ends");
    refusal = f->answer;

    answer_upload(f, 416);

    f->answer.content_type = refusal.content_type;
    f->answer.body = refusal.body;
    f->answer.length = refusal.length;
    f->answer.error = refusal.error;

    return REG_ANSWER;
}


reg_todo_t
reg_upload_feed(reg_flow_t *f)
{
    reg_call_t    *call;
    reg_upload_t  *u = f->op;

    if (f->body_length == 0) {
        return REG_NEXT;
    }

    f->cut = 0;

    call = reg_flow_call(f, REG_PUT, reg_path_part(f->arena, &f->route.name,
                                                   &u->id,
                                                   u->session.offset));
    call->feed = 1;
    reg_call_header(f, call, "X-Delete-After", NULL, f->upload_expires);

    f->hash = u->session.hashed ? &u->hash : NULL;

    return REG_CALL;
}


reg_todo_t
reg_upload_judge_fed(reg_flow_t *f)
{
    reg_call_t    *call = &f->calls[0];
    reg_upload_t  *u = f->op;

    f->hash = NULL;

    if (f->refused) {
        return reg_refuse(f, REG_E_DIGEST_INVALID,
                          "the bytes sent are not those of the digest");
    }

    if (reg_store_failed(f, call)) {
        return REG_ANSWER;
    }

    /* an answer before the end of the body would acknowledge less than all */

    if (call->reply.status != 201 || !(f->fed_to_end || f->cut)
        || call->reply.etag.len == 0)
    {
        return reg_refuse(f, REG_E_UNAVAILABLE,
                          "the storage did not take the body");
    }

    if (f->fed > 0) {
        reg_session_add(&u->session, f->fed, &call->reply.etag);
        u->session.hash = u->hash;

        /* what was listed before this part is no longer all of them */

        u->listed = 0;
    }

    return f->cut ? REG_AGAIN : REG_NEXT;
}


static reg_todo_t
say_accepted(reg_flow_t *f)
{
    answer_upload(f, 202);

    return REG_ANSWER;
}


static reg_todo_t
say_status(reg_flow_t *f)
{
    answer_upload(f, 204);

    return REG_ANSWER;
}


static void
answer_upload(reg_flow_t *f, unsigned status)
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

    reg_answer_header(f, "Location", reg_buf_str(&b));
    reg_answer_header(f, "Range", reg_buf_str(&range));
    reg_answer_header(f, "Docker-Upload-UUID", u->id);
}


reg_todo_t
reg_upload_list(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    return reg_upload_list_under(f, reg_path_parts(f->arena, &f->route.name,
                                                   &u->id));
}


reg_todo_t
reg_upload_list_under(reg_flow_t *f, reg_str_t prefix)
{
    reg_upload_t  *u = f->op;

    if (u->marker.len == 0) {
        u->nparts = 0;
        u->listed = 0;
    }

    reg_call_list(f, &prefix, &u->marker, 0, LISTING_PAGE);

    return REG_CALL;
}


/* parts follow each other without a gap; what comes behind one is no part */

static reg_rc_t
add_part(reg_flow_t *f, reg_upload_t *u, const reg_entry_t *entry)
{
    int64_t      offset, end;
    reg_part_t  *parts;

    end = u->nparts ? u->parts[u->nparts - 1].offset
                      + u->parts[u->nparts - 1].size : 0;

    offset = entry->name.len < 16 ? -1
             : reg_atoi64(entry->name.data + entry->name.len - 16, 16);

    if (offset != end || entry->bytes <= 0) {
        return REG_OK;
    }

    if (u->nparts == u->parts_room) {
        u->parts_room = u->parts_room ? 2 * u->parts_room : 16;

        parts = reg_alloc(f->arena, u->parts_room * sizeof(reg_part_t));
        if (parts == NULL) {
            return REG_NOMEM;
        }

        if (u->nparts) {
            memcpy(parts, u->parts, u->nparts * sizeof(reg_part_t));
        }

        u->parts = parts;
    }

    u->parts[u->nparts].offset = offset;
    u->parts[u->nparts].size = entry->bytes;
    u->parts[u->nparts++].etag = entry->hash;

    return REG_OK;
}


reg_todo_t
reg_upload_judge_listed(reg_flow_t *f)
{
    size_t          i;
    const char     *why;
    reg_call_t     *call = &f->calls[0];
    reg_upload_t   *u = f->op;
    reg_session_t   found;
    reg_listing_t   listing;

    if (reg_store_failed(f, call)) {
        return REG_ANSWER;
    }

    listing.n = 0;

    if (call->reply.body.len
        && reg_listing_parse(f->arena, &call->reply.body, &listing, &why)
           != REG_OK)
    {
        return reg_refuse(f, REG_E_UNAVAILABLE,
                          "the storage sent a listing that is none");
    }

    for (i = 0; i < listing.n; i++) {
        if (add_part(f, u, &listing.entries[i]) != REG_OK) {
            return reg_nomem(f);
        }
    }

    if (listing.n) {
        u->marker = listing.entries[listing.n - 1].name;
        return REG_AGAIN;
    }

    u->marker.len = 0;
    u->listed = 1;
    u->next = 0;

    reg_session_init(&found);

    for (i = 0; i < u->nparts; i++) {
        reg_session_add(&found, u->parts[i].size, &u->parts[i].etag);
    }

    /*
     * Finished, cancelled or expired; an upload may begin without parts, at
     * a node with another secret, too.
     */

    if (u->nparts == 0
        && (!u->known || u->session.nparts > 0)
        && (f->foreign == NULL || f->body_length == 0))
    {
        return reg_refuse_str(f, REG_E_BLOB_UPLOAD_UNKNOWN, u->id);
    }

    if (!u->known
        || memcmp(found.chain, u->session.chain, sizeof(found.chain)) != 0)
    {
        /* the store is right; the hash over it has yet to be made */

        found.hashed = (found.nparts == 0);
        found.expires = u->session.expires;
        found.authorized = u->session.authorized;
        u->session = found;
        u->hash = found.hash;
        u->known = 1;
    }

    return REG_NEXT;
}


reg_todo_t
reg_upload_delete_parts(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    f->ncalls = 0;

    while (u->next < u->nparts && f->ncalls < REG_CALLS_MAX) {
        reg_flow_call(f, REG_DELETE,
                      reg_path_part(f->arena, &f->route.name, &u->id,
                                    u->parts[u->next++].offset));
    }

    return f->ncalls ? REG_CALL : REG_NEXT;
}


static reg_todo_t
say_cancelled(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    reg_answer(f, 204);
    reg_answer_header(f, "Docker-Upload-UUID", u->id);

    return REG_ANSWER;
}
