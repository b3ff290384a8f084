/*
 * DELETE of /v2/<name>/manifests/<reference>.
 *
 * By tag: its history goes first, the current link last.  By digest: the
 * tags that point to it, then the revision link.  The bytes stay: they are
 * garbage collection's business.
 */

#include "reg_listing.h"
#include "reg_ops.h"
#include "reg_path.h"


#define CURRENT  "/current/link"


typedef struct {
    reg_str_t       tag;                /* of "name" */
    reg_str_t       name;               /* of the object */
    unsigned        current:1;
    unsigned        doomed:1;
} object_t;


typedef struct {
    reg_str_t       prefix;             /* of all tags, or of the one */
    reg_str_t       marker;
    object_t       *objects;
    size_t          n;
    size_t          room;
    size_t          next;
    unsigned        pass;               /* of deleting: 0 index, 1 current */
} removal_t;


static reg_todo_t refuse_delete(reg_flow_t *f);
static reg_todo_t read_revision(reg_flow_t *f);
static reg_todo_t judge_revision(reg_flow_t *f);
static reg_todo_t list_tags(reg_flow_t *f);
static reg_todo_t judge_tags(reg_flow_t *f);
static reg_todo_t read_tags(reg_flow_t *f);
static reg_todo_t judge_read(reg_flow_t *f);
static reg_todo_t delete_tags(reg_flow_t *f);
static reg_todo_t judge_deleted(reg_flow_t *f);
static reg_todo_t delete_revision(reg_flow_t *f);
static reg_todo_t judge_gone(reg_flow_t *f);
static reg_todo_t say_deleted(reg_flow_t *f);


static const reg_step_t  delete_manifest[] = {
    { "check that deletes are allowed", refuse_delete, NULL },
    { "read revision link", read_revision, judge_revision },
    { "list tags", list_tags, judge_tags },
    { "read tags", read_tags, judge_read },
    { "delete tags", delete_tags, judge_deleted },
    { "delete revision link", delete_revision, judge_gone },
    { "answer", say_deleted, NULL }
};


const reg_step_t *
reg_delete_steps(reg_flow_t *f)
{
    removal_t  *rm;

    rm = reg_calloc(f->arena, sizeof(removal_t));
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

    return REG_NEXT;
}


static reg_todo_t
read_revision(reg_flow_t *f)
{
    if (f->route.by_digest) {
        reg_flow_call(f, REG_GET,
                      reg_path_revision_link(f->arena, &f->route.name,
                                             &f->route.digest));
    } else {
        reg_flow_call(f, REG_GET,
                      reg_path_tag_current(f->arena, &f->route.name,
                                           &f->route.reference));
    }

    return REG_CALL;
}


static reg_todo_t
judge_revision(reg_flow_t *f)
{
    if (reg_store_failed(f, &f->calls[0])) {
        return REG_ANSWER;
    }

    if (f->calls[0].reply.status != 200) {
        return reg_refuse_str(f, REG_E_MANIFEST_UNKNOWN,
                              f->route.reference);
    }

    return REG_NEXT;
}


static reg_todo_t
list_tags(reg_flow_t *f)
{
    removal_t  *rm = f->op;

    reg_call_list(f, &rm->prefix, &rm->marker, 0, 1000);

    return REG_CALL;
}


static reg_rc_t
add_object(reg_flow_t *f, removal_t *rm, const reg_str_t *name)
{
    size_t                len;
    object_t             *objects;
    const unsigned char  *slash;

    if (rm->n == rm->room) {
        rm->room = rm->room ? 2 * rm->room : 64;

        objects = reg_alloc(f->arena, rm->room * sizeof(object_t));
        if (objects == NULL) {
            return REG_NOMEM;
        }

        if (rm->n) {
            memcpy(objects, rm->objects, rm->n * sizeof(object_t));
        }

        rm->objects = objects;
    }

    memset(&rm->objects[rm->n], 0, sizeof(object_t));
    rm->objects[rm->n].name = *name;
    rm->objects[rm->n].doomed = !f->route.by_digest;

    if (f->route.by_digest) {
        len = name->len - rm->prefix.len;
        slash = memchr(name->data + rm->prefix.len, '/', len);

        rm->objects[rm->n].tag.data = name->data + rm->prefix.len;
        rm->objects[rm->n].tag.len = slash
                       ? (size_t) (slash - name->data) - rm->prefix.len : len;
    }

    len = sizeof(CURRENT) - 1;

    rm->objects[rm->n].current =
        (name->len > len
         && memcmp(name->data + name->len - len, CURRENT, len) == 0);

    rm->n++;

    return REG_OK;
}


