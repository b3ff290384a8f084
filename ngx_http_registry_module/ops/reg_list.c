/*
 * Lists: GET of /v2/, /v2/_catalog and /v2/<name>/tags/list.
 */

#include "reg_list.h"
#include "core/reg_json.h"
#include "core/reg_path.h"
#include "core/reg_query.h"
#include "reg_common.h"
#include "reg_page.h"
#include "reg_store.h"


#define CATALOG_DEFAULT  100
#define CATALOG_MAX      1000


static reg_todo_t say_pong(reg_flow_t *f);
static reg_todo_t read_query(reg_flow_t *f);
static reg_todo_t ask_page(reg_flow_t *f);
static reg_todo_t judge_page(reg_flow_t *f);
static reg_todo_t find_tag(reg_flow_t *f);
static reg_todo_t judge_tag(reg_flow_t *f);
static reg_todo_t unknown(reg_flow_t *f);
static reg_todo_t say_tags(reg_flow_t *f);
static reg_todo_t say_catalog(reg_flow_t *f);


static const reg_step_t  ping[] = {
    { "answer", say_pong, NULL }
};


static const reg_step_t  tags[] = {
    { "read query", read_query, NULL },
    { "list tags", ask_page, judge_page },
    { "look for any tag", find_tag, judge_tag },
    { "answer", say_tags, NULL }
};


static const reg_step_t  catalog[] = {
    { "read query", read_query, NULL },
    { "list repositories", ask_page, judge_page },
    { "answer", say_catalog, NULL }
};


const reg_step_t *
reg_list_steps(reg_flow_t *f)
{
    f->op = reg_calloc(f->arena, sizeof(reg_page_t));

    if (f->method != REG_GET && f->method != REG_HEAD) {
        return reg_not_allowed;
    }

    switch (f->route.kind) {
    case REG_ROUTE_TAGS:
        return tags;
    case REG_ROUTE_CATALOG:
        return catalog;
    default:
        return ping;
    }
}


static reg_todo_t
answer_json(reg_flow_t *f, reg_str_t body)
{
    static const reg_str_t  type =
                                reg_string("application/json; charset=utf-8");

    if (body.data == NULL) {
        return reg_nomem(f);
    }

    f->answer.content_type = type;
    f->answer.body = body;
    f->answer.length = (int64_t) body.len;

    return REG_ANSWER;
}


static reg_todo_t
say_pong(reg_flow_t *f)
{
    static const reg_str_t  empty = reg_string("{}");

    reg_answer(f, 200);

    return answer_json(f, empty);
}


static reg_todo_t
read_query(reg_flow_t *f)
{
    reg_str_t    n;
    reg_rc_t     rc;
    reg_page_t  *page = f->op;

    static const reg_str_t  repositories = reg_string(REG_PATH_REPOSITORIES);

    if (page == NULL) {
        return reg_nomem(f);
    }

    rc = reg_query_get(f->arena, &f->args, "n", &n);

    if (rc == REG_OK) {
        rc = reg_query_get(f->arena, &f->args, "last", &page->last);
    }

    if (rc == REG_NOMEM) {
        return reg_nomem(f);
    }

    if (rc != REG_OK) {
        return reg_refuse(f, REG_E_PAGINATION_NUMBER_INVALID,
                          "n or last is malformed or there twice");
    }

    /* what is no number counts as absent, as with registry:2 */

    page->n = n.len ? reg_atoi64(n.data, n.len) : -1;
    page->repositories = (f->route.kind == REG_ROUTE_CATALOG);

    if (page->repositories) {
        page->prefix = repositories;

        if (page->n < 0) {
            page->n = CATALOG_DEFAULT;
        }

        if (page->n > CATALOG_MAX) {
            return reg_refuse(f, REG_E_PAGINATION_NUMBER_INVALID,
                              "n is at most 1000 here");
        }

    } else {
        page->prefix = reg_path_tags(f->arena, &f->route.name);
    }

    if (page->prefix.data == NULL) {
        return reg_nomem(f);
    }

    reg_page_begin(f, page);

    return REG_NEXT;
}


