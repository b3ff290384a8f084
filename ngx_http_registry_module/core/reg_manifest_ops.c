/*
 * Manifests: GET, HEAD and PUT of /v2/<name>/manifests/<reference>.
 *
 * Order of writes: what it refers to is checked in this repository, then
 * the bytes, the revision link, the tag's index link, and last the tag's
 * current link: a stop between any two leaves nothing wrong.
 */

#include "reg_manifest.h"
#include "reg_ops.h"
#include "reg_path.h"


typedef struct {
    reg_digest_t       data;            /* sha256 of the bytes */
    reg_digest_t       digest;          /* as the client is told */

    reg_manifest_t     manifest;
    reg_descriptor_t **refs;
    size_t             nrefs;
    size_t             next;

    reg_str_t          missing[REG_CALLS_MAX];
    size_t             nmissing;
} document_t;


static reg_todo_t read_tag(reg_flow_t *f);
static reg_todo_t judge_tag(reg_flow_t *f);
static reg_todo_t read_document(reg_flow_t *f);
static reg_todo_t judge_document(reg_flow_t *f);
static reg_todo_t read_alias(reg_flow_t *f);
static reg_todo_t judge_alias(reg_flow_t *f);
static reg_todo_t read_body(reg_flow_t *f);
static reg_todo_t judge_body(reg_flow_t *f);
static reg_todo_t check_refs(reg_flow_t *f);
static reg_todo_t judge_refs(reg_flow_t *f);
static reg_todo_t write_document(reg_flow_t *f);
static reg_todo_t link_revision(reg_flow_t *f);
static reg_todo_t link_index(reg_flow_t *f);
static reg_todo_t link_current(reg_flow_t *f);
static reg_todo_t say_created(reg_flow_t *f);
static reg_todo_t unknown(reg_flow_t *f);


static const reg_step_t  get_manifest[] = {
    { "read tag", read_tag, judge_tag },
    { "read manifest", read_document, judge_document },
    { "read aliased manifest", read_alias, judge_alias }
};


static const reg_step_t  put_manifest[] = {
    { "read body", read_body, judge_body },
    { "check references", check_refs, judge_refs },
    { "write manifest", write_document, reg_judge_made },
    { "link revision", link_revision, reg_judge_made },
    { "link tag's index", link_index, reg_judge_made },
    { "link tag", link_current, reg_judge_made },
    { "answer", say_created, NULL }
};


const reg_step_t *
reg_manifest_steps(reg_flow_t *f)
{
    f->op = reg_calloc(f->arena, sizeof(document_t));

    switch (f->method) {
    case REG_GET:
    case REG_HEAD:
        return get_manifest;
    case REG_PUT:
        return put_manifest;
    default:
        return reg_not_allowed;
    }
}


static reg_todo_t
read_tag(reg_flow_t *f)
{
    document_t  *doc = f->op;

    if (doc == NULL) {
        return reg_nomem(f);
    }

    if (f->route.by_digest) {
        doc->digest = f->route.digest;
        return REG_NEXT;
    }

    reg_flow_recall(f, REG_GET, reg_path_tag_current(f->arena,
                                                     &f->route.name,
                                                     &f->route.reference));
    return REG_CALL;
}


static reg_todo_t
judge_tag(reg_flow_t *f)
{
    document_t  *doc = f->op;

    if (reg_store_failed(f, &f->calls[0])) {
        return REG_ANSWER;
    }

    if (f->calls[0].reply.status != 200
        || reg_link_read(&f->calls[0].reply, &doc->digest) != REG_OK)
    {
        return unknown(f);
    }

    return REG_NEXT;
}


static reg_todo_t
read_document(reg_flow_t *f)
{
    document_t  *doc = f->op;

    reg_flow_recall(f, REG_GET, reg_path_revision_link(f->arena,
                                                       &f->route.name,
                                                       &doc->digest));

    if (doc->digest.alg == REG_SHA256) {
        reg_flow_recall_data(f, reg_path_blob(f->arena, &doc->digest),
                             &doc->digest);
        f->calls[1].reply_max = f->manifest_max;
    }

    return REG_CALL;
}


/* the whole document is in memory, and is checked before a byte is sent */

