/*
 * Lists: GET of /v2/, /v2/_catalog and /v2/<name>/tags/list.
 *
 * The store lists names with '/' behind them, in which order "a-b/" comes
 * before "a/": so names are gathered, sorted as the API has them, and then
 * cut to the page.
 */

#include <stdlib.h>

#include "reg_json.h"
#include "reg_listing.h"
#include "reg_name.h"
#include "reg_ops.h"
#include "reg_path.h"
#include "reg_query.h"


#define CATALOG_DEFAULT  100
#define CATALOG_MAX      1000
#define LISTING_PAGE     1000
#define CATALOG_PAGE     100           /* of objects: most are skipped */


typedef struct {
    int64_t         n;                  /* -1: all */
    reg_str_t       last;
    reg_str_t       prefix;
    reg_str_t       marker;

    reg_str_t      *names;
    size_t          nnames;
    size_t          room;
} list_t;


static reg_todo_t say_pong(reg_flow_t *f);
static reg_todo_t read_query(reg_flow_t *f);
static reg_todo_t list_tags(reg_flow_t *f);
static reg_todo_t judge_tags(reg_flow_t *f);
static reg_todo_t say_tags(reg_flow_t *f);
static reg_todo_t list_repositories(reg_flow_t *f);
static reg_todo_t judge_repositories(reg_flow_t *f);
static reg_todo_t say_catalog(reg_flow_t *f);


static const reg_step_t  ping[] = {
    { "answer", say_pong, NULL }
};


static const reg_step_t  tags[] = {
    { "read query", read_query, NULL },
    { "list tags", list_tags, judge_tags },
    { "answer", say_tags, NULL }
};


static const reg_step_t  catalog[] = {
    { "read query", read_query, NULL },
    { "list repositories", list_repositories, judge_repositories },
    { "answer", say_catalog, NULL }
};


const reg_step_t *
reg_list_steps(reg_flow_t *f)
{
    f->op = reg_calloc(f->arena, sizeof(list_t));

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
    int        is_catalog;
    list_t    *list = f->op;
    reg_str_t  n;

    if (list == NULL) {
        return reg_nomem(f);
    }

    is_catalog = (f->route.kind == REG_ROUTE_CATALOG);

    if (reg_query_get(f->arena, &f->args, "n", &n) != REG_OK
        || reg_query_get(f->arena, &f->args, "last", &list->last) != REG_OK)
    {
        return reg_refuse(f, REG_E_PAGINATION_NUMBER_INVALID,
                          "n or last is malformed or there twice");
    }

    /* what is no number counts as absent, as with registry:2 */

    list->n = n.len ? reg_atoi64(n.data, n.len) : -1;

    if (is_catalog) {

        if (list->n < 0) {
            list->n = CATALOG_DEFAULT;
        }

        if (list->n > CATALOG_MAX) {
            return reg_refuse(f, REG_E_PAGINATION_NUMBER_INVALID,
                              "n is at most 1000 here");
        }
    }

    return REG_NEXT;
}


static reg_rc_t
add_name(reg_flow_t *f, list_t *list, unsigned char *data, size_t len)
{
    reg_str_t  *names, *last;

    last = list->nnames ? &list->names[list->nnames - 1] : NULL;

    if (last && last->len == len && memcmp(last->data, data, len) == 0) {
        return REG_OK;
    }

    if (list->nnames == list->room) {
        list->room = list->room ? 2 * list->room : 64;

        names = reg_alloc(f->arena, list->room * sizeof(reg_str_t));
        if (names == NULL) {
            return REG_NOMEM;
        }

        if (list->nnames) {
            memcpy(names, list->names, list->nnames * sizeof(reg_str_t));
        }

        list->names = names;
    }

    list->names[list->nnames].data = data;
    list->names[list->nnames++].len = len;

    return REG_OK;
}


static reg_todo_t
judge_listing(reg_flow_t *f, reg_listing_t *listing)
{
    const char  *why;
    reg_call_t  *call = &f->calls[0];

    listing->n = 0;

    if (reg_store_failed(f, call)) {
        return REG_ANSWER;
    }

    if (call->reply.body.len
        && reg_listing_parse(f->arena, &call->reply.body, listing, &why)
           != REG_OK)
    {
        return reg_refuse(f, REG_E_UNAVAILABLE,
                          "the storage sent a listing that is none");
    }

    return REG_NEXT;
}


static reg_todo_t
list_tags(reg_flow_t *f)
{
    list_t  *list = f->op;

    list->prefix = reg_path_tags(f->arena, &f->route.name);

    reg_call_list(f, &list->prefix, &list->marker, '/', LISTING_PAGE);

    return REG_CALL;
}


