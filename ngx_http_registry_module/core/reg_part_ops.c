/*
 * Rows that deal with the parts of an upload: list them, find which of them
 * are the upload, add to them, merge small ones, delete them.
 */

#include "reg_upload.h"
#include "reg_path.h"
#include "reg_range.h"


#define ALL       ((int64_t) -1)
#define MARGIN    3600                  /* parts outlive the state */


static reg_todo_t take_page(reg_flow_t *f);
static reg_todo_t take_glance(reg_flow_t *f, uint64_t id);
static reg_todo_t choose(reg_flow_t *f);
static reg_todo_t nothing_found(reg_flow_t *f);
static reg_todo_t set_path(reg_flow_t *f, reg_part_t *last);


int64_t
reg_upload_lifetime(const reg_flow_t *f)
{
    const reg_upload_t  *u = f->op;

    if (f->now && u->session.expires > f->now) {
        return u->session.expires - f->now + MARGIN;
    }

    return f->upload_expires;
}


int
reg_upload_place(reg_flow_t *f, reg_place_t what, uint64_t tip)
{
    reg_upload_t  *u = f->op;

    return f->place && f->place(f->places, what, &u->id, tip);
}


/* lists all parts, or those from an offset on */

static reg_todo_t
ask_listing(reg_flow_t *f, int64_t start)
{
    reg_buf_t      b;
    reg_str_t      prefix;
    reg_part_t     at;
    reg_upload_t  *u = f->op;
    unsigned char  text[REG_PART_NAME_MAX];

    prefix = reg_path_parts(f->arena, &f->route.name, &u->id);

    if (u->marker.len == 0) {
        memset(&u->parts, 0, sizeof(reg_parts_t));

        if (start > 0) {
            memset(&at, 0, sizeof(reg_part_t));
            at.offset = start;
            (void) reg_part_name(text, &at);

            /* the digits alone sort before all names that begin so */

            reg_buf_init(&b, f->arena, prefix.len + 16);
            reg_buf_add_str(&b, &prefix);
            reg_buf_add(&b, text, 16);
            u->marker = reg_buf_str(&b);

            if (u->marker.data == NULL) {
                return reg_nomem(f);
            }
        }
    }

    reg_call_list(f, &prefix, &u->marker, 0, REG_LISTING_PAGE);

    return REG_CALL;
}


static reg_todo_t
take_page(reg_flow_t *f)
{
    size_t          i;
    reg_upload_t   *u = f->op;
    reg_listing_t   listing;

    if (reg_judge_list(f, &f->calls[0], &listing) != REG_NEXT) {
        return REG_ANSWER;
    }

    for (i = 0; i < listing.n; i++) {
        if (reg_parts_add(f->arena, &u->parts, &listing.entries[i])
            != REG_OK)
        {
            return reg_nomem(f);
        }
    }

    if (listing.n) {
        u->marker = listing.entries[listing.n - 1].name;
        return REG_AGAIN;
    }

    u->marker.len = 0;

    return REG_NEXT;
}


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

    todo = take_page(f);

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


