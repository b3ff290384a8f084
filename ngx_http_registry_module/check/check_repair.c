/*
 * What is missing is asked for once more before it is reported, and what a
 * repair rests on once more before it is done.
 */

#define _GNU_SOURCE

#include <stdarg.h>
#include <stdlib.h>

#include "check_repair.h"
#include "check_store.h"


typedef struct {
    check_kind_t     kind;
    char            *holder;
    char            *object;
    char            *repository;
    char            *detail;
    check_action_t  *action;
} suspect_t;


static void on_missing(check_t *c, check_request_t *r);
static void on_holder(check_t *c, check_request_t *r);
static void ask_holder(check_t *c, suspect_t *s);
static void suspect_free(suspect_t *s);
static void repair(check_t *c, check_action_t *action);
static const char *changed(check_t *c, check_action_t *action);
static int is_there(check_t *c, const char *object, int64_t *length);
static int has_text(check_t *c, const char *object, const char *text);


void
check_suspect(check_t *c, check_kind_t kind, const reg_str_t *missing,
    const reg_str_t *holder, const reg_str_t *object, const char *repository,
    check_action_t *action, const char *format, ...)
{
    va_list           args;
    reg_str_t         name;
    suspect_t        *s;
    check_request_t  *r;

    s = calloc(1, sizeof(suspect_t));
    if (s == NULL) {
        check_fatal(c, "out of memory");
    }

    va_start(args, format);
    if (vasprintf(&s->detail, format, args) < 0) {
        check_fatal(c, "out of memory");
    }
    va_end(args);

    s->kind = kind;
    s->action = action;
    s->holder = check_strdup(NULL, holder);
    s->object = check_strdup(NULL, object);

    if (repository) {
        name = check_str(repository);
        s->repository = check_strdup(NULL, &name);
    }

    if (missing == NULL) {
        ask_holder(c, s);
        return;
    }

    r = check_request(c, REG_HEAD, missing, NULL, on_missing);
    r->data = s;
    check_send(c, r);
}


static void
on_missing(check_t *c, check_request_t *r)
{
    if (r->status == 404) {
        ask_holder(c, r->data);
        return;
    }

    suspect_free(r->data);
}


static void
ask_holder(check_t *c, suspect_t *s)
{
    reg_str_t         name;
    check_request_t  *r;

    name = check_str(s->holder);

    r = check_request(c, REG_HEAD, &name, NULL, on_holder);
    r->data = s;
    check_send(c, r);
}


static void
on_holder(check_t *c, check_request_t *r)
{
    reg_str_t        name;
    suspect_t       *s;
    check_action_t  *action;

    s = r->data;

    if (r->status != 404 && !check_young(c, r->modified)) {

        name = check_str(s->object);
        check_report(c, s->kind, &name, s->repository, -1,
                     s->detail[0] ? "%s" : NULL, s->detail);

        for (action = s->action; action; action = action->next) {
            c->actions = check_grow(c->actions, &c->actions_room,
                                    c->nactions, sizeof(check_action_t *));
            c->actions[c->nactions++] = action;
        }
    }

    suspect_free(s);
}


static void
suspect_free(suspect_t *s)
{
    free(s->holder);
    free(s->object);
    free(s->repository);
    free(s->detail);
    free(s);
}


check_action_t *
check_action(check_t *c, unsigned kind, check_kind_t problem,
    reg_method_t method, const reg_str_t *object, const char *repository)
{
    reg_str_t        name;
    check_action_t  *action;

    if (!(c->options.repair & kind)) {
        return NULL;
    }

    action = reg_calloc(&c->pool.arena, sizeof(check_action_t));

    action->kind = kind;
    action->problem = problem;
    action->method = method;
    action->object = check_strdup(&c->pool, object);

    if (repository) {
        name = check_str(repository);
        action->repository = check_strdup(&c->pool, &name);
    }

    return action;
}


/* when all was read, and the storage has answered all of it */

void
check_repair(check_t *c)
{
    size_t  i;

    for (i = 0; i < c->nactions; i++) {
        repair(c, c->actions[i]);
    }
}


static void
repair(check_t *c, check_action_t *action)
{
    reg_str_t         object;
    const char       *why;
    check_request_t  *r;

    why = changed(c, action);

    if (why || c->options.dry_run) {
        check_report_repair(c, action, why);
        return;
    }

    object = check_str(action->object);
    r = check_request(c, action->method, &object, NULL, NULL);

    if (action->method == REG_PUT) {
        check_request_put(c, r, &action->body, action->type);
    }

    check_wait_for(c, r);

    if (action->method == REG_PUT && r->status == 404) {
        check_fatal(c, "PUT %s: the storage answered 404", action->object);
    }

    check_request_free(r);
    check_report_repair(c, action, NULL);
}


/* NULL: all is as it was when the action was thought of */

static const char *
changed(check_t *c, check_action_t *action)
{
    int64_t  length;

    if (action->guard && !has_text(c, action->guard, action->guard_text)) {
        return "the tag was changed meanwhile";
    }

    if (action->was) {
        if (!has_text(c, action->object, action->was)) {
            return "it was changed meanwhile";
        }

    } else if (action->method == REG_PUT
               && is_there(c, action->object, &length))
    {
        return "it was written meanwhile";
    }

    if (action->needs && (!is_there(c, action->needs, &length)
                          || length == 0))
    {
        return "what it links is not there";
    }

    if (action->absent && is_there(c, action->absent, &length)) {
        return "what it lacked was written meanwhile";
    }

    if (action->empty
        && (!is_there(c, action->object, &length) || length != 0))
    {
        return "it is not empty";
    }

    return NULL;
}


static int
is_there(check_t *c, const char *object, int64_t *length)
{
    int               there;
    reg_str_t         name;
    check_request_t  *r;

    name = check_str(object);
    r = check_request(c, REG_HEAD, &name, NULL, NULL);

    check_wait_for(c, r);

    there = (r->status != 404);
    *length = r->length;

    check_request_free(r);

    return there;
}


static int
has_text(check_t *c, const char *object, const char *text)
{
    int               same;
    reg_str_t         name, want, got;
    check_request_t  *r;

    name = check_str(object);
    want = check_str(text);

    r = check_request(c, REG_GET, &name, NULL, NULL);
    r->body_max = 65536;

    check_wait_for(c, r);

    got.data = r->body;
    got.len = r->body_len;
    same = (r->status != 404 && reg_str_equal(&want, &got));

    check_request_free(r);

    return same;
}
