/*
 * DELETE of /v2/<name>/manifests/<reference>.
 *
 * By tag: its history goes first, the current link last.  By digest: the
 * tags that point to it, its entry among the referrers of its subject, then
 * the revision links, that of the data last.  A push of the same tag or
 * manifest may come in between; so history, tags and entry are looked for
 * again.  The bytes stay: they are garbage collection's business.
 */

#include "reg_manifest_delete.h"
#include "core/reg_path.h"
#include "core/reg_referrer.h"
#include "reg_common.h"
#include "reg_delete.h"
#include "reg_keep.h"
#include "reg_store.h"


#define CURRENT    "/current/link"
#define LINK_SIZE  71                   /* of one that says a sha256 */
#define LISTED     1000                 /* at once */


static reg_todo_t refuse_delete(reg_flow_t *f);
static reg_todo_t read_link(reg_flow_t *f);
static reg_todo_t judge_link(reg_flow_t *f);
static reg_todo_t add_current(reg_flow_t *f);
static reg_todo_t read_manifest(reg_flow_t *f);
static reg_todo_t judge_manifest(reg_flow_t *f);
static reg_todo_t list_tags(reg_flow_t *f);
static reg_todo_t list_tags_again(reg_flow_t *f);
static reg_todo_t judge_tags(reg_flow_t *f);
static reg_todo_t read_tags(reg_flow_t *f);
static reg_todo_t judge_read(reg_flow_t *f);
static reg_todo_t delete_tags(reg_flow_t *f);
static reg_todo_t judge_deleted(reg_flow_t *f);
static reg_todo_t delete_entries(reg_flow_t *f);
static reg_todo_t judge_entries(reg_flow_t *f);
static reg_todo_t delete_others(reg_flow_t *f);
static reg_todo_t judge_others(reg_flow_t *f);
static reg_todo_t delete_revision(reg_flow_t *f);
static reg_todo_t judge_gone(reg_flow_t *f);
static reg_todo_t say_deleted(reg_flow_t *f);


static const reg_step_t  delete_manifest[] = {
    { "check that deletes are allowed", refuse_delete, NULL },
    { "read link", read_link, judge_link },
    { "read manifest", read_manifest, judge_manifest },
    { "list tags", list_tags, judge_tags },
    { "read tags", read_tags, judge_read },
    { "check immutable tags", reg_keep_check, NULL },
    { "delete tags", delete_tags, judge_deleted },
    { "delete referrer", delete_entries, judge_entries },
    { "delete other digests' links", delete_others, judge_others },
    { "delete revision link", delete_revision, judge_gone },
    { "list tags again", list_tags_again, judge_tags },
    { "read tags again", read_tags, judge_read },
    { "read revision link again", reg_keep_read, reg_keep_judge },
    { "check immutable tags again", reg_keep_check, NULL },
    { "link revision again", reg_keep_links, reg_judge_made },
    { "refuse", reg_keep_refuse, NULL },
    { "delete tags again", delete_tags, judge_deleted },
    { "delete referrer again", delete_entries, judge_entries },
    { "read revision link at last", reg_keep_read_last, reg_keep_judge_last },
    { "write referrer again", reg_keep_entries, reg_judge_made },
    { "answer", say_deleted, NULL }
};


const reg_step_t *
reg_delete_steps(reg_flow_t *f)
{
    reg_removal_t  *rm;

    rm = reg_calloc(f->arena, sizeof(reg_removal_t));
    f->op = rm;

    if (rm) {
        rm->prefix = f->route.by_digest
                     ? reg_path_tags(f->arena, &f->route.name)
                     : reg_path_tag(f->arena, &f->route.name,
                                    &f->route.reference);
    }

    return delete_manifest;
}


static reg_todo_t
refuse_delete(reg_flow_t *f)
{
    if (f->op == NULL) {
        return reg_nomem(f);
    }

    if (!f->delete_allowed) {
        return reg_refuse(f, REG_E_UNSUPPORTED,
                          "deleting is switched off (registry_delete)");
    }

    if (f->immutable && !f->route.by_digest
        && f->immutable(f->immutable_data, &f->route.reference))
    {
        return reg_refuse_immutable(f, &f->route.reference);
    }

    return REG_NEXT;
}


