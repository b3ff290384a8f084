/*
 * GET and HEAD of /v2/<name>/referrers/<digest>.
 *
 * The objects below the subject are listed, and what clients wrote under the
 * referrers tag while there was no such API is merged in.  Pages go by the
 * order of digests, which is that of the listing.
 */

#include <stdlib.h>

#include "reg_referrers.h"
#include "core/reg_path.h"
#include "core/reg_query.h"
#include "core/reg_referrer.h"
#include "reg_common.h"
#include "reg_store.h"


/* one less than what is listed: that one tells that there are more */

#define PAGE         999
#define PAGE_BYTES   4000000            /* what clients read: 4 MiB */

/* of the referrers tag on a page: each costs a call */
#define LEGACY_MAX   64

#define LISTING_MAX  (8 * 1024 * 1024)


typedef struct {
    reg_digest_t    digest;
    reg_str_t       text;               /* null: still to be read */
    int64_t         size;               /* of the text */
    unsigned        legacy:1;           /* out of the referrers tag */
    unsigned        hidden:1;           /* gone, or not what is asked for */
} referrer_t;


typedef struct {
    size_t          n;                  /* at most on this page */
    unsigned        n_given:1;
    reg_str_t       artifact_type;      /* null: all */
    reg_str_t       prefix;
    reg_str_t       marker;
    reg_digest_t    last;
    unsigned        last_given:1;

    unsigned        tagged:1;
    reg_digest_t    tag;                /* the index that clients wrote */

    referrer_t     *all;
    size_t          nall;
    size_t          room;
    size_t          listed;
    unsigned        truncated:1;        /* the listing goes on */
    unsigned        more:1;             /* there is a next page */

    size_t          next;
    referrer_t     *asked[REG_CALLS_MAX];
} referrers_t;


static reg_todo_t read_query(reg_flow_t *f);
static reg_todo_t list_referrers(reg_flow_t *f);
static reg_todo_t judge_referrers(reg_flow_t *f);
static reg_todo_t read_tagged(reg_flow_t *f);
static reg_todo_t judge_tagged(reg_flow_t *f);
static reg_todo_t choose_page(reg_flow_t *f);
static reg_todo_t read_referrers(reg_flow_t *f);
static reg_todo_t judge_read(reg_flow_t *f);
static reg_todo_t say_referrers(reg_flow_t *f);


static const reg_step_t  referrers[] = {
    { "read query", read_query, NULL },
    { "list referrers", list_referrers, judge_referrers },
    { "read referrers tag", read_tagged, judge_tagged },
    { "choose page", choose_page, NULL },
    { "read referrers", read_referrers, judge_read },
    { "answer", say_referrers, NULL }
};


const reg_step_t *
reg_referrers_steps(reg_flow_t *f)
{
    f->op = reg_calloc(f->arena, sizeof(referrers_t));

    if (f->method != REG_GET && f->method != REG_HEAD) {
        return reg_not_allowed;
    }

    return referrers;
}


static reg_todo_t
read_query(reg_flow_t *f)
{
    size_t        i;
    int64_t       number;
    reg_rc_t      rc;
    reg_str_t     n, last;
    referrers_t  *rs = f->op;

    if (rs == NULL) {
        return reg_nomem(f);
    }

    rc = reg_query_get(f->arena, &f->args, "n", &n);

    if (rc == REG_OK) {
        rc = reg_query_get(f->arena, &f->args, "last", &last);
    }

    if (rc == REG_OK) {
        rc = reg_query_get(f->arena, &f->args, "artifactType",
                           &rs->artifact_type);
    }

    if (rc == REG_NOMEM) {
        return reg_nomem(f);
    }

    if (rc != REG_OK) {
        return reg_refuse(f, REG_E_PAGINATION_NUMBER_INVALID,
                          "n, last or artifactType is malformed or there"
                          " twice");
    }

    rs->last_given = (last.len != 0);

    if (last.len && reg_digest_parse(&last, &rs->last) != REG_OK) {
        return reg_refuse_str(f, REG_E_DIGEST_INVALID, last);
    }

    number = n.len ? reg_atoi64(n.data, n.len) : 0;

    rs->n_given = (number > 0);
    rs->n = (number > 0 && number < PAGE) ? (size_t) number : PAGE;

    /* "+json" of a client that did not escape its plus */

    for (i = 0; i < rs->artifact_type.len; i++) {
        if (rs->artifact_type.data[i] == ' ') {
            rs->artifact_type.data[i] = '+';
        }
    }

    rs->prefix = reg_path_referrers(f->arena, &f->route.name,
                                    &f->route.digest);

    if (rs->last_given) {
        rs->marker = reg_path_referrer(f->arena, &f->route.name,
                                       &f->route.digest, &rs->last);
        if (rs->marker.data == NULL) {
            return reg_nomem(f);
        }
    }

    return REG_NEXT;
}


