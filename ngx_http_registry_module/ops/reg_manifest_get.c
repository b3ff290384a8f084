/*
 * Manifests: GET and HEAD of /v2/<name>/manifests/<reference>.
 *
 * The whole document is in memory, and is checked before a byte is sent.
 */

#include "reg_manifest_get.h"
#include "core/reg_etag.h"
#include "core/reg_manifest.h"
#include "core/reg_path.h"
#include "core/reg_range.h"
#include "reg_common.h"
#include "reg_data.h"
#include "reg_manifest_delete.h"
#include "reg_manifest_put.h"
#include "reg_store.h"


typedef struct {
    reg_digest_t    data;               /* of the bytes in the store */
    reg_digest_t    digest;             /* as the client is told */
    unsigned        chosen:1;           /* a child of the list it asked for */
    unsigned        linked:1;           /* by a tag that is proof enough */
} document_t;


static reg_todo_t resolve(reg_flow_t *f);
static reg_todo_t judge_resolved(reg_flow_t *f);
static reg_todo_t read_document(reg_flow_t *f);
static reg_todo_t judge_document(reg_flow_t *f);
static reg_todo_t judge_revision(reg_flow_t *f, const reg_call_t *call);
static reg_todo_t answer_document(reg_flow_t *f, const reg_reply_t *reply);
static reg_todo_t choose(reg_flow_t *f, const reg_manifest_t *m);
static reg_todo_t cut_range(reg_flow_t *f);
static reg_todo_t unknown(reg_flow_t *f);


static const reg_step_t  get_manifest[] = {
    { "resolve reference", resolve, judge_resolved },
    { "read manifest", read_document, judge_document },
    { "read manifest of the list", read_document, judge_document }
};


const reg_step_t *
reg_manifest_steps(reg_flow_t *f)
{
    switch (f->method) {

    case REG_GET:
    case REG_HEAD:
        f->op = reg_calloc(f->arena, sizeof(document_t));
        return get_manifest;

    case REG_PUT:
        return reg_put_steps(f);

    case REG_DELETE:
        return reg_delete_steps(f);

    default:
        return reg_not_allowed;
    }
}


/* data is kept by its sha256; another digest is a link to it */

static reg_todo_t
resolve(reg_flow_t *f)
{
    document_t  *doc = f->op;

    if (doc == NULL) {
        return reg_nomem(f);
    }

    if (!f->route.by_digest) {
        reg_flow_recall(f, REG_GET,
                        reg_path_tag_current(f->arena, &f->route.name,
                                             &f->route.reference));
        return REG_CALL;
    }

    doc->digest = f->route.digest;
    doc->data = f->route.digest;

    if (doc->digest.alg == REG_SHA256) {
        return REG_NEXT;
    }

    reg_flow_recall(f, REG_GET,
                    reg_path_revision_link(f->arena, &f->route.name,
                                           &doc->digest));
    return REG_CALL;
}


static reg_todo_t
judge_resolved(reg_flow_t *f)
{
    document_t   *doc = f->op;
    reg_reply_t  *reply = &f->calls[0].reply;

    if (reg_store_failed(f, &f->calls[0])) {
        return REG_ANSWER;
    }

    if (reply->status != 200) {
        return unknown(f);
    }

    if (reg_link_read(reply, &doc->data) != REG_OK) {
        reg_damaged(f, &f->calls[0].object, "is a link without a digest");
        return unknown(f);
    }

    if (f->route.by_digest) {
        return REG_NEXT;
    }

    /*
     * A tag that was written here tells of the digest it was pushed with.
     * It is deleted before its revision link is, so that need not be there
     * to be looked at; registry:2 and its elders may leave the tag.
     */

    if (reg_digest_parse(&reply->meta_digest, &doc->digest) == REG_OK) {
        doc->linked = 1;

    } else {
        doc->digest = doc->data;
    }

    return REG_NEXT;
}


static reg_todo_t
read_document(reg_flow_t *f)
{
    reg_call_t  *call;
    document_t  *doc = f->op;

    call = reg_flow_recall_data(f, reg_path_blob(f->arena, &doc->data),
                                &doc->data);
    call->reply_max = f->manifest_max;

    if (!doc->linked) {
        reg_flow_recall(f, REG_GET,
                        reg_path_revision_link(f->arena, &f->route.name,
                                               &doc->data));
    }

    return REG_CALL;
}


static reg_todo_t
judge_document(reg_flow_t *f)
{
    document_t  *doc = f->op;

    if (!doc->linked && judge_revision(f, &f->calls[1]) != REG_NEXT) {
        return REG_ANSWER;
    }

    if (reg_store_failed(f, &f->calls[0])) {
        return REG_ANSWER;
    }

    if (f->calls[0].reply.status != 200) {
        reg_damaged(f, &f->calls[0].object, "is linked, but not there");
        return unknown(f);
    }

    return answer_document(f, &f->calls[0].reply);
}


static reg_todo_t
judge_revision(reg_flow_t *f, const reg_call_t *call)
{
    reg_str_t      tag;
    document_t    *doc = f->op;
    reg_digest_t   d;

    if (reg_store_failed(f, call)) {
        return REG_ANSWER;
    }

    if (call->reply.status != 200 && !f->route.by_digest && !doc->chosen) {
        tag = reg_path_tag_current(f->arena, &f->route.name,
                                   &f->route.reference);
        reg_damaged(f, &tag, "is the tag of a manifest that is not there");
    }

    return reg_data_link(f, call, &doc->data, &d) == REG_OK ? REG_NEXT
                                                            : unknown(f);
}


static int
is_digest_of(const reg_digest_t *digest, const reg_str_t *body)
{
    reg_digest_t  d;

    reg_digest_of(&d, digest->alg, body->data, body->len);

    return reg_digest_equal(&d, digest);
}


