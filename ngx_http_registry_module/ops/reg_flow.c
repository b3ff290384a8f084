#include "reg_flow.h"


#define LINK_MAX  1024


static int rests_on_container(const reg_flow_t *f);
static reg_todo_t look_for_container(reg_flow_t *f);
static reg_todo_t judge_container(reg_flow_t *f);


/* of what is not there: it may be the container */

static const reg_step_t  look_again[] = {
    { "look for container", look_for_container, judge_container }
};


reg_todo_t
reg_flow_run(reg_flow_t *f)
{
    int         judged;
    reg_todo_t  todo;

    for ( ;; ) {

        judged = f->asked;

        if (f->asked) {
            f->asked = 0;
            todo = f->step->judge(f);

        } else {
            f->ncalls = 0;
            todo = f->step->ask(f);
        }

        if (todo == REG_ANSWER && rests_on_container(f)) {
            f->step = look_again;
            todo = REG_AGAIN;
        }

        if (judged && f->judged && (todo == REG_NEXT || todo == REG_AGAIN)) {
            f->judged(f->judged_data);
        }

        if (todo == REG_NEXT) {
            f->step++;

        } else if (todo != REG_AGAIN) {
            f->asked = (todo == REG_CALL || todo == REG_BODY
                        || todo == REG_RANGE);
            f->todo = todo;
            return todo;
        }
    }
}


reg_call_t *
reg_flow_call(reg_flow_t *f, reg_method_t method, reg_str_t object)
{
    reg_call_t  *call;

    call = &f->calls[f->ncalls++];
    memset(call, 0, sizeof(reg_call_t));

    call->method = method;
    call->object = object;
    call->failed = (object.data == NULL);
    call->reply_max = LINK_MAX;

    f->written |= (method == REG_PUT || method == REG_DELETE);

    return call;
}


reg_call_t *
reg_flow_call_container(reg_flow_t *f, reg_method_t method)
{
    reg_str_t    none = reg_null_string;
    reg_call_t  *call;

    call = reg_flow_call(f, method, none);
    call->on_container = 1;
    call->failed = 0;

    return call;
}


reg_call_t *
reg_flow_recall(reg_flow_t *f, reg_method_t method, reg_str_t object)
{
    reg_call_t  *call;

    call = reg_flow_call(f, method, object);
    call->cache = REG_CACHE_FACT;

    return call;
}


reg_call_t *
reg_flow_recall_data(reg_flow_t *f, reg_str_t object, const reg_digest_t *d)
{
    reg_call_t  *call;

    call = reg_flow_call(f, REG_GET, object);
    call->cache = REG_CACHE_DATA;
    call->digest = *d;

    return call;
}


void
reg_flow_hash(reg_flow_t *f, const unsigned char *p, size_t len)
{
    if (f->hash) {
        reg_hash_update(f->hash, p, len);
    }

    if (f->other) {
        reg_hash_update(f->other, p, len);
    }
}


int
reg_flow_hash_end(reg_flow_t *f)
{
    reg_hash_t   *h;
    reg_digest_t  d;

    if (f->hash == NULL || f->expected == NULL) {
        return 1;
    }

    h = f->other && f->other->alg == f->expected->alg ? f->other : f->hash;

    reg_hash_final(h, &d);
    f->refused = !reg_digest_equal(&d, f->expected);

    return !f->refused;
}


void
reg_answer(reg_flow_t *f, unsigned status)
{
    static const reg_str_t  accept = reg_string("Accept");

    memset(&f->answer, 0, sizeof(reg_answer_t));

    f->answer.status = status;
    f->answer.error = REG_E_LAST;

    /* by it a manifest is chosen, or is not there: a proxy may keep each */

    if (f->route.kind == REG_ROUTE_MANIFEST
        && (f->method == REG_GET || f->method == REG_HEAD))
    {
        reg_answer_header(f, "Vary", accept);
    }
}


void
reg_answer_header(reg_flow_t *f, const char *name, reg_str_t value)
{
    /* without a value it is a 500: better than a line of somebody else's */

    if (!reg_str_clean(&value)) {
        value.data = NULL;
    }

    if (f->answer.nheaders < REG_HEADERS_MAX) {
        f->answer.headers[f->answer.nheaders].name = name;
        f->answer.headers[f->answer.nheaders++].value = value;
    }
}


