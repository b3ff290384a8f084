/*
 * What the storage is told, in the words of Swift, and its refusals.
 */

#include "reg_store.h"
#include "core/reg_swift.h"


#define LISTING_MAX   (4 * 1024 * 1024)
#define LISTINGS_MAX  10000             /* rows of them, for one request */
#define ENDLESS       "there is no end to them"


static reg_todo_t check_container(reg_flow_t *f);
static reg_todo_t judge_container(reg_flow_t *f);
static reg_todo_t create_container(reg_flow_t *f);
static reg_todo_t say_ready(reg_flow_t *f);
static reg_rc_t read_listing(reg_flow_t *f, reg_arena_t *arena,
    const reg_call_t *call, reg_listing_t *listing);
static void tell_listing(reg_flow_t *f, const reg_call_t *call,
    const char *why);
static const char *wrong_name(const reg_flow_t *f, const reg_call_t *call,
    reg_entry_t *entry);
static int begins(const reg_str_t *s, const reg_str_t *with);
static int is_behind(const reg_entry_t *entry, const reg_str_t *marker);
static int compare(const reg_str_t *a, const reg_str_t *b);


const reg_step_t  reg_container_steps[] = {
    { "check container", check_container, judge_container },
    { "create container", create_container, reg_judge_made },
    { "container is ready", say_ready, NULL }
};


/* a row of "f" has been asked already, so that its end is not this one's */

reg_flow_t *
reg_container_flow(const reg_flow_t *f)
{
    reg_flow_t  *c;

    c = reg_calloc(f->arena, sizeof(reg_flow_t));

    if (c) {
        c->arena = f->arena;
        c->row = f->row;
        c->container = f->container;
        c->prefix = f->prefix;
        c->now = f->now;
        c->step = reg_container_steps;
    }

    return c;
}


static reg_todo_t
check_container(reg_flow_t *f)
{
    reg_flow_call_container(f, REG_HEAD);

    return REG_CALL;
}


static reg_todo_t
judge_container(reg_flow_t *f)
{
    if (f->calls[0].reply.status == 404) {
        return REG_NEXT;
    }

    if (reg_store_failed(f, &f->calls[0])) {
        return REG_ANSWER;
    }

    return say_ready(f);
}


static reg_todo_t
create_container(reg_flow_t *f)
{
    reg_flow_call_container(f, REG_PUT);

    return REG_CALL;
}


static reg_todo_t
say_ready(reg_flow_t *f)
{
    reg_answer(f, 200);

    return REG_ANSWER;
}


reg_rc_t
reg_link_read(const reg_reply_t *reply, reg_digest_t *d)
{
    reg_str_t  text;

    text = reply->body;

    /* some tools that repaired a container left a newline */

    if (text.len && text.data[text.len - 1] == '\n') {
        text.len--;
    }

    return reg_digest_parse(&text, d);
}


reg_call_t *
reg_link_write(reg_flow_t *f, reg_str_t object, const reg_digest_t *d)
{
    reg_call_t  *call;

    call = reg_flow_call(f, REG_PUT, object);

    call->body = reg_digest_text(f->arena, d);
    call->failed |= (call->body.data == NULL);

    return call;
}


void
reg_call_header(reg_flow_t *f, reg_call_t *call, const char *name,
    const reg_str_t *text, int64_t number)
{
    reg_buf_t  b;

    reg_buf_init(&b, f->arena, 256);
    reg_buf_add_str(&b, &call->headers);
    reg_buf_text(&b, name);
    reg_buf_text(&b, ": ");

    if (text) {
        reg_buf_add_str(&b, text);

    } else {
        reg_buf_number(&b, number);
    }

    reg_buf_text(&b, "\r\n");

    call->headers = reg_buf_str(&b);
    call->failed |= (call->headers.data == NULL
                     || (text && !reg_str_clean(text)));
}


void
reg_call_list(reg_flow_t *f, const reg_str_t *prefix, const reg_str_t *marker,
    char delimiter, int limit)
{
    reg_str_t  none = reg_null_string;

    reg_call_list_between(f, prefix, marker, &none, delimiter ? "/" : "",
                          limit);
}


void
reg_call_list_between(reg_flow_t *f, const reg_str_t *prefix,
    const reg_str_t *from, const reg_str_t *to, const char *delimiter,
    int limit)
{
    reg_buf_t    b;
    reg_call_t  *call;

    call = reg_flow_call_container(f, REG_GET);
    call->reply_max = LISTING_MAX;
    call->prefix = *prefix;
    call->from = *from;
    call->to = *to;

    f->listings += (f->ncalls == 1);

    reg_buf_init(&b, f->row, 512);
    reg_swift_listing(&b, &f->prefix, prefix, from, to, delimiter, limit);

    call->query = reg_buf_str(&b);
    call->failed = (call->query.data == NULL || prefix->data == NULL);
}


reg_rc_t
reg_call_listing(reg_flow_t *f, const reg_call_t *call,
    reg_listing_t *listing)
{
    return read_listing(f, f->arena, call, listing);
}


/* names are without the prefix of all */

