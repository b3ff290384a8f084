/*
 * POST of /v2/<name>/blobs/uploads/?mount=<digest>&from=<repository>: a blob
 * that is here already is linked.  Whatever prevents that makes it a plain
 * upload: the spec's "fall back".
 */

#include "reg_mount.h"
#include "core/reg_name.h"
#include "core/reg_path.h"
#include "core/reg_query.h"
#include "reg_common.h"
#include "reg_store.h"
#include "reg_upload.h"


static reg_todo_t read_source(reg_flow_t *f);
static reg_todo_t read_alias(reg_flow_t *f);
static reg_todo_t judge_source(reg_flow_t *f);
static reg_todo_t check_source(reg_flow_t *f);
static reg_todo_t judge_checked(reg_flow_t *f);
static reg_todo_t list_source(reg_flow_t *f);
static reg_todo_t judge_source_list(reg_flow_t *f);


static const reg_step_t  mount_blob[] = {
    { "read source link", read_source, judge_source },
    { "check blob", check_source, judge_checked },
    { "check segments", list_source, judge_source_list },
    { "link blob", reg_upload_link, reg_judge_made },
    { "answer", reg_upload_say_created, NULL }
};


static const reg_step_t  mount_anonymously[] = {
    { "read alias", read_alias, judge_source },
    { "check blob", check_source, judge_checked },
    { "check segments", list_source, judge_source_list },
    { "link blob", reg_upload_link, reg_judge_made },
    { "answer", reg_upload_say_created, NULL }
};


const reg_step_t *
reg_mount_steps(reg_flow_t *f)
{
    reg_rc_t       rc;
    reg_str_t      mount, from;
    reg_upload_t  *u = f->op;

    rc = reg_query_get(f->arena, &f->args, "mount", &mount);

    if (rc == REG_OK) {
        rc = reg_query_get(f->arena, &f->args, "from", &from);
    }

    if (rc == REG_NOMEM) {
        reg_nomem(f);
        return reg_refused;
    }

    if (rc != REG_OK) {
        reg_refuse(f, REG_E_DIGEST_INVALID,
                   "mount or from is malformed or there twice");
        return reg_refused;
    }

    if (mount.data == NULL || reg_digest_parse(&mount, &u->digest) != REG_OK)
    {
        return NULL;
    }

    if (from.data == NULL) {
        return f->anonymous_mount ? mount_anonymously : NULL;
    }

    u->from = from;

    return reg_name_valid(&from) ? mount_blob : NULL;
}


static reg_todo_t
read_source(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    reg_flow_call(f, REG_GET,
                  reg_path_layer_link(f->arena, &u->from, &u->digest));

    return REG_CALL;
}


/* data is kept by its sha256; by another digest it is found by an alias */

static reg_todo_t
read_alias(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    if (u->digest.alg == REG_SHA256) {
        u->data = u->digest;
        return REG_NEXT;
    }

    reg_flow_call(f, REG_GET, reg_path_alias(f->arena, &u->digest));

    return REG_CALL;
}


static reg_todo_t
judge_source(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    if (reg_store_failed(f, &f->calls[0])) {
        return REG_ANSWER;
    }

    if (reg_data_link(f, &f->calls[0], &u->digest, &u->data) != REG_OK) {
        return reg_upload_say_begun(f);
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
        return reg_upload_say_begun(f);
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
