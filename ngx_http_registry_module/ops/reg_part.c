/*
 * Rows that deal with the parts of an upload: whether it goes on where the
 * state says, add to them, delete them.
 */

#include "reg_part.h"
#include "core/reg_range.h"
#include "core/reg_swift.h"
#include "reg_find.h"
#include "reg_store.h"
#include "reg_upload.h"


static reg_todo_t take_glance(reg_flow_t *f, uint64_t id);


static const reg_part_t *
find_id(const reg_parts_t *parts, uint64_t id)
{
    uint32_t  i;

    for (i = 0; i < parts->n; i++) {
        if (parts->part[i].id == id) {
            return &parts->part[i];
        }
    }

    return NULL;
}


/*
 * A look at what is around this part: a page with room left is taken for all
 * there is.  Should RGW have held something back, a second answer of 202 is
 * the worst that comes of it, and both are branches that can be closed.
 */

static reg_todo_t
take_glance(reg_flow_t *f, uint64_t id)
{
    reg_todo_t     todo;
    reg_upload_t  *u = f->op;

    todo = reg_upload_take_page(f);

    if (todo == REG_AGAIN && u->parts.n < REG_LISTING_PAGE
        && find_id(&u->parts, id))
    {
        u->marker.len = 0;
        return REG_NEXT;
    }

    return todo;
}


/* Content-Range says another place than the state does */

static int
range_elsewhere(reg_flow_t *f)
{
    int64_t        start, end;
    reg_upload_t  *u = f->op;

    return f->content_range.len
           && reg_content_range_parse(&f->content_range, &start, &end)
              == REG_OK
           && start != u->session.offset;
}


/*
 * A PATCH that has the place for itself need not ask the store for others.
 * Whoever comes while it runs, or with another state, takes that away: then
 * all of them look.
 */

static void
take_place(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    if (f->method == REG_GET || f->method == REG_HEAD) {
        return;
    }

    u->alone = (f->method == REG_PATCH && u->known && !range_elsewhere(f)
                && reg_upload_place(f, REG_PLACE_TAKE, u->session.tip));

    if (!u->alone) {
        (void) reg_upload_place(f, REG_PLACE_LOSE, 0);
    }
}


/* the last part that a state names, by name; 0: it names none */

static int
ask_tip(reg_flow_t *f, const reg_session_t *s)
{
    uint32_t    n;
    reg_part_t  parts[REG_SESSION_LAST];

    n = reg_session_parts(s, parts);

    if (n) {
        reg_flow_call(f, REG_HEAD, reg_upload_part(f, &parts[n - 1]));
    }

    return n != 0;
}


/*
 * Small parts are merged by the names that the state has.  Once one of them
 * is gone, another request has done that, and only a listing knows.
 */

static reg_todo_t
find_small(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    if (reg_upload_by_state(f, u->session.small)) {

        if (u->alone) {
            return REG_NEXT;
        }

        if (ask_tip(f, &u->session)) {
            u->asking = 1;
            return REG_CALL;
        }
    }

    u->listed = 0;
    u->all = 1;
    u->grow = 1;

    return reg_upload_ask_listing(f, REG_ALL_PARTS);
}


reg_todo_t
reg_upload_find(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    if (f->method == REG_POST) {
        return REG_NEXT;
    }

    if (u->asking) {
        (void) ask_tip(f, &u->session);
        return REG_CALL;
    }

    if (u->marker.len == 0 && u->naming != REG_NAMING_ASK) {
        take_place(f);
    }

    if (!u->known || range_elsewhere(f)) {
        u->all = 1;
        u->grow = 1;
    }

    if (!u->all && !u->closing && u->session.small >= REG_PARTS_RUN) {
        return find_small(f);
    }

    if (u->all) {
        return reg_upload_ask_listing(f, REG_ALL_PARTS);
    }

    if (u->alone) {
        return REG_NEXT;
    }

    /*
     * What there is to be found out comes out later, at no more cost.  Only
     * for a long body behind others it is worth a call to know it before.
     */

    if (u->closing ? f->body_length == 0
                   : f->body_length > 0 && f->body_length < REG_PART_SMALL)
    {
        return REG_NEXT;
    }

    if (f->method == REG_PATCH && u->session.nparts == 0
        && f->body_length != 0)
    {
        return REG_NEXT;
    }

    return reg_upload_ask_listing(f, u->session.tip_start);
}


/* the part of "mine" aside, something follows this session already */