static reg_todo_t
read_link(reg_flow_t *f)
{
    reg_flow_call(f, REG_GET,
                  f->route.by_digest
                  ? reg_path_revision_link(f->arena, &f->route.name,
                                           &f->route.digest)
                  : reg_path_tag_current(f->arena, &f->route.name,
                                         &f->route.reference));
    return REG_CALL;
}


static reg_todo_t
judge_link(reg_flow_t *f)
{
    reg_removal_t    *rm = f->op;
    reg_reply_t  *reply = &f->calls[0].reply;

    if (reg_store_failed(f, &f->calls[0])) {
        return REG_ANSWER;
    }

    if (reply->status != 200) {
        return reg_refuse_str(f, REG_E_MANIFEST_UNKNOWN,
                              f->route.reference);
    }

    /* a damaged link is deleted all the same */

    if (reg_link_read(reply, &rm->data) == REG_OK) {
        rm->etag = reply->etag;

    } else {
        rm->data = f->route.digest;
    }

    rm->digests[0] = rm->data;
    rm->digests[1] = f->route.digest;
    rm->ndigests = 2;

    return f->route.by_digest ? REG_NEXT : add_current(f);
}


/* the bytes tell its other digests, and whether it is a referrer */

static reg_todo_t
read_manifest(reg_flow_t *f)
{
    reg_removal_t  *rm = f->op;

    if (!f->route.by_digest) {
        return REG_NEXT;
    }

    reg_flow_call(f, REG_GET, reg_path_blob(f->arena, &rm->data))->reply_max =
                                                              f->manifest_max;
    return REG_CALL;
}


static reg_todo_t
judge_manifest(reg_flow_t *f)
{
    size_t           i;
    reg_rc_t         rc;
    reg_removal_t       *rm = f->op;
    reg_str_t       *body = &f->calls[0].reply.body;
    const char      *why;
    reg_digest_t     digests[REG_REMOVAL_ALGS];
    reg_manifest_t   m;

    static const reg_alg_t  algs[REG_REMOVAL_ALGS] = {
        REG_SHA256, REG_SHA384, REG_SHA512
    };

    if (reg_store_failed(f, &f->calls[0])) {
        return REG_ANSWER;
    }

    for (i = 0; i < REG_REMOVAL_ALGS; i++) {
        reg_digest_of(&digests[i], algs[i], body->data, body->len);
    }

    if (f->calls[0].reply.status != 200
        || !reg_digest_equal(&digests[0], &rm->data))
    {
        return REG_NEXT;
    }

    memcpy(rm->digests, digests, sizeof(digests));
    rm->ndigests = REG_REMOVAL_ALGS;

    rc = reg_manifest_parse(f->arena, body, REG_MEDIA_UNKNOWN, &m, &why);

    if (rc == REG_NOMEM) {
        return reg_nomem(f);
    }

    if (rc == REG_OK) {
        rm->has_subject = m.has_subject;
        rm->subject = m.subject.digest;
    }

    for (i = 0; rm->has_subject && i < rm->ndigests; i++) {
        rm->entries[i] = reg_referrer_text(f->arena, &m, &rm->digests[i],
                                           body->len);
        if (rm->entries[i].data == NULL) {
            return reg_nomem(f);
        }
    }

    return REG_NEXT;
}


static reg_todo_t
list_tags(reg_flow_t *f)
{
    reg_removal_t  *rm = f->op;

    reg_call_list(f, &rm->prefix, &rm->marker, 0, LISTED);

    return REG_CALL;
}


static reg_todo_t
list_tags_again(reg_flow_t *f)
{
    reg_removal_t  *rm = f->op;

    rm->again = 1;

    return list_tags(f);
}