static reg_todo_t
list_referrers(reg_flow_t *f)
{
    referrers_t  *rs = f->op;

    reg_call_list(f, &rs->prefix, &rs->marker, 0,
                  (int) (rs->n + 1 - rs->listed));
    f->calls[0].reply_max = LISTING_MAX;

    if (rs->listed == 0) {
        reg_flow_recall(f, REG_GET,
                        reg_path_referrers_tag(f->row, &f->route.name,
                                               &f->route.digest));
    }

    return REG_CALL;
}


/* n more, all zero; NULL: out of memory */

static referrer_t *
make_room(reg_flow_t *f, referrers_t *rs, size_t n)
{
    referrer_t  *all;

    if (rs->all == NULL || rs->nall + n > rs->room) {
        rs->room = 2 * rs->nall + n;

        all = reg_calloc(f->arena, (rs->room + 1) * sizeof(referrer_t));
        if (all == NULL) {
            return NULL;
        }

        if (rs->nall) {
            memcpy(all, rs->all, rs->nall * sizeof(referrer_t));
        }

        rs->all = all;
    }

    return &rs->all[rs->nall];
}


/* REG_BAD when "text" is not the descriptor of r */

static reg_rc_t
take_text(reg_flow_t *f, referrer_t *r, const reg_str_t *text)
{
    reg_rc_t           rc;
    const char        *why;
    referrers_t       *rs = f->op;
    reg_descriptor_t   d;

    rc = reg_descriptor_parse(f->row, text, &d, &why);

    if (rc != REG_OK) {
        return rc;
    }

    if (!reg_digest_equal(&d.digest, &r->digest)) {
        return REG_BAD;
    }

    r->size = (int64_t) d.text.len;
    r->hidden = (rs->artifact_type.len
                 && !reg_str_equal(&rs->artifact_type, &d.artifact_type));

    return reg_str_copy(f->arena, &r->text, d.text.data, d.text.len);
}


static reg_rc_t
add_entry(reg_flow_t *f, referrers_t *rs, const reg_entry_t *entry)
{
    reg_rc_t     rc;
    reg_str_t    text;
    referrer_t  *r;

    r = &rs->all[rs->nall];

    if (reg_path_read_referrer(&entry->name, &rs->prefix, &r->digest)
        != REG_OK)
    {
        return REG_OK;
    }

    rs->nall++;

    /* one that says more than clients read could never be on a page */

    r->size = entry->bytes;
    r->hidden = (entry->bytes > PAGE_BYTES);

    rc = reg_referrer_read(f->row, &entry->type, &text);

    if (rc == REG_OK) {
        rc = take_text(f, r, &text);
    }

    return rc == REG_NOMEM ? REG_NOMEM : REG_OK;
}


static reg_todo_t
judge_referrers(reg_flow_t *f)
{
    size_t          i;
    referrers_t    *rs = f->op;
    reg_listing_t   listing;

    if (f->ncalls == 2) {

        if (reg_store_failed(f, &f->calls[1])) {
            return REG_ANSWER;
        }

        rs->tagged = (f->calls[1].reply.status == 200
                      && reg_link_read(&f->calls[1].reply, &rs->tag)
                         == REG_OK);
    }

    if (reg_judge_list_row(f, &f->calls[0], &listing) == REG_ANSWER) {
        return REG_ANSWER;
    }

    if (make_room(f, rs, listing.n) == NULL) {
        return reg_nomem(f);
    }

    for (i = 0; i < listing.n; i++) {
        if (add_entry(f, rs, &listing.entries[i]) != REG_OK) {
            return reg_nomem(f);
        }
    }

    if (listing.n == 0) {
        return REG_NEXT;
    }

    if (reg_str_copy(f->arena, &rs->marker,
                     listing.entries[listing.n - 1].name.data,
                     listing.entries[listing.n - 1].name.len)
        != REG_OK)
    {
        return reg_nomem(f);
    }

    rs->listed += listing.n;
    rs->truncated = (rs->listed > rs->n);

    return rs->truncated ? REG_NEXT : REG_AGAIN;
}