static int
is_followed(const reg_parts_t *parts, const reg_session_t *s,
    const reg_part_t *mine)
{
    uint32_t           i;
    const reg_part_t  *part;

    for (i = 0; i < parts->n; i++) {
        part = &parts->part[i];

        if (part->offset == s->offset && part->prev == s->tip
            && (mine == NULL || (part->id != mine->id
                                 && reg_part_older(part, mine))))
        {
            return 1;
        }
    }

    return 0;
}


static reg_todo_t
list_all(reg_upload_t *u)
{
    u->listed = 0;
    u->all = 1;
    u->grow = 1;
    u->marker.len = 0;

    return REG_AGAIN;
}


reg_todo_t
reg_upload_judge_found(reg_flow_t *f)
{
    reg_todo_t     todo;
    reg_upload_t  *u = f->op;

    if (u->asking) {
        u->asking = 0;

        if (reg_store_failed(f, &f->calls[0])) {
            return REG_ANSWER;
        }

        return f->calls[0].reply.status == 200 ? REG_NEXT : list_all(u);
    }

    todo = u->all ? reg_upload_take_page(f)
                  : take_glance(f, u->session.tip);

    if (todo != REG_NEXT) {
        return todo;
    }

    if (u->all) {
        return reg_upload_choose(f);
    }

    if (u->parts.cancelled) {
        return reg_refuse_str(f, REG_E_BLOB_UPLOAD_UNKNOWN, u->id);
    }

    /* of what is closed, the digest tells whether it is right */

    if (u->closing) {
        return REG_NEXT;
    }

    if (is_followed(&u->parts, &u->session, NULL)) {
        return list_all(u);
    }

    if (u->session.tip == 0 || find_id(&u->parts, u->session.tip)) {
        return REG_NEXT;
    }

    /* a listing may lag */

    if (u->session.last_len == 0) {
        return list_all(u);
    }

    u->asking = 1;

    return REG_AGAIN;
}


reg_todo_t
reg_upload_check_range(reg_flow_t *f)
{
    int64_t        start, end;
    reg_upload_t  *u = f->op;

    if (u->gone && f->body_length != 0) {
        return reg_refuse_str(f, REG_E_BLOB_UPLOAD_UNKNOWN, u->id);
    }

    if (f->content_range.len == 0) {
        return u->stale && !u->closing ? reg_upload_refuse_range(f)
                                       : REG_NEXT;
    }

    if (reg_content_range_parse(&f->content_range, &start, &end) != REG_OK
        || start != u->session.offset)
    {
        return reg_upload_refuse_range(f);
    }

    if (f->body_length >= 0 && f->body_length != end - start + 1) {
        return reg_refuse(f, REG_E_SIZE_INVALID,
                          "Content-Range and Content-Length differ");
    }

    return REG_NEXT;
}


/* the n-th part of this request */

static void
own_part(reg_flow_t *f, uint32_t n, reg_part_t *part)
{
    reg_upload_t  *u = f->op;

    memset(part, 0, sizeof(reg_part_t));

    part->offset = n * f->part_size;
    reg_size_add(&part->offset, u->before.offset);
    part->prev = n ? u->first + n - 1 : u->before.tip;
    part->id = u->first + n;
}


reg_todo_t
reg_upload_feed(reg_flow_t *f)
{
    unsigned       i;
    reg_call_t    *call;
    reg_part_t     part;
    reg_upload_t  *u = f->op;

    if (f->body_length == 0) {
        return REG_NEXT;
    }

    if (u->written == 0) {
        u->before = u->session;

        for (i = 8; i < 16; i++) {
            u->first = u->first << 8 | f->random[i];
        }

        u->first |= 1;
    }

    f->cut = 0;

    own_part(f, u->written, &part);

    call = reg_flow_call(f, REG_PUT, reg_upload_part(f, &part));
    call->feed = 1;
    reg_upload_expire(f, call);

    f->hash = NULL;
    f->other = NULL;

    if (u->session.hashed) {
        f->hash = &u->hash;
        f->other = u->other.alg == REG_SHA256 ? NULL : &u->other;
    }

    return REG_CALL;
}