static reg_todo_t
answer_document(reg_flow_t *f, const reg_reply_t *reply)
{
    reg_rc_t         rc;
    reg_todo_t       todo;
    const char      *why;
    document_t      *doc = f->op;
    reg_manifest_t   m;
    const reg_str_t *body = &reply->body;

    static const reg_str_t  bytes = reg_string("bytes");
    static const reg_str_t  kept = reg_string("max-age=31536000");

    /* a tag may move: a cache in between has to ask each time */
    static const reg_str_t  asked = reg_string("no-cache");

    /* what is cached was checked before */

    if ((!reply->cached && !is_digest_of(&doc->data, body))
        || (!reg_digest_equal(&doc->digest, &doc->data)
            && !is_digest_of(&doc->digest, body)))
    {
        reg_damaged(f, &f->calls[0].object, "has other bytes than its digest");
        return reg_refuse(f, REG_E_MANIFEST_UNKNOWN,
                          "the stored bytes are not those of the digest;"
                          " push the manifest again");
    }

    rc = reg_manifest_parse(f->arena, body, REG_MEDIA_UNKNOWN, &m, &why);

    if (rc == REG_NOMEM) {
        return reg_nomem(f);
    }

    if (rc != REG_OK) {
        return reg_refuse(f, REG_E_MANIFEST_UNKNOWN, why);
    }

    todo = choose(f, &m);

    if (todo != REG_PASS) {
        return todo;
    }

    if (reg_preconditions(f, &doc->digest) == REG_ANSWER) {

        if (f->answer.status == 304) {
            reg_answer_header(f, "Cache-Control",
                              f->route.by_digest ? kept : asked);
        }

        return REG_ANSWER;
    }

    reg_answer(f, 200);
    f->answer.content_type = reg_media_text(m.media);
    f->answer.body = *body;
    f->answer.length = (int64_t) body->len;
    reg_answer_digest(f, &doc->digest, 1);
    reg_answer_header(f, "Accept-Ranges", bytes);
    reg_answer_header(f, "Cache-Control", f->route.by_digest ? kept : asked);

    return cut_range(f);
}


/*
 * As registry:2, but for conversion to schema 1: a client that knows no OCI
 * is told so, and one that knows no lists gets the manifest for linux/amd64
 * of a list that it named by tag.  REG_PASS: the manifest is for the client.
 */

static reg_todo_t
choose(reg_flow_t *f, const reg_manifest_t *m)
{
    size_t             i;
    document_t        *doc = f->op;
    reg_descriptor_t  *d;

    if (reg_media_accepted(&f->accept, m->media)) {
        return REG_PASS;
    }

    if (m->media == REG_MEDIA_OCI_MANIFEST) {
        return reg_refuse(f, REG_E_MANIFEST_UNKNOWN,
                          "it is an OCI manifest, which the Accept header"
                          " does not name");
    }

    if (m->media == REG_MEDIA_OCI_INDEX) {
        return reg_refuse(f, REG_E_MANIFEST_UNKNOWN,
                          "it is an OCI index, which the Accept header does"
                          " not name");
    }

    if (m->media != REG_MEDIA_DOCKER_LIST
        || f->route.by_digest || doc->chosen
        || !reg_media_accepted(&f->accept, REG_MEDIA_DOCKER_MANIFEST))
    {
        return REG_PASS;
    }

    for (i = 0; i < m->nmanifests; i++) {
        d = &m->manifests[i];

        if (d->linux_os && d->amd64 && d->digest.alg == REG_SHA256) {
            doc->chosen = 1;
            doc->linked = 0;
            doc->data = d->digest;
            doc->digest = d->digest;

            return REG_NEXT;
        }
    }

    return reg_refuse(f, REG_E_MANIFEST_UNKNOWN,
                      "it is a list without linux/amd64, and the Accept header"
                      " does not name lists");
}


/* several ranges are answered by the whole, as RFC 9110, 14.2 allows */

static reg_todo_t
cut_range(reg_flow_t *f)
{
    size_t         n;
    int64_t        size;
    reg_buf_t      b;
    document_t    *doc = f->op;
    reg_range_t    range;
    reg_str_t      tag;
    reg_answer_t  *a = &f->answer;

    size = a->length;
    tag = reg_digest_text(f->arena, &doc->digest);

    if (f->method != REG_GET || f->range.len == 0
        || (f->if_range.len && !reg_etag_is(&f->if_range, &tag))
        || reg_range_parse(&f->range, &range, 1, &n) != REG_OK || n != 1)
    {
        return REG_ANSWER;
    }

    reg_buf_init(&b, f->arena, 64);
    reg_buf_text(&b, "bytes ");

    if (reg_range_resolve(&range, size) != REG_OK) {
        reg_buf_text(&b, "*/");
        reg_buf_number(&b, size);

        reg_refuse(f, REG_E_RANGE_INVALID, "the range is beyond the manifest");
        reg_answer_header(f, "Content-Range", reg_buf_str(&b));

        return REG_ANSWER;
    }

    reg_buf_number(&b, range.first);
    reg_buf_char(&b, '-');
    reg_buf_number(&b, range.last);
    reg_buf_char(&b, '/');
    reg_buf_number(&b, size);

    a->status = 206;
    a->length = range.last - range.first + 1;
    a->body.data += range.first;
    a->body.len = (size_t) a->length;
    reg_answer_header(f, "Content-Range", reg_buf_str(&b));

    return REG_ANSWER;
}


static reg_todo_t
unknown(reg_flow_t *f)
{
    return reg_refuse_str(f, REG_E_MANIFEST_UNKNOWN, f->route.reference);
}