static reg_todo_t
read_tagged(reg_flow_t *f)
{
    referrers_t  *rs = f->op;

    if (!rs->tagged) {
        return REG_NEXT;
    }

    reg_flow_recall_data(f, reg_path_blob(f->row, &rs->tag), &rs->tag);
    f->calls[0].reply_max = f->manifest_max;

    return REG_CALL;
}


static int
compare(const void *one, const void *two)
{
    int                rc;
    const referrer_t  *a = one, *b = two;

    rc = (a->digest.alg > b->digest.alg) - (a->digest.alg < b->digest.alg);

    if (rc == 0) {
        rc = memcmp(a->digest.raw, b->digest.raw,
                    reg_alg_size(a->digest.alg));
    }

    return rc ? rc : (int) a->legacy - (int) b->legacy;
}


/* what is no index of descriptors is not the registry's fault: ignored */

static reg_todo_t
judge_tagged(reg_flow_t *f)
{
    size_t             i;
    reg_rc_t           rc;
    const char        *why;
    referrer_t        *r;
    reg_call_t        *call = &f->calls[0];
    referrers_t       *rs = f->op;
    reg_digest_t       d;
    reg_manifest_t     m;

    if (reg_store_failed(f, call)) {
        return REG_ANSWER;
    }

    if (call->reply.status != 200) {
        return REG_NEXT;
    }

    reg_digest_of(&d, rs->tag.alg, call->reply.body.data,
                  call->reply.body.len);

    if (!reg_digest_equal(&d, &rs->tag)) {
        return REG_NEXT;
    }

    rc = reg_manifest_parse(f->row, &call->reply.body, REG_MEDIA_UNKNOWN,
                            &m, &why);

    if (rc == REG_NOMEM) {
        return reg_nomem(f);
    }

    if (rc != REG_OK) {
        return REG_NEXT;
    }

    if (make_room(f, rs, m.nmanifests) == NULL) {
        return reg_nomem(f);
    }

    for (i = 0; i < m.nmanifests; i++) {
        r = &rs->all[rs->nall];
        memset(r, 0, sizeof(referrer_t));

        r->digest = m.manifests[i].digest;
        r->legacy = 1;

        rc = take_text(f, r, &m.manifests[i].text);

        if (rc == REG_NOMEM) {
            return reg_nomem(f);
        }

        rs->nall += (rc == REG_OK);
    }

    return REG_NEXT;
}


static reg_todo_t
choose_page(reg_flow_t *f)
{
    size_t        i, n, legacy;
    int64_t       bytes, size;
    unsigned      asked;
    referrer_t   *r, after, end;
    referrers_t  *rs = f->op;

    after.digest = rs->last;
    after.legacy = 1;
    end.digest = rs->last;
    end.legacy = 1;

    /* behind the end of the listing nothing is known */

    if (rs->truncated) {
        rs->more = 1;

        for (i = 0; i < rs->nall && !rs->all[i].legacy; i++) {
            end.digest = rs->all[i].digest;
        }
    }

    qsort(rs->all, rs->nall, sizeof(referrer_t), compare);

    bytes = 0;
    legacy = 0;
    n = 0;

    for (i = 0; i < rs->nall; i++) {
        r = &rs->all[i];

        if ((rs->last_given && compare(r, &after) <= 0)
            || (n && reg_digest_equal(&r->digest, &rs->all[n - 1].digest)))
        {
            continue;
        }

        /* sizes are what the storage tells: of what is shown they fit in */

        size = r->hidden ? 0 : r->size;
        asked = (r->legacy && !r->hidden);

        if (n == rs->n || (n && bytes + size > PAGE_BYTES)
            || legacy + asked > LEGACY_MAX
            || (rs->truncated && compare(r, &end) > 0))
        {
            rs->more = 1;
            break;
        }

        bytes += size;
        legacy += asked;
        rs->all[n++] = *r;
    }

    rs->nall = n;

    return REG_NEXT;
}