static reg_todo_t
ask_page(reg_flow_t *f)
{
    return reg_page_ask(f, f->op);
}


static reg_todo_t
judge_page(reg_flow_t *f)
{
    return reg_page_judge(f, f->op);
}


/* as registry:2: a repository without tags is not known here */

static reg_todo_t
unknown(reg_flow_t *f)
{
    return reg_refuse_str(f, REG_E_NAME_UNKNOWN, f->route.name);
}


/* no tags behind "last", or not asked for: are there any? */

static reg_todo_t
find_tag(reg_flow_t *f)
{
    reg_page_t  *page = f->op;

    if (page->nnames) {
        return REG_NEXT;
    }

    if (page->n != 0 && page->last.len == 0) {
        return unknown(f);
    }

    /* the prefix as marker, since an object of that name is no tag */

    reg_call_list(f, &page->prefix, &page->prefix, '/', 1);

    return REG_CALL;
}


static reg_todo_t
judge_tag(reg_flow_t *f)
{
    reg_listing_t  listing;

    if (reg_judge_list_row(f, &f->calls[0], &listing) == REG_ANSWER) {
        return REG_ANSWER;
    }

    return listing.n ? REG_NEXT : unknown(f);
}


static void
link_to_next(reg_flow_t *f, const reg_str_t *last)
{
    reg_page_t  *page = f->op;
    reg_buf_t   path, query;
    reg_str_t   p, q;

    reg_buf_init(&path, f->arena, 256);

    if (f->route.kind == REG_ROUTE_TAGS) {
        reg_buf_add_str(&path, &f->route.name);
        reg_buf_text(&path, "/tags/list");

    } else {
        reg_buf_text(&path, "_catalog");
    }

    reg_buf_init(&query, f->arena, 256);
    reg_buf_text(&query, "last=");
    reg_buf_escape(&query, last, 0);
    reg_buf_text(&query, "&n=");
    reg_buf_number(&query, page->n);

    p = reg_buf_str(&path);
    q = reg_buf_str(&query);

    reg_answer_next(f, &p, &q);
}


/* what write_page() writes, about: a buffer that grew would be there twice */

static size_t
page_size(reg_flow_t *f)
{
    size_t       i, size;
    reg_page_t  *page = f->op;

    size = 64 + f->route.name.len;

    for (i = 0; i < page->nnames; i++) {
        size += page->names[i].name.len + sizeof("\"\",") - 1;
    }

    return size;
}


/* the page as a JSON array, and the Link to the next one */

static void
write_page(reg_flow_t *f, reg_buf_t *b)
{
    size_t       i, n;
    reg_page_t  *page = f->op;

    n = page->nnames;

    if (page->n >= 0 && (size_t) page->n < n) {
        n = (size_t) page->n;

        if (n) {
            link_to_next(f, &page->names[n - 1].name);
        }
    }

    reg_buf_char(b, '[');

    for (i = 0; i < n; i++) {
        if (i) {
            reg_buf_char(b, ',');
        }

        reg_json_write_string(b, &page->names[i].name);
    }

    reg_buf_text(b, "]}\n");
}


static reg_todo_t
say_tags(reg_flow_t *f)
{
    reg_buf_t  b;

    reg_answer(f, 200);

    reg_buf_init(&b, f->arena, page_size(f));
    reg_buf_text(&b, "{\"name\":");
    reg_json_write_string(&b, &f->route.name);
    reg_buf_text(&b, ",\"tags\":");
    write_page(f, &b);

    return answer_json(f, reg_buf_str(&b));
}


static reg_todo_t
say_catalog(reg_flow_t *f)
{
    reg_buf_t  b;

    reg_answer(f, 200);

    reg_buf_init(&b, f->arena, page_size(f));
    reg_buf_text(&b, "{\"repositories\":");
    write_page(f, &b);

    return answer_json(f, reg_buf_str(&b));
}