static reg_todo_t
judge_tags(reg_flow_t *f)
{
    size_t          i;
    list_t         *list = f->op;
    reg_str_t      *name;
    reg_listing_t   listing;

    if (judge_listing(f, &listing) == REG_ANSWER) {
        return REG_ANSWER;
    }

    for (i = 0; i < listing.n; i++) {
        name = &listing.entries[i].name;

        if (listing.entries[i].subdir
            && name->len > list->prefix.len + 1
            && add_name(f, list, name->data + list->prefix.len,
                        name->len - list->prefix.len - 1)
               != REG_OK)
        {
            return reg_nomem(f);
        }
    }

    if (listing.n) {
        list->marker = listing.entries[listing.n - 1].name;
        return REG_AGAIN;
    }

    /* as registry:2: a repository without tags is not known here */

    if (list->nnames == 0) {
        return reg_refuse_str(f, REG_E_NAME_UNKNOWN, f->route.name);
    }

    return REG_NEXT;
}


static int
compare_tags(const void *one, const void *two)
{
    int               rc;
    const reg_str_t  *a = one, *b = two;

    rc = memcmp(a->data, b->data, a->len < b->len ? a->len : b->len);

    return rc ? rc : (a->len > b->len) - (a->len < b->len);
}


static int
compare_names(const void *one, const void *two)
{
    return reg_name_compare(one, two);
}


static void
link_to_next(reg_flow_t *f, const reg_str_t *last)
{
    list_t     *list = f->op;
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
    reg_buf_number(&query, list->n);

    p = reg_buf_str(&path);
    q = reg_buf_str(&query);

    reg_answer_next(f, &p, &q);
}


/* the page behind "last" as a JSON array, and the Link to the next one */

static void
write_page(reg_flow_t *f, reg_buf_t *b, int (*compare)(const void *,
    const void *))
{
    size_t   i, end;
    list_t  *list = f->op;

    if (list->nnames) {
        qsort(list->names, list->nnames, sizeof(reg_str_t), compare);
    }

    i = 0;

    while (list->last.len && i < list->nnames
           && compare(&list->names[i], &list->last) <= 0)
    {
        i++;
    }

    end = list->nnames;

    if (list->n >= 0 && (size_t) list->n < end - i) {
        end = i + (size_t) list->n;
    }

    if (end < list->nnames && end > i) {
        link_to_next(f, &list->names[end - 1]);
    }

    reg_buf_char(b, '[');

    for ( /* void */ ; i < end; i++) {
        reg_json_write_string(b, &list->names[i]);

        if (i + 1 < end) {
            reg_buf_char(b, ',');
        }
    }

    reg_buf_text(b, "]}\n");
}


static reg_todo_t
say_tags(reg_flow_t *f)
{
    reg_buf_t  b;

    reg_answer(f, 200);

    reg_buf_init(&b, f->arena, 1024);
    reg_buf_text(&b, "{\"name\":");
    reg_json_write_string(&b, &f->route.name);
    reg_buf_text(&b, ",\"tags\":");
    write_page(f, &b, compare_tags);

    return answer_json(f, reg_buf_str(&b));
}


static reg_todo_t
list_repositories(reg_flow_t *f)
{
    list_t                 *list = f->op;
    static const reg_str_t  prefix = reg_string(REG_PATH_REPOSITORIES);

    list->prefix = prefix;

    reg_call_list(f, &list->prefix, &list->marker, 0, CATALOG_PAGE);

    return REG_CALL;
}


/*
 * A flat listing in which a repository's own objects are skipped: the marker
 * <name>/_~ is behind all of them and before its child repositories.
 */

static reg_todo_t
judge_repositories(reg_flow_t *f)
{
    size_t                i;
    list_t               *list = f->op;
    reg_buf_t             b;
    reg_str_t            *entry, skip = reg_null_string;
    reg_listing_t         listing;
    const unsigned char  *p, *end;

    if (judge_listing(f, &listing) == REG_ANSWER) {
        return REG_ANSWER;
    }

    for (i = 0; i < listing.n; i++) {
        entry = &listing.entries[i].name;
        end = entry->data + entry->len;
        skip.len = 0;

        if (entry->len <= list->prefix.len) {
            continue;
        }

        /* <name>/_layers, _manifests or _uploads */

        for (p = entry->data + list->prefix.len; p + 2 < end; p++) {
            if (p[0] == '/' && p[1] == '_') {
                break;
            }
        }

        if (p + 2 >= end || p == entry->data + list->prefix.len) {
            continue;
        }

        skip.data = entry->data;
        skip.len = (size_t) (p - entry->data);

        if (p[2] != 'u'
            && add_name(f, list, entry->data + list->prefix.len,
                        skip.len - list->prefix.len)
               != REG_OK)
        {
            return reg_nomem(f);
        }
    }

    if (listing.n == 0) {
        return REG_NEXT;
    }

    list->marker = listing.entries[listing.n - 1].name;

    if (skip.len) {
        reg_buf_init(&b, f->arena, skip.len + 4);
        reg_buf_add_str(&b, &skip);
        reg_buf_text(&b, "/_~");
        list->marker = reg_buf_str(&b);

        if (list->marker.data == NULL) {
            return reg_nomem(f);
        }
    }

    return REG_AGAIN;
}


static reg_todo_t
say_catalog(reg_flow_t *f)
{
    reg_buf_t  b;

    reg_answer(f, 200);

    reg_buf_init(&b, f->arena, 1024);
    reg_buf_text(&b, "{\"repositories\":");
    write_page(f, &b, compare_names);

    return answer_json(f, reg_buf_str(&b));
}