reg_todo_t
reg_upload_judge_fed(reg_flow_t *f)
{
    reg_call_t     *call = &f->calls[0];
    reg_part_t      part;
    reg_upload_t   *u = f->op;
    reg_session_t  *s = &u->session;

    f->hash = NULL;
    f->other = NULL;

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
        own_part(f, u->written, &part);
        part.size = f->fed;
        u->written++;

        if (s->small == 0) {
            memcpy(s->large, s->chain, sizeof(s->large));
        }

        s->tip = part.id;
        s->tip_start = s->offset;
        s->tip_merged = 0;
        s->small = f->fed < REG_PART_SMALL ? s->small + 1 : 0;
        reg_session_add(s, f->fed, &call->reply.etag);
        reg_session_put_part(s, &part);

        s->hash = u->hash;
        s->other = u->other;
        u->fed += f->fed;

        /* what was listed before this part is no longer all of them */

        u->listed = 0;
    }

    return f->cut ? REG_AGAIN : REG_NEXT;
}


/* Content-Range, where the length was not told, may say another one */

static void
judge_size(reg_flow_t *f)
{
    int64_t        start, end;
    reg_upload_t  *u = f->op;

    if (u->written
        && reg_content_range_parse(&f->content_range, &start, &end) == REG_OK
        && u->fed != end - start + 1)
    {
        u->verdict = REG_VERDICT_SIZE;
    }
}


reg_todo_t
reg_upload_check_siblings(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    if (u->asking) {
        (void) ask_tip(f, &u->before);
        return REG_CALL;
    }

    if (u->marker.len == 0) {
        judge_size(f);

        if (u->alone
            && reg_upload_place(f, REG_PLACE_LEAVE,
                                u->verdict == REG_VERDICT_GOOD
                                ? u->session.tip : u->before.tip))
        {
            u->next = 0;
            return REG_NEXT;
        }
    }

    return u->written ? reg_upload_ask_listing(f, u->before.tip_start)
                      : REG_NEXT;
}


/*
 * Whoever began at the same place and was there first has the place.  What
 * was written is seen by whoever lists later, so at least one of two sees
 * the other; should both clocks deceive them, each has a branch of its own.
 * So has it where the listing lags: what it does not show is not missing.
 */

reg_todo_t
reg_upload_judge_siblings(reg_flow_t *f)
{
    reg_todo_t         todo;
    reg_upload_t      *u = f->op;
    const reg_part_t  *mine;

    if (u->asking) {
        u->asking = 0;

        if (reg_store_failed(f, &f->calls[0])) {
            return REG_ANSWER;
        }

        if (f->calls[0].reply.status != 200) {
            u->verdict = REG_VERDICT_STALE;
        }

        u->next = 0;

        return REG_NEXT;
    }

    todo = take_glance(f, u->first);

    if (todo != REG_NEXT) {
        return todo;
    }

    u->next = 0;

    mine = find_id(&u->parts, u->first);

    if (u->parts.cancelled
        || (mine && is_followed(&u->parts, &u->before, mine)))
    {
        u->verdict = REG_VERDICT_STALE;
        return REG_NEXT;
    }

    if (u->before.tip && find_id(&u->parts, u->before.tip) == NULL) {

        if (u->before.last_len) {
            u->asking = 1;
            return REG_AGAIN;
        }

        u->verdict = REG_VERDICT_STALE;
    }

    return REG_NEXT;
}


reg_todo_t
reg_upload_drop(reg_flow_t *f)
{
    reg_part_t     part;
    reg_upload_t  *u = f->op;

    f->ncalls = 0;

    if (u->verdict == REG_VERDICT_GOOD) {
        return REG_NEXT;
    }

    while (u->next < u->written && f->ncalls < REG_CALLS_MAX) {
        own_part(f, u->next++, &part);
        reg_flow_call(f, REG_DELETE, reg_upload_part(f, &part));
    }

    return f->ncalls ? REG_CALL : REG_NEXT;
}


reg_todo_t
reg_upload_list_again(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    if (u->verdict != REG_VERDICT_STALE) {
        return REG_NEXT;
    }

    u->session = u->before;
    u->grow = 1;

    return reg_upload_ask_listing(f, REG_ALL_PARTS);
}


reg_todo_t
reg_upload_delete_parts(reg_flow_t *f)
{
    uint32_t       i, n;
    reg_part_t    *part;
    reg_upload_t  *u = f->op;

    f->ncalls = 0;

    if (!u->listed) {
        return REG_NEXT;
    }

    n = u->parts.n ? u->parts.n + u->merging : u->nall;

    while (u->next < n && f->ncalls < REG_CALLS_MAX) {
        i = u->next++;

        if (u->parts.n == 0) {
            part = u->path[i];

        } else {
            part = i < u->parts.n ? &u->parts.part[i] : u->path[u->run];
        }

        reg_flow_call(f, REG_DELETE, reg_upload_part(f, part));
    }

    return f->ncalls ? REG_CALL : REG_NEXT;
}
