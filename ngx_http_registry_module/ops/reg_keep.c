/*
 * What a delete by digest must leave: a manifest that was pushed meanwhile,
 * or that a tag points to which is to stay.
 *
 * A push of such a tag may come after the tags were listed, and see the
 * revision link before it is deleted: then it is acknowledged.  The second
 * look finds the tag, and what was deleted is written again.
 */

#include "reg_keep.h"
#include "core/reg_name.h"
#include "core/reg_path.h"
#include "core/reg_referrer.h"
#include "reg_common.h"
#include "reg_delete.h"
#include "reg_store.h"


static void write_entries(reg_flow_t *f);


reg_todo_t
reg_keep_check(reg_flow_t *f)
{
    size_t          i;
    reg_doomed_t   *o;
    reg_removal_t  *rm = f->op;

    if (f->immutable == NULL || !f->route.by_digest || rm->there) {
        return REG_NEXT;
    }

    for (i = 0; i < rm->n; i++) {
        o = &rm->objects[i];

        if (!o->current || !o->doomed || !reg_tag_valid(&o->tag)
            || !f->immutable(f->immutable_data, &o->tag))
        {
            continue;
        }

        if (!rm->again) {
            return reg_refuse_immutable(f, &o->tag);
        }

        rm->kept = &o->tag;
        break;
    }

    return REG_NEXT;
}


/* of what was pushed as a whole meanwhile nothing is deleted */

reg_todo_t
reg_keep_read(reg_flow_t *f)
{
    reg_removal_t  *rm = f->op;

    if (!f->route.by_digest) {
        return REG_NEXT;
    }

    reg_flow_call(f, REG_GET,
                  reg_path_revision_link(f->arena, &f->route.name,
                                         &rm->data));
    return REG_CALL;
}


reg_todo_t
reg_keep_judge(reg_flow_t *f)
{
    reg_removal_t  *rm = f->op;

    if (reg_store_failed(f, &f->calls[0])) {
        return REG_ANSWER;
    }

    rm->there = (f->calls[0].reply.status == 200);

    return REG_NEXT;
}


/* an entry that came between the two looks may be of a push that goes on */

reg_todo_t
reg_keep_read_last(reg_flow_t *f)
{
    size_t          i;
    reg_removal_t  *rm = f->op;

    for (i = 0; !rm->there && i < rm->ndigests; i++) {
        if (rm->listed[i]) {
            return reg_keep_read(f);
        }
    }

    return REG_NEXT;
}


reg_todo_t
reg_keep_judge_last(reg_flow_t *f)
{
    reg_removal_t  *rm = f->op;

    if (reg_store_failed(f, &f->calls[0])) {
        return REG_ANSWER;
    }

    rm->back = (f->calls[0].reply.status == 200);

    return REG_NEXT;
}


reg_todo_t
reg_keep_links(reg_flow_t *f)
{
    size_t          i;
    reg_removal_t  *rm = f->op;

    if (rm->kept == NULL) {
        return REG_NEXT;
    }

    reg_link_write(f, reg_path_revision_link(f->arena, &f->route.name,
                                             &rm->data), &rm->data);

    for (i = 0; i < rm->ndigests; i++) {

        if (rm->linked[i]) {
            reg_link_write(f, reg_path_revision_link(f->arena,
                                                     &f->route.name,
                                                     &rm->digests[i]),
                           &rm->data);
        }
    }

    write_entries(f);

    return REG_CALL;
}


/*
 * Whoever pushes links the revision before the entry: a link that is there
 * now may be of a push whose entry was just deleted.
 */

reg_todo_t
reg_keep_entries(reg_flow_t *f)
{
    reg_removal_t  *rm = f->op;

    if (rm->back) {
        write_entries(f);
    }

    return f->ncalls ? REG_CALL : REG_NEXT;
}


static void
write_entries(reg_flow_t *f)
{
    size_t          i;
    reg_call_t     *call;
    reg_removal_t  *rm = f->op;

    for (i = 0; i < rm->ndigests; i++) {

        if (!rm->listed[i]) {
            continue;
        }

        call = reg_flow_call(f, REG_PUT,
                             reg_path_referrer(f->arena, &f->route.name,
                                               &rm->subject,
                                               &rm->digests[i]));
        call->body = rm->entries[i];
        call->content_type = reg_referrer_type(f->arena, &rm->entries[i]);
        call->failed |= (call->content_type.data == NULL);
    }
}


reg_todo_t
reg_keep_refuse(reg_flow_t *f)
{
    reg_removal_t  *rm = f->op;

    return rm->kept ? reg_refuse_immutable(f, rm->kept) : REG_NEXT;
}
