#include "reg_common.h"
#include "core/reg_etag.h"


static reg_todo_t say_not_allowed(reg_flow_t *f);
static reg_todo_t say_moved(reg_flow_t *f);
static reg_todo_t say_refused(reg_flow_t *f);


const reg_step_t  reg_not_allowed[] = {
    { "refuse method", say_not_allowed, NULL }
};


const reg_step_t  reg_moved[] = {
    { "redirect", say_moved, NULL }
};


const reg_step_t  reg_refused[] = {
    { "refuse", say_refused, NULL }
};


static reg_todo_t
say_refused(reg_flow_t *f)
{
    (void) f;

    return REG_ANSWER;
}


static reg_todo_t
say_not_allowed(reg_flow_t *f)
{
    return reg_refuse(f, REG_E_UNSUPPORTED,
                      "this method is not allowed here; the Allow header"
                      " lists those that are");
}


/* for reading only: a client may send anything else as GET then */

static reg_todo_t
say_moved(reg_flow_t *f)
{
    reg_buf_t  b;
    reg_str_t  path;

    if (f->method != REG_GET && f->method != REG_HEAD) {
        return reg_refuse(f, REG_E_NOT_FOUND,
                          f->route.moved == REG_SLASH_MISSING
                          ? "a slash is missing at the end of the path"
                          : "the path ends with a slash too many");
    }

    path = f->uri;

    if (f->route.moved == REG_SLASH_SURPLUS) {
        path.len--;
    }

    /* at once, since a path may be as long as a request line */

    reg_buf_init(&b, f->arena,
                 f->external_url.len + 3 * path.len + f->args.len + 2);
    reg_buf_add_str(&b, &f->external_url);
    reg_buf_escape(&b, &path, 1);

    if (f->route.moved == REG_SLASH_MISSING) {
        reg_buf_char(&b, '/');
    }

    if (f->args.len) {
        reg_buf_char(&b, '?');
        reg_buf_add_str(&b, &f->args);
    }

    reg_answer(f, 301);
    reg_answer_header(f, "Location", reg_buf_str(&b));

    return REG_ANSWER;
}


reg_str_t
reg_location(reg_flow_t *f, const char *rest, const reg_str_t *last)
{
    reg_buf_t  b;

    reg_buf_init(&b, f->arena, 256);
    reg_buf_add_str(&b, &f->external_url);
    reg_buf_escape(&b, &f->route.prefix, 1);
    reg_buf_text(&b, "/v2/");
    reg_buf_add_str(&b, &f->route.name);
    reg_buf_text(&b, rest);
    reg_buf_add_str(&b, last);

    return reg_buf_str(&b);
}


void
reg_answer_next(reg_flow_t *f, const reg_str_t *path, const reg_str_t *query)
{
    reg_buf_t  b;

    reg_buf_init(&b, f->arena, 256);
    reg_buf_char(&b, '<');
    reg_buf_escape(&b, &f->route.prefix, 1);
    reg_buf_text(&b, "/v2/");
    reg_buf_add_str(&b, path);
    reg_buf_char(&b, '?');
    reg_buf_add_str(&b, query);
    reg_buf_text(&b, ">; rel=\"next\"");
    b.failed |= (path->data == NULL || query->data == NULL);

    reg_answer_header(f, "Link", reg_buf_str(&b));
}


reg_todo_t
reg_refuse_immutable(reg_flow_t *f, const reg_str_t *tag)
{
    reg_buf_t  why;

    reg_buf_init(&why, f->arena, 256);
    reg_buf_text(&why, "tag ");
    reg_buf_add_str(&why, tag);
    reg_buf_text(&why, " is immutable (registry_immutable_tags)");

    return reg_refuse_str(f, REG_E_DENIED, reg_buf_str(&why));
}


void
reg_answer_digest(reg_flow_t *f, const reg_digest_t *d, int etag)
{
    reg_buf_t  b;
    reg_str_t  text;

    text = reg_digest_text(f->arena, d);
    reg_answer_header(f, "Docker-Content-Digest", text);

    if (etag) {
        reg_buf_init(&b, f->arena, text.len + 2);
        reg_buf_char(&b, '"');
        reg_buf_add_str(&b, &text);
        reg_buf_char(&b, '"');
        reg_answer_header(f, "ETag", reg_buf_str(&b));
    }
}


/* no dates: If-Modified-Since and its like have nothing to compare with */

reg_todo_t
reg_preconditions(reg_flow_t *f, const reg_digest_t *d)
{
    reg_str_t  text;

    text = reg_digest_text(f->arena, d);

    if (f->if_match.len
        && !reg_etag_listed(&f->if_match, &text, REG_ETAG_STRONG))
    {
        return reg_refuse(f, REG_E_PRECONDITION_FAILED,
                          "If-Match names other bytes than these");
    }

    if (f->if_none_match.len
        && reg_etag_listed(&f->if_none_match, &text, REG_ETAG_WEAK))
    {
        reg_answer(f, 304);
        reg_answer_digest(f, d, 1);
        return REG_ANSWER;
    }

    return REG_NEXT;
}