static reg_todo_t
answer_document(reg_flow_t *f, const reg_call_t *call)
{
    const char     *why;
    document_t     *doc = f->op;
    reg_digest_t    d;
    reg_manifest_t  m;

    if (reg_store_failed(f, call)) {
        return REG_ANSWER;
    }

    if (call->reply.status != 200) {
        return unknown(f);
    }

    /* what is cached was checked before */

    if (call->reply.cached && doc->digest.alg == call->digest.alg) {
        d = doc->digest;

    } else {
        reg_digest_of(&d, doc->digest.alg, call->reply.body.data,
                      call->reply.body.len);
    }

    if (!reg_digest_equal(&d, &doc->digest)) {
        return reg_refuse(f, REG_E_MANIFEST_UNKNOWN,
                          "the stored bytes are not those of the digest;"
                          " push the manifest again");
    }

    if (reg_manifest_parse(f->arena, &call->reply.body, REG_MEDIA_UNKNOWN,
                           &m, &why)
        != REG_OK)
    {
        return reg_refuse(f, REG_E_MANIFEST_UNKNOWN, why);
    }

    if (reg_not_modified(f, &doc->digest)) {
        reg_answer(f, 304);
        reg_answer_digest(f, &doc->digest, 1);
        return REG_ANSWER;
    }

    reg_answer(f, 200);
    f->answer.content_type = reg_media_text(m.media);
    f->answer.body = call->reply.body;
    f->answer.length = (int64_t) call->reply.body.len;
    reg_answer_digest(f, &doc->digest, 1);

    return REG_ANSWER;
}


static reg_todo_t
judge_document(reg_flow_t *f)
{
    document_t  *doc = f->op;

    if (reg_store_failed(f, &f->calls[0])) {
        return REG_ANSWER;
    }

    if (f->calls[0].reply.status != 200
        || reg_link_read(&f->calls[0].reply, &doc->data) != REG_OK)
    {
        return unknown(f);
    }

    if (f->ncalls == 2 && reg_digest_equal(&doc->data, &doc->digest)) {
        return answer_document(f, &f->calls[1]);
    }

    return REG_NEXT;
}


static reg_todo_t
read_alias(reg_flow_t *f)
{
    document_t  *doc = f->op;

    reg_flow_recall_data(f, reg_path_blob(f->arena, &doc->data), &doc->data);
    f->calls[0].reply_max = f->manifest_max;

    return REG_CALL;
}


static reg_todo_t
judge_alias(reg_flow_t *f)
{
    return answer_document(f, &f->calls[0]);
}


static reg_todo_t
unknown(reg_flow_t *f)
{
    return reg_refuse_str(f, REG_E_MANIFEST_UNKNOWN, f->route.reference);
}


static reg_todo_t
read_body(reg_flow_t *f)
{
    document_t  *doc = f->op;

    if (doc == NULL) {
        return reg_nomem(f);
    }

    if (f->body_length > (int64_t) f->manifest_max) {
        reg_refuse(f, REG_E_MANIFEST_INVALID,
                   "the manifest is larger than registry_max_manifest_size");
        f->answer.status = 413;
        return REG_ANSWER;
    }

    return REG_BODY;
}


static reg_todo_t
add_refs(reg_flow_t *f, document_t *doc)
{
    size_t           i, n;
    reg_manifest_t  *m = &doc->manifest;

    n = m->nlayers + m->nmanifests + 1;

    doc->refs = reg_alloc(f->arena, n * sizeof(reg_descriptor_t *));
    if (doc->refs == NULL) {
        return reg_nomem(f);
    }

    if (m->has_config) {
        doc->refs[doc->nrefs++] = &m->config;
    }

    for (i = 0; i < m->nlayers; i++) {

        /* "urls": the bytes are elsewhere (non-distributable layers) */

        if (!m->layers[i].has_urls) {
            doc->refs[doc->nrefs++] = &m->layers[i];
        }
    }

    for (i = 0; i < m->nmanifests; i++) {
        doc->refs[doc->nrefs++] = &m->manifests[i];
    }

    return REG_NEXT;
}


static reg_todo_t
judge_body(reg_flow_t *f)
{
    reg_rc_t      rc;
    const char   *why;
    document_t   *doc = f->op;
    reg_media_t   media;

    if (f->refused) {
        reg_refuse(f, REG_E_MANIFEST_INVALID,
                   "the manifest is larger than registry_max_manifest_size");
        f->answer.status = 413;
        return REG_ANSWER;
    }

    reg_digest_of(&doc->data, REG_SHA256, f->body.data, f->body.len);
    doc->digest = doc->data;

    if (f->route.by_digest) {
        reg_digest_of(&doc->digest, f->route.digest.alg, f->body.data,
                      f->body.len);

        if (!reg_digest_equal(&doc->digest, &f->route.digest)) {
            return reg_refuse_str(f, REG_E_DIGEST_INVALID,
                                  f->route.reference);
        }
    }

    media = reg_media_parse(&f->content_type);

    if (media == REG_MEDIA_UNKNOWN) {
        return reg_refuse(f, REG_E_MANIFEST_INVALID,
                          "Content-Type must be that of a Docker manifest or"
                          " list, or of an OCI manifest or index");
    }

    why = "not a manifest";
    rc = reg_manifest_parse(f->arena, &f->body, media, &doc->manifest, &why);

    if (rc == REG_NOMEM) {
        return reg_nomem(f);
    }

    if (rc != REG_OK) {
        return reg_refuse(f, REG_E_MANIFEST_INVALID, why);
    }

    return add_refs(f, doc);
}


