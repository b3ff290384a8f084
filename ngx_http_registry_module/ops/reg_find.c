/*
 * Which parts are the upload: those that the state names, or what a listing
 * shows when there is no state, or more may have come behind it.  A listing
 * may lag: what the state names and it does not show is asked for by name.
 */

#include "reg_find.h"
#include "core/reg_path.h"
#include "reg_store.h"
#include "reg_upload.h"

#include <stdlib.h>


static reg_todo_t ask_named(reg_flow_t *f);
static reg_todo_t take_named(reg_flow_t *f);
static reg_todo_t choose(reg_flow_t *f);
static reg_todo_t nothing_found(reg_flow_t *f);
static reg_todo_t set_path(reg_flow_t *f, reg_part_t *last);


/* lists all parts, or those from an offset on */

reg_todo_t
reg_upload_ask_listing(reg_flow_t *f, int64_t start)
{
    reg_buf_t      b;
    reg_str_t      prefix;
    reg_part_t     at;
    reg_upload_t  *u = f->op;
    unsigned char  text[REG_PART_NAME_MAX];

    if (u->naming == REG_NAMING_ASK) {
        return ask_named(f);
    }

    prefix = reg_path_parts(f->arena, &f->route.name, &u->id);

    if (u->marker.len == 0) {
        u->naming = REG_NAMING_NONE;
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


reg_todo_t
reg_upload_take_page(reg_flow_t *f)
{
    size_t          i;
    reg_str_t      *last;
    reg_upload_t   *u = f->op;
    reg_listing_t   listing;

    if (u->naming == REG_NAMING_ASK) {
        return take_named(f);
    }

    if (reg_judge_list_row(f, &f->calls[0], &listing) != REG_NEXT) {
        return REG_ANSWER;
    }

    for (i = 0; i < listing.n; i++) {
        if (reg_parts_add(f->arena, &u->parts, &listing.entries[i])
            != REG_OK)
        {
            return reg_nomem(f);
        }
    }

    if (u->parts.n > REG_NAMES_MAX) {
        return reg_refuse_endless(f, &f->calls[0]);
    }

    if (listing.n) {
        last = &listing.entries[listing.n - 1].name;

        if (reg_str_copy(f->arena, &u->marker, last->data, last->len)
            != REG_OK)
        {
            return reg_nomem(f);
        }

        return REG_AGAIN;
    }

    u->marker.len = 0;

    return REG_NEXT;
}


reg_todo_t
reg_upload_list(reg_flow_t *f)
{
    return reg_upload_ask_listing(f, REG_ALL_PARTS);
}


reg_todo_t
reg_upload_judge_listed(reg_flow_t *f)
{
    reg_todo_t  todo;

    todo = reg_upload_take_page(f);

    return todo == REG_NEXT ? reg_upload_choose(f) : todo;
}


static int
is_listed(const reg_parts_t *parts, const reg_part_t *part)
{
    uint32_t           i;
    const reg_part_t  *p;

    for (i = 0; i < parts->n; i++) {
        p = &parts->part[i];

        if (p->offset == part->offset && p->prev == part->prev
            && p->id == part->id && p->merged == part->merged)
        {
            return 1;
        }
    }

    return 0;
}


/* the next of the state's parts that was not listed; NULL: no more */

static const reg_part_t *
next_named(reg_upload_t *u)
{
    while (u->next < u->nnamed) {
        if (!is_listed(&u->parts, &u->named[u->next])) {
            return &u->named[u->next++];
        }

        u->next++;
    }

    return NULL;
}


static reg_todo_t
ask_named(reg_flow_t *f)
{
    const reg_part_t  *part;
    reg_upload_t      *u = f->op;

    while (f->ncalls < REG_CALLS_MAX) {
        part = next_named(u);

        if (part == NULL) {
            break;
        }

        reg_flow_call(f, REG_HEAD, reg_upload_part(f, part));
    }

    return REG_CALL;
}


static int
by_name(const void *one, const void *two)
{
    unsigned char      a[REG_PART_NAME_MAX], b[REG_PART_NAME_MAX];
    const reg_part_t  *x = one, *y = two;

    memset(a, 0, sizeof(a));
    memset(b, 0, sizeof(b));

    (void) reg_part_name(a, x);
    (void) reg_part_name(b, y);

    return memcmp(a, b, sizeof(a));
}


static reg_todo_t
take_named(reg_flow_t *f)
{
    unsigned       i;
    reg_entry_t    entry;
    reg_upload_t  *u = f->op;

    for (i = 0; i < f->ncalls; i++) {

        if (reg_store_failed(f, &f->calls[i])) {
            return REG_ANSWER;
        }

        if (f->calls[i].reply.status != 200) {
            continue;
        }

        memset(&entry, 0, sizeof(reg_entry_t));
        entry.name = f->calls[i].object;
        entry.hash = f->calls[i].reply.etag;
        entry.bytes = f->calls[i].reply.length;

        if (reg_parts_add(f->arena, &u->parts, &entry) != REG_OK) {
            return reg_nomem(f);
        }
    }

    if (u->next < u->nnamed && next_named(u)) {
        u->next--;
        return REG_AGAIN;
    }

    if (u->parts.n) {
        qsort(u->parts.part, u->parts.n, sizeof(reg_part_t), by_name);
    }

    u->naming = REG_NAMING_DONE;

    return REG_NEXT;
}


/* whether they are there does not matter */

static reg_todo_t
delete_named(reg_flow_t *f)
{
    reg_entry_t        entry;
    reg_upload_t      *u = f->op;
    const reg_part_t  *part;

    memset(&entry, 0, sizeof(reg_entry_t));

    for (part = next_named(u); part; part = next_named(u)) {
        entry.name = reg_upload_part(f, part);
        entry.bytes = part->size;

        if (entry.name.data == NULL
            || reg_parts_add(f->arena, &u->parts, &entry) != REG_OK)
        {
            return reg_nomem(f);
        }
    }

    return choose(f);
}


reg_todo_t
reg_upload_choose(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    if (!u->known || u->naming == REG_NAMING_DONE
        || (u->parts.cancelled && !u->cancelling)
        || u->session.last_len == 0)
    {
        return choose(f);
    }

    if (u->named == NULL) {
        u->named = reg_alloc(f->arena, REG_SESSION_LAST * sizeof(reg_part_t));
        if (u->named == NULL) {
            return reg_nomem(f);
        }
    }

    u->nnamed = reg_session_parts(&u->session, u->named);
    u->next = 0;

    if (u->cancelling) {
        return delete_named(f);
    }

    if (next_named(u) == NULL) {
        return choose(f);
    }

    u->next--;
    u->naming = REG_NAMING_ASK;

    return REG_AGAIN;
}


int
reg_upload_by_state(reg_flow_t *f, uint32_t least)
{
    uint32_t       i;
    reg_upload_t  *u = f->op;

    u->named = reg_alloc(f->arena, REG_SESSION_LAST * sizeof(reg_part_t));
    u->path = reg_alloc(f->arena, REG_SESSION_LAST * sizeof(reg_part_t *));

    if (u->named == NULL || u->path == NULL) {
        return 0;
    }

    u->nnamed = reg_session_parts(&u->session, u->named);

    if (u->nnamed < least) {
        return 0;
    }

    for (i = 0; i < u->nnamed; i++) {
        u->path[i] = &u->named[i];
    }

    u->npath = u->nnamed;
    u->nall = u->nnamed;
    u->listed = 1;
    u->next = 0;

    return 1;
}


static reg_session_t
chain_of(reg_part_t **path, uint32_t n)
{
    uint32_t       i;
    reg_session_t  s;

    reg_session_init(&s);

    for (i = 0; i < n; i++) {
        reg_session_add(&s, path[i]->size, &path[i]->etag);
    }

    return s;
}


/* the chain over all parts up to this one */

static reg_session_t
chain_to(const reg_part_t *last, reg_part_t **path, uint32_t n)
{
    uint32_t  i;

    for (i = n; i > 0; last = last->before) {
        path[--i] = (reg_part_t *) last;
    }

    return chain_of(path, n);
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
    uint32_t        i, n;
    reg_upload_t   *u = f->op;
    reg_session_t   found, large;

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

    u->npath = n;
    u->nall = n;
    found.small = reg_upload_small(u);
    large = chain_of(u->path, n - found.small);
    memcpy(found.large, large.chain, sizeof(found.large));

    /* its offset grows as they are put */

    found.offset = 0;

    for (i = 0; i < n; i++) {
        reg_size_add(&found.offset, u->path[i]->size);

        if (n - i <= REG_SESSION_LAST) {
            reg_session_put_part(&found, u->path[i]);
        }
    }

    u->session = found;
    u->hash = found.hash;
    u->other = found.other;
    u->listed = 1;
    u->known = 1;
    u->next = 0;

    return REG_NEXT;
}