static reg_doomed_t *
new_object(reg_flow_t *f, reg_removal_t *rm, const reg_str_t *name)
{
    size_t     room;
    reg_doomed_t  *o, *objects;
    reg_str_t  copy;

    if (rm->n == rm->room) {
        rm->room = rm->room ? 2 * rm->room : 64;

        objects = reg_calloc(f->arena, rm->room * sizeof(reg_doomed_t));
        if (objects == NULL) {
            return NULL;
        }

        if (rm->n) {
            memcpy(objects, rm->objects, rm->n * sizeof(reg_doomed_t));
        }

        rm->objects = objects;
    }

    o = &rm->objects[rm->n];

    copy = o->name;
    room = o->name_room;

    if (room < name->len) {
        room = 2 * name->len;

        copy.data = reg_alloc(f->arena, room);
        if (copy.data == NULL) {
            return NULL;
        }
    }

    memcpy(copy.data, name->data, name->len);
    copy.len = name->len;

    memset(o, 0, sizeof(reg_doomed_t));
    o->name = copy;
    o->name_room = room;

    rm->n++;

    return o;
}


/*
 * The current link is deleted even when a listing has it no more, since
 * somebody else was quicker: that tells the cache.
 */

static reg_todo_t
add_current(reg_flow_t *f)
{
    reg_doomed_t   *o;
    reg_removal_t  *rm = f->op;

    o = new_object(f, rm, &f->calls[0].object);
    if (o == NULL) {
        return reg_nomem(f);
    }

    o->tag = f->route.reference;
    o->current = 1;
    o->doomed = 1;

    return REG_NEXT;
}


/* of a tag that is there again the history is its own */

static reg_rc_t
add_history(reg_flow_t *f, reg_removal_t *rm, const reg_str_t *name)
{
    reg_doomed_t   *o;
    reg_str_t   rest;

    rest.data = name->data + rm->prefix.len - 1;
    rest.len = name->len - rm->prefix.len + 1;

    if (reg_str_is(&rest, CURRENT)) {
        rm->there |= rm->again;
        return REG_OK;
    }

    o = new_object(f, rm, name);
    if (o == NULL) {
        return REG_NOMEM;
    }

    o->tag = f->route.reference;
    o->doomed = 1;

    return REG_OK;
}


/*
 * The listing has the ETag of each tag's current link: one that says the
 * same as the revision link has the same.  Where that is no proof, because
 * the link is not as long as it should be, or because the tag's history has
 * the manifest, the link is read.
 */

static void
judge_current(reg_removal_t *rm, reg_doomed_t *o, const reg_entry_t *entry)
{
    o->current = 1;
    o->doomed |= (rm->etag.len && reg_str_equal(&entry->hash, &rm->etag));
    o->unsure = !o->doomed && (rm->etag.len == 0
                               || entry->bytes != LINK_SIZE);
}


/* what the name of the manifest's index link has behind the tag */

static reg_rc_t
find_index(reg_flow_t *f, reg_removal_t *rm, const reg_str_t *tag)
{
    size_t  skip;

    if (rm->index.data) {
        return REG_OK;
    }

    rm->index = reg_path_tag_index(f->arena, &f->route.name, tag, &rm->data);
    if (rm->index.data == NULL) {
        return REG_NOMEM;
    }

    skip = rm->prefix.len + tag->len;
    rm->index.data += skip;
    rm->index.len -= skip;

    return REG_OK;
}


/* of the last tag nothing is kept when it is surely another manifest's */

static void
drop_others(reg_removal_t *rm)
{
    reg_doomed_t  *current;

    if (rm->begin < rm->n) {
        current = &rm->objects[rm->begin];

        if (current->current && !current->doomed && !current->unsure) {
            rm->n = rm->begin;
        }
    }

    rm->begin = rm->n;
}