static reg_todo_t
judge_tags(reg_flow_t *f)
{
    size_t          i;
    removal_t      *rm = f->op;
    const char     *why;
    reg_call_t     *call = &f->calls[0];
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
        if (listing.entries[i].name.len > rm->prefix.len
            && add_object(f, rm, &listing.entries[i].name) != REG_OK)
        {
            return reg_nomem(f);
        }
    }

    if (listing.n) {
        rm->marker = listing.entries[listing.n - 1].name;
        return REG_AGAIN;
    }

    return REG_NEXT;
}


/* which of the tags point to the manifest */

static reg_todo_t
read_tags(reg_flow_t *f)
{
    removal_t  *rm = f->op;

    if (!f->route.by_digest) {
        return REG_NEXT;
    }

    while (rm->next < rm->n && f->ncalls < REG_CALLS_MAX) {

        if (rm->objects[rm->next].current) {
            reg_flow_call(f, REG_GET, rm->objects[rm->next].name);
        }

        rm->next++;
    }

    if (f->ncalls) {
        return REG_CALL;
    }

    rm->next = 0;

    return REG_NEXT;
}


static reg_todo_t
judge_read(reg_flow_t *f)
{
    size_t        i, k;
    unsigned      n;
    removal_t    *rm = f->op;
    reg_digest_t  d;

    for (n = 0; n < f->ncalls; n++) {

        if (reg_store_failed(f, &f->calls[n])) {
            return REG_ANSWER;
        }

        if (f->calls[n].reply.status != 200
            || reg_link_read(&f->calls[n].reply, &d) != REG_OK
            || !reg_digest_equal(&d, &f->route.digest))
        {
            continue;
        }

        for (i = 0; i < rm->n; i++) {
            if (rm->objects[i].name.data == f->calls[n].object.data) {
                break;
            }
        }

        for (k = 0; k < rm->n; k++) {
            if (reg_str_equal(&rm->objects[k].tag, &rm->objects[i].tag)) {
                rm->objects[k].doomed = 1;
            }
        }
    }

    return REG_AGAIN;
}


static reg_todo_t
delete_tags(reg_flow_t *f)
{
    object_t   *o;
    removal_t  *rm = f->op;

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

        if (rm->pass == 1) {
            return REG_NEXT;
        }

        rm->pass = 1;
        rm->next = 0;
    }
}


/* what is gone already is as good as deleted */

static reg_todo_t
judge_deleted(reg_flow_t *f)
{
    unsigned  i;

    for (i = 0; i < f->ncalls; i++) {
        if (reg_store_failed(f, &f->calls[i])) {
            return REG_ANSWER;
        }
    }

    return REG_AGAIN;
}


static reg_todo_t
delete_revision(reg_flow_t *f)
{
    if (!f->route.by_digest) {
        return REG_NEXT;
    }

    reg_flow_call(f, REG_DELETE,
                  reg_path_revision_link(f->arena, &f->route.name,
                                         &f->route.digest));

    return REG_CALL;
}


static reg_todo_t
judge_gone(reg_flow_t *f)
{
    return reg_store_failed(f, &f->calls[0]) ? REG_ANSWER : REG_NEXT;
}


static reg_todo_t
say_deleted(reg_flow_t *f)
{
    reg_answer(f, 202);

    return REG_ANSWER;
}
