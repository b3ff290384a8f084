/*
 * Rows that make one part of many small ones, so that an upload of tiny
 * pieces stays small in objects.  The parts are read and written again; the
 * merged one has the id of the last of them, so that a state which names
 * that one still says a place in the upload.  It is written before they are
 * deleted: what was acknowledged is there all the time.
 */

#include "reg_merge.h"
#include "core/reg_swift.h"
#include "reg_store.h"
#include "reg_upload.h"


reg_todo_t
reg_upload_read_small(reg_flow_t *f)
{
    int64_t        total;
    uint32_t       i;
    reg_call_t    *call;
    reg_upload_t  *u = f->op;

    if (!u->merging) {

        if (!u->listed || u->stored || u->gone
            || u->session.small < (u->closing ? 2 : REG_PARTS_RUN))
        {
            return REG_NEXT;
        }

        u->run = u->npath - u->session.small;

        for (total = 0, i = u->run; i < u->npath; i++) {
            reg_size_add(&total, u->path[i]->size);
        }

        reg_buf_init(&u->merged, f->arena, (size_t) total);
        u->next = u->run;
        u->merging = 1;
    }

    while (u->next < u->npath && f->ncalls < REG_CALLS_MAX) {
        call = reg_flow_call(f, REG_GET, reg_upload_part(f, u->path[u->next]));
        call->reply_max = (size_t) u->path[u->next]->size;
        u->next++;
    }

    return f->ncalls ? REG_CALL : REG_NEXT;
}


reg_todo_t
reg_upload_judge_small(reg_flow_t *f)
{
    uint32_t       first;
    unsigned       i;
    reg_reply_t   *reply;
    reg_upload_t  *u = f->op;

    first = u->next - f->ncalls;

    for (i = 0; i < f->ncalls; i++) {
        reply = &f->calls[i].reply;

        if (reg_store_failed(f, &f->calls[i])) {
            return REG_ANSWER;
        }

        if (reply->status == 404 && u->closing) {

            /* answered before, or at this time: the blob will tell */

            u->gone = 1;
            u->merging = 0;

            return REG_NEXT;
        }

        if (reply->status == 404) {
            return reg_refuse(f, REG_E_BLOB_UPLOAD_INVALID,
                              "another request changed this upload");
        }

        if (reply->status != 200
            || (int64_t) reply->body.len != u->path[first + i]->size)
        {
            return reg_refuse(f, REG_E_UNAVAILABLE,
                              "the storage sent another size than it lists");
        }

        reg_buf_add_str(&u->merged, &reply->body);
    }

    return REG_AGAIN;
}


reg_todo_t
reg_upload_merge(reg_flow_t *f)
{
    reg_call_t    *call;
    reg_part_t    *part, **path;
    reg_upload_t  *u = f->op;

    if (!u->merging) {
        return REG_NEXT;
    }

    part = reg_calloc(f->arena, sizeof(reg_part_t));
    path = reg_alloc(f->arena, (u->npath + 1) * sizeof(reg_part_t *));

    if (part == NULL || path == NULL) {
        return reg_nomem(f);
    }

    /* the new path, and behind it what it no longer needs */

    memcpy(path, u->path, u->run * sizeof(reg_part_t *));
    memcpy(path + u->run + 1, u->path + u->run,
           (u->npath - u->run) * sizeof(reg_part_t *));

    path[u->run] = part;
    u->path = path;
    u->nall = u->npath + 1;

    part->offset = path[u->run + 1]->offset;
    part->prev = path[u->run + 1]->prev;
    part->id = u->session.tip;
    part->size = (int64_t) u->merged.len;
    part->merged = 1;

    call = reg_flow_call(f, REG_PUT, reg_upload_part(f, part));
    reg_upload_expire(f, call);

    call->body = reg_buf_str(&u->merged);
    call->failed |= (call->body.data == NULL);

    return REG_CALL;
}


reg_todo_t
reg_upload_judge_merged(reg_flow_t *f)
{
    uint32_t        n;
    reg_todo_t      todo;
    reg_part_t     *part;
    reg_upload_t   *u = f->op;
    reg_session_t   chain;

    todo = reg_judge_made(f);

    if (todo != REG_NEXT) {
        return todo;
    }

    part = u->path[u->run];
    part->etag = f->calls[0].reply.etag;

    if (part->etag.len == 0) {
        return reg_refuse(f, REG_E_UNAVAILABLE,
                          "the storage did not tell an ETag");
    }

    /* the bytes, and so their hash, are the same */

    n = u->session.small;

    reg_session_init(&chain);
    memcpy(chain.chain, u->session.large, sizeof(chain.chain));
    reg_session_add(&chain, part->size, &part->etag);

    memcpy(u->session.chain, chain.chain, sizeof(chain.chain));
    u->session.nparts -= n - 1;
    reg_session_drop_parts(&u->session, n);
    reg_session_put_part(&u->session, part);
    u->session.tip_start = part->offset;
    u->session.tip_merged = 1;
    u->session.small = (part->size < REG_PART_SMALL);

    u->next = u->run + 1;

    return REG_NEXT;
}


reg_todo_t
reg_upload_delete_merged(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    f->ncalls = 0;

    if (!u->merging) {
        return REG_NEXT;
    }

    while (u->next <= u->npath && f->ncalls < REG_CALLS_MAX) {
        reg_flow_call(f, REG_DELETE, reg_upload_part(f, u->path[u->next++]));
    }

    return f->ncalls ? REG_CALL : REG_NEXT;
}