static reg_rc_t
add_object(reg_flow_t *f, reg_removal_t *rm, const reg_entry_t *entry)
{
    reg_doomed_t        *o, *current;
    reg_str_t        rest, tag;
    unsigned char   *slash;

    if (!f->route.by_digest) {
        return add_history(f, rm, &entry->name);
    }

    rest.data = entry->name.data + rm->prefix.len;
    rest.len = entry->name.len - rm->prefix.len;

    slash = memchr(rest.data, '/', rest.len);
    if (slash == NULL) {
        return REG_OK;
    }

    tag.data = rest.data;
    tag.len = (size_t) (slash - rest.data);

    rest.data += tag.len;
    rest.len -= tag.len;

    /* "current" is in front of "index", and begins what is of its tag */

    if (reg_str_is(&rest, CURRENT)) {
        drop_others(rm);

        o = new_object(f, rm, &entry->name);
        if (o == NULL) {
            return REG_NOMEM;
        }

        rm->begin = rm->n - 1;
        judge_current(rm, o, entry);

    } else if (rm->begin < rm->n
               && reg_str_equal(&rm->objects[rm->begin].tag, &tag))
    {
        o = new_object(f, rm, &entry->name);

        if (o == NULL || find_index(f, rm, &tag) != REG_OK) {
            return REG_NOMEM;
        }

        if (reg_str_equal(&rest, &rm->index)) {
            current = &rm->objects[rm->begin];
            current->unsure |= !current->doomed;
        }

    } else {
        return REG_OK;
    }

    o->at = rm->begin;
    o->tag.data = o->name.data + rm->prefix.len;
    o->tag.len = tag.len;

    return REG_OK;
}


static reg_todo_t
judge_tags(reg_flow_t *f)
{
    size_t          i;
    reg_removal_t      *rm = f->op;
    reg_listing_t   listing;

    if (reg_judge_list_row(f, &f->calls[0], &listing) == REG_ANSWER) {
        return REG_ANSWER;
    }

    for (i = 0; i < listing.n; i++) {
        if (listing.entries[i].name.len > rm->prefix.len
            && add_object(f, rm, &listing.entries[i]) != REG_OK)
        {
            return reg_nomem(f);
        }
    }

    if (listing.n == 0) {
        drop_others(rm);
        return REG_NEXT;
    }

    if (rm->n > REG_NAMES_MAX) {
        return reg_refuse_endless(f, &f->calls[0]);
    }

    if (reg_str_copy(f->arena, &rm->marker,
                     listing.entries[listing.n - 1].name.data,
                     listing.entries[listing.n - 1].name.len)
        != REG_OK)
    {
        return reg_nomem(f);
    }

    return REG_AGAIN;
}


static reg_todo_t
read_tags(reg_flow_t *f)
{
    reg_doomed_t   *o;
    reg_removal_t  *rm = f->op;

    while (rm->next < rm->n && f->ncalls < REG_CALLS_MAX) {
        o = &rm->objects[rm->next++];

        if (o->unsure) {
            rm->asked[f->ncalls] = rm->next - 1;
            reg_flow_call(f, REG_GET, o->name);
        }
    }

    if (f->ncalls) {
        return REG_CALL;
    }

    rm->next = 0;

    return REG_NEXT;
}


static int
is_same(const reg_removal_t *rm, const reg_digest_t *d)
{
    size_t  i;

    for (i = 0; i < rm->ndigests; i++) {
        if (reg_digest_equal(&rm->digests[i], d)) {
            return 1;
        }
    }

    return 0;
}


static reg_todo_t
judge_read(reg_flow_t *f)
{
    unsigned      n;
    reg_removal_t    *rm = f->op;
    reg_digest_t  d;

    for (n = 0; n < f->ncalls; n++) {

        if (reg_store_failed(f, &f->calls[n])) {
            return REG_ANSWER;
        }

        if (f->calls[n].reply.status == 200
            && reg_link_read(&f->calls[n].reply, &d) == REG_OK
            && is_same(rm, &d))
        {
            rm->objects[rm->asked[n]].doomed = 1;
        }
    }

    return REG_AGAIN;
}


/* with a tag goes its history, which is behind it */