reg_todo_t
reg_upload_find(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    if (f->method == REG_POST) {
        return REG_NEXT;
    }

    if (u->marker.len == 0) {
        take_place(f);
    }

    if (!u->known || range_elsewhere(f)
        || (!u->closing && u->session.small >= REG_PARTS_RUN))
    {
        u->all = 1;
        u->grow = 1;
    }

    if (u->all) {
        return ask_listing(f, ALL);
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

    return ask_listing(f, u->session.tip_start);
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


reg_todo_t
reg_upload_judge_found(reg_flow_t *f)
{
    reg_todo_t     todo;
    reg_upload_t  *u = f->op;

    todo = u->all ? take_page(f) : take_glance(f, u->session.tip);

    if (todo != REG_NEXT) {
        return todo;
    }

    if (u->all) {
        return choose(f);
    }

    if (u->parts.cancelled) {
        return reg_refuse_str(f, REG_E_BLOB_UPLOAD_UNKNOWN, u->id);
    }

    /* of what is closed, the digest tells whether it is right */

    if (u->closing
        || ((u->session.tip == 0 || find_id(&u->parts, u->session.tip))
            && !is_followed(&u->parts, &u->session, NULL)))
    {
        return REG_NEXT;
    }

    u->all = 1;
    u->grow = 1;

    return REG_AGAIN;
}


reg_todo_t
reg_upload_list(reg_flow_t *f)
{
    return ask_listing(f, ALL);
}


reg_todo_t
reg_upload_judge_listed(reg_flow_t *f)
{
    reg_todo_t  todo;

    todo = take_page(f);

    return todo == REG_NEXT ? choose(f) : todo;
}


/* the chain over all parts up to this one */

static reg_session_t
chain_to(const reg_part_t *last, reg_part_t **path, uint32_t n)
{
    uint32_t          i;
    reg_session_t     s;

    reg_session_init(&s);

    for (i = n; i > 0; last = last->before) {
        path[--i] = (reg_part_t *) last;
    }

    for (i = 0; i < n; i++) {
        reg_session_add(&s, path[i]->size, &path[i]->etag);
    }

    return s;
}


static uint32_t
length_to(const reg_part_t *last)
{
    uint32_t  n;

    for (n = 0; last; last = last->before) {
        n++;
    }

    return n;
}


static reg_todo_t
choose(reg_flow_t *f)
{
    reg_part_t     *from, *part, **path;
    reg_upload_t   *u = f->op;
    reg_session_t   found;

    if (u->closing && u->parts.closed) {

        /* the own link tells whether it was by this digest */

        u->gone = 1;
        return REG_NEXT;
    }

    if (u->parts.cancelled && !u->cancelling) {
        return reg_refuse_str(f, REG_E_BLOB_UPLOAD_UNKNOWN, u->id);
    }

    path = reg_alloc(f->arena, (u->parts.n + 1) * sizeof(reg_part_t *));

    if (path == NULL || reg_parts_join(f->arena, &u->parts) != REG_OK) {
        return reg_nomem(f);
    }

    if (u->cancelling) {
        u->listed = 1;
        u->next = 0;
        return REG_NEXT;
    }

    /* a part and what it was merged into have one id: the state tells */

    from = NULL;

    for (part = NULL; u->known && u->session.tip; /* void */) {

        part = reg_parts_find(&u->parts, u->session.tip, u->session.offset,
                              part);
        if (part == NULL) {
            break;
        }

        from = part;
        found = chain_to(part, path, length_to(part));

        if (memcmp(found.chain, u->session.chain, 32) == 0) {
            break;
        }
    }

    u->missing = (from == NULL && u->known && u->session.tip != 0);

    if (u->grow) {
        from = reg_parts_grown(&u->parts, from);
    }

    return from ? set_path(f, from) : nothing_found(f);
}


static reg_todo_t
nothing_found(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    /* an upload may begin without parts */

    if (u->known && u->session.offset == 0) {
        return REG_NEXT;
    }

    /* at a node with another secret, too */

    if (f->foreign && f->body_length != 0) {
        u->known = 1;
        return REG_NEXT;
    }

    /* this very request may have been answered before */

    if (u->closing) {
        u->gone = 1;
        return REG_NEXT;
    }

    return reg_refuse_str(f, REG_E_BLOB_UPLOAD_UNKNOWN, u->id);
}


/* the upload is what leads to this part */

static reg_todo_t
set_path(reg_flow_t *f, reg_part_t *last)
{
    uint32_t        n;
    reg_upload_t   *u = f->op;
    reg_session_t   found;

    n = length_to(last);

    u->path = reg_alloc(f->arena, n * sizeof(reg_part_t *));
    if (u->path == NULL) {
        return reg_nomem(f);
    }

    found = chain_to(last, u->path, n);

    /* else the store is right; the hash over it has yet to be made */

    found.hashed = 0;

    if (u->known
        && memcmp(found.chain, u->session.chain, sizeof(found.chain)) == 0)
    {
        found.hashed = u->session.hashed;
        found.hash = u->session.hash;
        found.other = u->session.other;
    }

    u->stale = (u->known && found.offset != u->told);

    found.expires = u->session.expires;
    found.authorized = u->session.authorized;
    found.tip = last->id;
    found.tip_start = last->offset;
    found.tip_merged = last->merged;

    u->session = found;
    u->hash = found.hash;
    u->other = found.other;
    u->npath = n;
    u->session.small = reg_upload_small(u);
    u->listed = 1;
    u->known = 1;
    u->next = 0;

    return REG_NEXT;
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


reg_str_t
reg_upload_part(reg_flow_t *f, const reg_part_t *part)
{
    reg_upload_t  *u = f->op;

    return reg_path_part(f->arena, &f->route.name, &u->id, part);
}


/* the n-th part of this request */

static void
own_part(reg_flow_t *f, uint32_t n, reg_part_t *part)
{
    reg_upload_t  *u = f->op;

    memset(part, 0, sizeof(reg_part_t));

    part->offset = u->before.offset + n * f->part_size;
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
    reg_call_header(f, call, "X-Delete-After", NULL, reg_upload_lifetime(f));

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
        s->tip = u->first + u->written++;
        s->tip_start = s->offset;
        s->tip_merged = 0;
        s->small = f->fed < REG_PART_SMALL ? s->small + 1 : 0;
        reg_session_add(s, f->fed, &call->reply.etag);

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

    return u->written ? ask_listing(f, u->before.tip_start) : REG_NEXT;
}


/*
 * Whoever began at the same place and was there first has the place.  What
 * was written is seen by whoever lists later, so at least one of two sees
 * the other; should both clocks deceive them, each has a branch of its own.
 */

reg_todo_t
reg_upload_judge_siblings(reg_flow_t *f)
{
    reg_todo_t         todo;
    reg_upload_t      *u = f->op;
    const reg_part_t  *mine;

    todo = take_glance(f, u->first);

    if (todo != REG_NEXT) {
        return todo;
    }

    mine = find_id(&u->parts, u->first);

    if (mine == NULL || u->parts.cancelled
        || (u->before.tip && find_id(&u->parts, u->before.tip) == NULL)
        || is_followed(&u->parts, &u->before, mine))
    {
        u->verdict = REG_VERDICT_STALE;
    }

    u->next = 0;

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

    return ask_listing(f, ALL);
}


reg_todo_t
reg_upload_delete_parts(reg_flow_t *f)
{
    uint32_t       i;
    reg_upload_t  *u = f->op;

    f->ncalls = 0;

    if (!u->listed) {
        return REG_NEXT;
    }

    while (u->next < u->parts.n + u->merging && f->ncalls < REG_CALLS_MAX) {
        i = u->next++;
        reg_flow_call(f, REG_DELETE,
                      reg_upload_part(f, i < u->parts.n ? &u->parts.part[i]
                                                : u->path[u->run]));
    }

    return f->ncalls ? REG_CALL : REG_NEXT;
}