/* link and data of each reference, several at a time */

static reg_todo_t
check_refs(reg_flow_t *f)
{
    int                is_manifest;
    size_t             i;
    document_t        *doc = f->op;
    reg_descriptor_t  *ref;

    if (doc->next == doc->nrefs) {

        if (doc->nmissing == 0) {
            return REG_NEXT;
        }

        reg_refuse(f, REG_E_MANIFEST_BLOB_UNKNOWN, "");
        f->answer.body = reg_error_json(f->arena, REG_E_MANIFEST_BLOB_UNKNOWN,
                                        doc->missing, doc->nmissing);
        f->answer.length = (int64_t) f->answer.body.len;
        return REG_ANSWER;
    }

    is_manifest = (doc->manifest.media == REG_MEDIA_DOCKER_LIST
                   || doc->manifest.media == REG_MEDIA_OCI_INDEX);

    for (i = doc->next; i < doc->nrefs && f->ncalls < REG_CALLS_MAX; i++) {
        ref = doc->refs[i];

        /* GET, not HEAD: its 404 tells a missing container apart */

        reg_flow_call(f, REG_GET,
                      is_manifest
                      ? reg_path_revision_link(f->arena, &f->route.name,
                                               &ref->digest)
                      : reg_path_layer_link(f->arena, &f->route.name,
                                            &ref->digest));

        /* data is kept by its sha256; the link of another one is enough */

        if (ref->digest.alg == REG_SHA256) {
            reg_flow_call(f, REG_HEAD, reg_path_blob(f->arena,
                                                     &ref->digest));
        } else {
            f->calls[f->ncalls] = f->calls[f->ncalls - 1];
            f->ncalls++;
        }
    }

    return REG_CALL;
}


static reg_todo_t
judge_refs(reg_flow_t *f)
{
    unsigned           i;
    document_t        *doc = f->op;
    reg_descriptor_t  *ref;

    for (i = 0; i < f->ncalls; i += 2) {

        if (reg_store_failed(f, &f->calls[i])
            || reg_store_failed(f, &f->calls[i + 1]))
        {
            return REG_ANSWER;
        }

        ref = doc->refs[doc->next++];

        if ((f->calls[i].reply.status == 404
             || f->calls[i + 1].reply.status == 404)
            && doc->nmissing < REG_CALLS_MAX)
        {
            doc->missing[doc->nmissing++] = reg_digest_text(f->arena,
                                                            &ref->digest);
        }
    }

    return REG_AGAIN;
}


static reg_todo_t
write_document(reg_flow_t *f)
{
    document_t  *doc = f->op;

    reg_flow_call(f, REG_PUT, reg_path_blob(f->arena, &doc->data));
    f->calls[0].body = f->body;

    return REG_CALL;
}


static reg_todo_t
link_revision(reg_flow_t *f)
{
    document_t  *doc = f->op;

    reg_link_write(f, reg_path_revision_link(f->arena, &f->route.name,
                                             &doc->data), &doc->data);

    if (doc->digest.alg != REG_SHA256) {
        reg_link_write(f, reg_path_revision_link(f->arena, &f->route.name,
                                                 &doc->digest), &doc->data);
    }

    return REG_CALL;
}


static reg_todo_t
link_index(reg_flow_t *f)
{
    document_t  *doc = f->op;

    if (f->route.by_digest) {
        return REG_NEXT;
    }

    reg_link_write(f, reg_path_tag_index(f->arena, &f->route.name,
                                         &f->route.reference, &doc->data),
                   &doc->data);

    return REG_CALL;
}


static reg_todo_t
link_current(reg_flow_t *f)
{
    document_t  *doc = f->op;

    if (f->route.by_digest) {
        return REG_NEXT;
    }

    reg_link_write(f, reg_path_tag_current(f->arena, &f->route.name,
                                           &f->route.reference),
                   &doc->data);

    return REG_CALL;
}


static reg_todo_t
say_created(reg_flow_t *f)
{
    reg_str_t    text;
    document_t  *doc = f->op;

    text = reg_digest_text(f->arena, &doc->digest);

    reg_answer(f, 201);
    reg_answer_header(f, "Location", reg_location(f, "/manifests/", &text));
    reg_answer_digest(f, &doc->digest, 0);

    return REG_ANSWER;
}