static void
doom_history(reg_removal_t *rm)
{
    size_t     i;
    reg_doomed_t  *o, *current;

    for (i = 0; i < rm->n; i++) {
        o = &rm->objects[i];
        current = &rm->objects[o->at];

        if (current->current && current->doomed
            && reg_str_equal(&current->tag, &o->tag))
        {
            o->doomed = 1;
        }
    }
}


static reg_todo_t
delete_tags(reg_flow_t *f)
{
    reg_doomed_t   *o;
    reg_removal_t  *rm = f->op;

    if (rm->there) {
        return REG_NEXT;
    }

    if (rm->next == 0 && rm->pass == 0) {
        doom_history(rm);
    }

    for ( ;; ) {

        while (rm->next < rm->n && f->ncalls < REG_CALLS_MAX) {
            o = &rm->objects[rm->next++];

            if (o->doomed && o->current == rm->pass) {
                reg_flow_call(f, REG_DELETE, o->name);
            }
        }

        if (f->ncalls) {
            return REG_CALL;
        }

        rm->next = 0;

        if (rm->pass == 1) {
            break;
        }

        rm->pass = 1;
    }

    /* for the second time */

    rm->pass = 0;
    rm->n = 0;
    rm->begin = 0;
    rm->marker.len = 0;

    return REG_NEXT;
}


/* what is gone already is as good as deleted */

static reg_todo_t
judge_deleted(reg_flow_t *f)
{
    return judge_gone(f) == REG_NEXT ? REG_AGAIN : REG_ANSWER;
}


static reg_todo_t
delete_entries(reg_flow_t *f)
{
    size_t      i;
    reg_removal_t  *rm = f->op;

    if (!rm->has_subject || rm->there) {
        return REG_NEXT;
    }

    for (i = 0; i < rm->ndigests; i++) {
        reg_flow_call(f, REG_DELETE,
                      reg_path_referrer(f->arena, &f->route.name,
                                        &rm->subject, &rm->digests[i]));
    }

    return REG_CALL;
}


static reg_todo_t
judge_entries(reg_flow_t *f)
{
    unsigned        i;
    reg_removal_t  *rm = f->op;

    for (i = 0; i < f->ncalls; i++) {
        rm->listed[i] = (f->calls[i].reply.status / 100 == 2);
    }

    return judge_gone(f);
}


/* without the link of the data they are links to nothing, and unknown */

static reg_todo_t
delete_others(reg_flow_t *f)
{
    size_t          i;
    reg_removal_t  *rm = f->op;

    if (!f->route.by_digest) {
        return REG_NEXT;
    }

    for (i = 0; i < rm->ndigests; i++) {
        if (!reg_digest_equal(&rm->digests[i], &rm->data)) {
            rm->others[f->ncalls] = i;
            reg_flow_call(f, REG_DELETE,
                          reg_path_revision_link(f->arena, &f->route.name,
                                                 &rm->digests[i]));
        }
    }

    return f->ncalls ? REG_CALL : REG_NEXT;
}


static reg_todo_t
judge_others(reg_flow_t *f)
{
    unsigned        i;
    reg_removal_t  *rm = f->op;

    for (i = 0; i < f->ncalls; i++) {
        rm->linked[rm->others[i]] = (f->calls[i].reply.status / 100 == 2);
    }

    return judge_gone(f);
}


static reg_todo_t
delete_revision(reg_flow_t *f)
{
    reg_removal_t  *rm = f->op;

    if (!f->route.by_digest) {
        return REG_NEXT;
    }

    reg_flow_call(f, REG_DELETE,
                  reg_path_revision_link(f->arena, &f->route.name,
                                         &rm->data));
    return REG_CALL;
}


static reg_todo_t
judge_gone(reg_flow_t *f)
{
    unsigned  i;

    for (i = 0; i < f->ncalls; i++) {
        if (reg_store_failed(f, &f->calls[i])) {
            return REG_ANSWER;
        }
    }

    return REG_NEXT;
}


static reg_todo_t
say_deleted(reg_flow_t *f)
{
    reg_answer(f, 202);

    return REG_ANSWER;
}