reg_todo_t
reg_refuse_str(reg_flow_t *f, reg_error_t e, reg_str_t detail)
{
    reg_str_t    type = reg_string("application/json; charset=utf-8");
    reg_str_t    none = reg_string("no-store");
    reg_str_t    allow;
    const char  *methods;

    reg_answer(f, reg_error_status(e));

    f->answer.error = e;
    f->answer.content_type = type;
    f->answer.body = reg_error_json(f->arena, e, &detail, detail.len ? 1 : 0);
    f->answer.length = (int64_t) f->answer.body.len;

    /* what is not there now is pushed the next moment */

    reg_answer_header(f, "Cache-Control", none);

    methods = f->read_only ? "GET, HEAD"
                           : reg_route_allow(f->route.kind,
                                             f->delete_allowed);

    if (f->answer.status == 405 && methods) {
        allow.data = (unsigned char *) methods;
        allow.len = strlen(methods);
        reg_answer_header(f, "Allow", allow);
    }

    return REG_ANSWER;
}


reg_todo_t
reg_refuse(reg_flow_t *f, reg_error_t e, const char *detail)
{
    reg_str_t  s;

    s.data = (unsigned char *) detail;
    s.len = strlen(detail);

    return reg_refuse_str(f, e, s);
}


reg_todo_t
reg_nomem(reg_flow_t *f)
{
    reg_answer(f, 500);
    f->answer.error = REG_E_UNKNOWN;

    return REG_ANSWER;
}


void
reg_damaged(reg_flow_t *f, const reg_str_t *object, const char *what)
{
    reg_buf_t  b;

    reg_buf_init(&b, f->arena, 512);

    if (f->damage.len) {
        reg_buf_add_str(&b, &f->damage);
        reg_buf_text(&b, "; ");
    }

    reg_buf_char(&b, '"');
    reg_buf_visible(&b, object->data, object->len);
    reg_buf_text(&b, "\" ");
    reg_buf_text(&b, what);

    f->damage = reg_buf_str(&b);
}


/* RGW has a word for it; Swift says the same of an object */

int
reg_call_no_container(const reg_call_t *call)
{
    return call->reply.status == 404
           && (call->on_container
               || (call->method == REG_PUT
                   && !reg_str_starts(&call->headers, REG_SWIFT_COPY_FROM))
               || reg_swift_no_container(&call->reply.body));
}


/* "unknown" is an answer only where something could be */

static int
rests_on_container(const reg_flow_t *f)
{
    return f->missed && !f->container_seen
           && ((f->answer.status == 404 && f->answer.error != REG_E_LAST)
               || f->answer.error == REG_E_MANIFEST_BLOB_UNKNOWN);
}


static reg_todo_t
look_for_container(reg_flow_t *f)
{
    reg_call_t  *call;

    call = reg_flow_call_container(f, REG_HEAD);
    call->cache = REG_CACHE_FACT;

    f->container_seen = 1;

    return REG_CALL;
}


/* f->answer stays what it was */

static reg_todo_t
judge_container(reg_flow_t *f)
{
    (void) reg_store_failed(f, &f->calls[0]);

    return REG_ANSWER;
}


int
reg_store_failed(reg_flow_t *f, const reg_call_t *call)
{
    const reg_reply_t  *reply;

    reply = &call->reply;

    if (reply->status >= 200 && reply->status < 300) {
        f->container_seen |= !reply->cached;
        return 0;
    }

    /* the storage's own has a transaction; of others it is their limit */

    if (reply->status == 413 && reply->trans_id.len) {
        reg_refuse(f, REG_E_DENIED, "the storage quota is exceeded");
        return 1;
    }

    if (reply->status == 413) {
        reg_refuse(f, REG_E_UNAVAILABLE,
                   "a proxy before the storage takes no body of this size");
        return 1;
    }

    if (reg_call_no_container(call)) {
        reg_refuse(f, REG_E_UNAVAILABLE,
                   "the storage container does not exist");
        return 1;
    }

    if (reply->status == 404) {
        f->missed = 1;
        f->container_seen |= (reg_swift_no_object(&reply->body) != 0);
        return 0;
    }

    /* Swift: whoever wrote at the same time was later than this delete */

    if (reply->status == 409 && call->method == REG_DELETE) {
        return 0;
    }

    reg_refuse(f, REG_E_UNAVAILABLE, "the storage does not answer as it"
                                     " should; try again later");
    return 1;
}