/*
 * Descriptors too long for the listing, and whether what the tag tells of is
 * still there: nobody changes it when a manifest is deleted.
 */

static reg_todo_t
read_referrers(reg_flow_t *f)
{
    referrer_t   *r;
    referrers_t  *rs = f->op;

    while (rs->next < rs->nall && f->ncalls < REG_CALLS_MAX) {
        r = &rs->all[rs->next++];

        if (r->hidden || (r->text.data && !r->legacy)) {
            continue;
        }

        rs->asked[f->ncalls] = r;

        if (r->legacy) {
            reg_flow_recall(f, REG_GET,
                            reg_path_revision_link(f->row, &f->route.name,
                                                   &r->digest));
        } else {
            reg_flow_call(f, REG_GET,
                          reg_path_referrer(f->row, &f->route.name,
                                            &f->route.digest, &r->digest))
                ->reply_max = (size_t) r->size;
        }
    }

    return f->ncalls ? REG_CALL : REG_NEXT;
}


static reg_todo_t
judge_read(reg_flow_t *f)
{
    unsigned      i;
    reg_rc_t      rc;
    referrer_t   *r;
    referrers_t  *rs = f->op;

    for (i = 0; i < f->ncalls; i++) {

        if (reg_store_failed(f, &f->calls[i])) {
            return REG_ANSWER;
        }

        r = rs->asked[i];
        rc = REG_BAD;

        if (f->calls[i].reply.status == 200) {
            rc = r->legacy ? REG_OK
                           : take_text(f, r, &f->calls[i].reply.body);
        }

        if (rc == REG_NOMEM) {
            return reg_nomem(f);
        }

        r->hidden |= (rc != REG_OK);
    }

    return REG_AGAIN;
}


static void
link_next(reg_flow_t *f)
{
    reg_buf_t     path, query;
    reg_str_t     text, last;
    referrers_t  *rs = f->op;

    text = reg_digest_text(f->arena, &f->route.digest);

    reg_buf_init(&path, f->arena, 512);
    reg_buf_add_str(&path, &f->route.name);
    reg_buf_text(&path, "/referrers/");
    reg_buf_add_str(&path, &text);

    last = reg_digest_text(f->arena, &rs->all[rs->nall - 1].digest);

    reg_buf_init(&query, f->arena, 512);
    query.failed |= (text.data == NULL || last.data == NULL);

    if (rs->artifact_type.len) {
        reg_buf_text(&query, "artifactType=");
        reg_buf_escape(&query, &rs->artifact_type, 0);
        reg_buf_char(&query, '&');
    }

    reg_buf_text(&query, "last=");
    reg_buf_escape(&query, &last, 0);

    if (rs->n_given) {
        reg_buf_text(&query, "&n=");
        reg_buf_number(&query, (int64_t) rs->n);
    }

    text = reg_buf_str(&path);
    last = reg_buf_str(&query);

    reg_answer_next(f, &text, &last);
}


static reg_todo_t
say_referrers(reg_flow_t *f)
{
    size_t                  i;
    unsigned                comma;
    reg_buf_t               b;
    referrers_t            *rs = f->op;

    static const reg_str_t  applied = reg_string("artifactType");

    reg_answer(f, 200);

    if (rs->artifact_type.len) {
        reg_answer_header(f, "OCI-Filters-Applied", applied);
    }

    if (rs->more && rs->nall) {
        link_next(f);
    }

    f->answer.content_type = reg_media_text(REG_MEDIA_OCI_INDEX);

    reg_buf_init(&b, f->arena, 4096);
    reg_buf_text(&b, "{\"schemaVersion\":2,\"mediaType\":\"");
    reg_buf_add_str(&b, &f->answer.content_type);
    reg_buf_text(&b, "\",\"manifests\":[");

    for (i = 0, comma = 0; i < rs->nall; i++) {

        if (rs->all[i].hidden) {
            continue;
        }

        if (comma++) {
            reg_buf_char(&b, ',');
        }

        reg_buf_add_str(&b, &rs->all[i].text);
    }

    reg_buf_text(&b, "]}");

    f->answer.body = reg_buf_str(&b);
    f->answer.length = (int64_t) f->answer.body.len;

    return f->answer.body.data ? REG_ANSWER : reg_nomem(f);
}