static reg_rc_t
read_listing(reg_flow_t *f, reg_arena_t *arena, const reg_call_t *call,
    reg_listing_t *listing)
{
    size_t       i;
    reg_rc_t     rc;
    const char  *why;

    listing->n = 0;
    rc = REG_OK;
    why = NULL;

    if (f->listings > LISTINGS_MAX) {
        why = ENDLESS;
        rc = REG_BAD;

    } else if (call->reply.body.len) {
        rc = reg_listing_parse(arena, &call->reply.body, listing, &why);
    }

    for (i = 0; rc == REG_OK && i < listing->n; i++) {
        why = wrong_name(f, call, &listing->entries[i]);
        rc = why ? REG_BAD : REG_OK;
    }

    if (rc == REG_BAD) {
        tell_listing(f, call, why);
    }

    if (rc != REG_OK) {
        listing->n = 0;
    }

    return rc;
}


static void
tell_listing(reg_flow_t *f, const reg_call_t *call, const char *why)
{
    reg_buf_t  b;
    reg_str_t  what;

    reg_buf_init(&b, f->arena, 128);
    reg_buf_text(&b, "has a listing that is none: ");
    reg_buf_add(&b, why, strlen(why) + 1);
    what = reg_buf_str(&b);

    reg_damaged(f, &call->prefix, what.data ? (const char *) what.data : why);
}


/*
 * What a listing names is deleted, read and answered, and its last name is
 * the next one's marker: so it has what was asked for, or is none.  NULL: so
 * it is, and the prefix of all is cut off.
 */

static const char *
wrong_name(const reg_flow_t *f, const reg_call_t *call, reg_entry_t *entry)
{
    reg_str_t  *name;

    name = &entry->name;

    if (!reg_str_clean(name)) {
        return "a control character is in a name";
    }

    if (entry->bytes > REG_SIZE_MAX) {
        return "a size is larger than any object's";
    }

    if (!begins(name, &f->prefix)) {
        return "a name is not below its prefix";
    }

    name->data += f->prefix.len;
    name->len -= f->prefix.len;

    if (!begins(name, &call->prefix)) {
        return "a name is not below its prefix";
    }

    if (call->from.len && !is_behind(entry, &call->from)) {
        return "a name is not behind its marker";
    }

    if (call->to.len && compare(name, &call->to) >= 0) {
        return "a name is not before its end marker";
    }

    return NULL;
}


static int
begins(const reg_str_t *s, const reg_str_t *with)
{
    return s->len >= with->len
           && (with->len == 0 || memcmp(s->data, with->data, with->len) == 0);
}


/*
 * Swift tells a folder in which there is more behind the marker; RGW does not.
 * A marker of the folder's name and '~' is behind all that is in it.
 */

static int
is_behind(const reg_entry_t *entry, const reg_str_t *marker)
{
    size_t  len;

    len = entry->name.len;

    return compare(&entry->name, marker) > 0
           || (entry->subdir && begins(marker, &entry->name)
               && (marker->len == len || marker->data[len] < '~'));
}


static int
compare(const reg_str_t *a, const reg_str_t *b)
{
    int     rc;
    size_t  len;

    len = a->len < b->len ? a->len : b->len;
    rc = len ? memcmp(a->data, b->data, len) : 0;

    return rc ? rc : (a->len > b->len) - (a->len < b->len);
}


reg_todo_t
reg_judge_list_row(reg_flow_t *f, const reg_call_t *call,
    reg_listing_t *listing)
{
    listing->n = 0;

    if (reg_store_failed(f, call)) {
        return REG_ANSWER;
    }

    switch (read_listing(f, f->row, call, listing)) {

    case REG_OK:
        return REG_NEXT;

    case REG_NOMEM:
        return reg_nomem(f);

    default: /* REG_BAD */
        return reg_refuse(f, REG_E_UNAVAILABLE,
                          "the storage sent a listing that is none");
    }
}


reg_todo_t
reg_refuse_endless(reg_flow_t *f, const reg_call_t *call)
{
    tell_listing(f, call, ENDLESS);

    return reg_refuse(f, REG_E_UNAVAILABLE,
                      "the storage sent listings without an end");
}


reg_todo_t
reg_judge_made(reg_flow_t *f)
{
    unsigned  i;

    for (i = 0; i < f->ncalls; i++) {

        if (reg_store_failed(f, &f->calls[i])) {
            return REG_ANSWER;
        }

        if (f->calls[i].reply.status >= 300) {
            return reg_refuse(f, REG_E_UNAVAILABLE,
                              "the storage refused to write an object");
        }
    }

    return REG_NEXT;
}


reg_call_t *
reg_upload_copy(reg_flow_t *f, reg_str_t to, reg_str_t from)
{
    reg_buf_t    b;
    reg_str_t    source, yes = reg_string("true");
    reg_call_t  *call;

    reg_buf_init(&b, f->row, 256);
    reg_buf_char(&b, '/');
    reg_buf_escape(&b, &f->container, 1);
    reg_buf_char(&b, '/');
    reg_buf_escape(&b, &from, 1);
    source = reg_buf_str(&b);

    call = reg_flow_call(f, REG_PUT, to);
    reg_call_header(f, call, REG_SWIFT_COPY_FROM, &source, 0);
    reg_call_header(f, call, REG_SWIFT_FRESH, &yes, 0);
    call->failed |= (from.data == NULL);

    return call;
}
