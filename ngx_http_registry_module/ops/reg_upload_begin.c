/*
 * Uploads: POST of /v2/<name>/blobs/uploads/, and PATCH, GET, HEAD and DELETE
 * of /v2/<name>/blobs/uploads/<id>.
 *
 * Beginning one costs no storage call: its state is in the Location.  Each
 * PATCH becomes a part, an object of its own that expires.
 */

#include "reg_upload_begin.h"
#include "core/reg_query.h"
#include "reg_commit.h"
#include "reg_common.h"
#include "reg_find.h"
#include "reg_merge.h"
#include "reg_mount.h"
#include "reg_part.h"
#include "reg_upload.h"


static const reg_step_t *begin_steps(reg_flow_t *f, reg_upload_t *u);
static reg_todo_t say_accepted(reg_flow_t *f);
static reg_todo_t say_status(reg_flow_t *f);
static reg_todo_t mark_cancelled(reg_flow_t *f);
static reg_todo_t mark_again(reg_flow_t *f);
static reg_todo_t judge_marked(reg_flow_t *f);
static reg_todo_t say_cancelled(reg_flow_t *f);


static const reg_step_t  begin_upload[] = {
    { "begin upload", reg_upload_say_begun, NULL }
};


static const reg_step_t  patch_upload[] = {
    { "find upload", reg_upload_find, reg_upload_judge_found },
    { "check range", reg_upload_check_range, NULL },
    { "read small parts", reg_upload_read_small, reg_upload_judge_small },
    { "merge parts", reg_upload_merge, reg_upload_judge_merged },
    { "delete merged", reg_upload_delete_merged, reg_upload_delete_merged },
    { "feed part", reg_upload_feed, reg_upload_judge_fed },
    { "check siblings", reg_upload_check_siblings,
      reg_upload_judge_siblings },
    { "drop part", reg_upload_drop, reg_upload_drop },
    { "list again", reg_upload_list_again, reg_upload_judge_listed },
    { "answer", say_accepted, NULL }
};


static const reg_step_t  upload_status[] = {
    { "find upload", reg_upload_find, reg_upload_judge_found },
    { "answer", say_status, NULL }
};


/* marked first: a part that comes later finds the mark, one before is seen */

static const reg_step_t  cancel_upload[] = {
    { "find upload", reg_upload_find, reg_upload_judge_found },
    { "mark cancelled", mark_cancelled, judge_marked },
    { "list parts", reg_upload_list, reg_upload_judge_listed },
    { "delete parts", reg_upload_delete_parts, reg_upload_delete_parts },
    { "mark again", mark_again, judge_marked },
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
    u->other = u->session.other;
    u->told = u->session.offset;

    switch (f->method) {
    case REG_PATCH:
        return patch_upload;
    case REG_PUT:
        return reg_commit_steps(f);
    case REG_GET:
    case REG_HEAD:
        u->all = 1;
        u->grow = 1;
        return upload_status;
    case REG_DELETE:
        u->all = 1;
        u->grow = 1;
        return cancel_upload;
    default:
        return reg_not_allowed;
    }
}


static const reg_step_t *
begin_steps(reg_flow_t *f, reg_upload_t *u)
{
    reg_str_t          algorithm, digest;
    reg_alg_t          alg;
    reg_rc_t           rc;
    const reg_step_t  *steps;

    if (!reg_upload_new_id(f, &u->id)) {
        reg_nomem(f);
        return reg_refused;
    }

    rc = reg_query_get(f->arena, &f->args, "digest-algorithm", &algorithm);

    if (rc == REG_NOMEM) {
        reg_nomem(f);
        return reg_refused;
    }

    if (rc != REG_OK
        || (algorithm.data && reg_alg_parse(&algorithm, &alg) != REG_OK))
    {
        reg_refuse(f, REG_E_DIGEST_INVALID,
                   "digest-algorithm must be sha256, sha384 or sha512");
        return reg_refused;
    }

    if (algorithm.data) {
        reg_session_expect(&u->session, alg);
    }

    u->known = 1;
    u->session.authorized = f->authorize_until;

    if (f->now) {
        u->session.expires = f->now + f->upload_expires;
    }

    u->hash = u->session.hash;
    u->other = u->session.other;

    steps = reg_mount_steps(f);

    if (steps) {
        return steps;
    }

    rc = reg_query_get(f->arena, &f->args, "digest", &digest);

    if (rc == REG_NOMEM) {
        reg_nomem(f);
        return reg_refused;
    }

    if (rc != REG_OK) {
        reg_refuse(f, REG_E_DIGEST_INVALID,
                   "digest is malformed or there twice");
        return reg_refused;
    }

    return digest.data ? reg_commit_steps(f) : begin_upload;
}


static reg_todo_t
say_accepted(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    if (u->verdict == REG_VERDICT_STALE) {
        return reg_upload_refuse_range(f);
    }

    if (u->verdict == REG_VERDICT_SIZE) {
        return reg_refuse(f, REG_E_SIZE_INVALID,
                          "Content-Range and the length of the body differ");
    }

    reg_upload_answer(f, 202);

    return REG_ANSWER;
}


static reg_todo_t
say_status(reg_flow_t *f)
{
    reg_upload_answer(f, 204);

    return REG_ANSWER;
}


static reg_todo_t
mark_cancelled(reg_flow_t *f)
{
    reg_str_t      none = reg_null_string;
    reg_upload_t  *u = f->op;

    u->cancelling = 1;
    reg_upload_mark(f, none);

    return REG_CALL;
}


/*
 * Where the quota is reached the mark is refused, and cancelling is the way
 * to free room: there is some once the parts are gone.
 */

static reg_todo_t
judge_marked(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    u->unmarked = (f->calls[0].reply.status < 200
                   || f->calls[0].reply.status >= 300);
    u->next = 0;

    return REG_NEXT;
}


static reg_todo_t
mark_again(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    return u->unmarked ? mark_cancelled(f) : REG_NEXT;
}


static reg_todo_t
say_cancelled(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    reg_answer(f, 204);
    reg_answer_header(f, "Docker-Upload-UUID", u->id);

    return REG_ANSWER;
}
