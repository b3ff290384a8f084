/*
 * Manifests: PUT of /v2/<name>/manifests/<reference>.
 *
 * Order of writes: what it refers to is checked in this repository, then the
 * bytes, the revision link, the referrer's entry and the tags' index links,
 * and last the tags' current links: a stop between any two leaves nothing
 * wrong.  A delete of the same manifest may come in between; so the revision
 * link is looked at again, and if it is gone, all links are written again.
 */

#include "reg_manifest_put.h"
#include "core/reg_name.h"
#include "core/reg_path.h"
#include "core/reg_query.h"
#include "core/reg_referrer.h"
#include "core/reg_refs.h"
#include "core/reg_swift.h"
#include "reg_common.h"
#include "reg_data.h"
#include "reg_store.h"


#define TAGS_MAX  100

/* of segments, at the same time: a page of them may take a MiB */
#define LISTINGS  4


typedef struct {
    reg_digest_t       data;            /* sha256 of the bytes */
    reg_digest_t       digest;          /* as the client names it */

    reg_str_t         *tags;
    size_t             ntags;

    reg_manifest_t     manifest;
    reg_str_t          entry;           /* of a list of referrers */

    reg_descriptor_t **refs;
    size_t             nrefs;
    reg_data_t        *large;           /* of refs, their segments unseen */
    size_t             nlarge;
    size_t             large_room;

    size_t             next;            /* of the row that is at work */
    size_t             looked[REG_CALLS_MAX];   /* tags, of each call */
    unsigned           attempts;
    unsigned           stays:1;         /* the revision link */

    reg_str_t          missing[REG_CALLS_MAX];
    size_t             nmissing;
} push_t;


static reg_todo_t read_query(reg_flow_t *f);
static reg_todo_t read_body(reg_flow_t *f);
static reg_todo_t judge_body(reg_flow_t *f);
static reg_todo_t check_refs(reg_flow_t *f);
static reg_todo_t judge_refs(reg_flow_t *f);
static reg_todo_t check_segments(reg_flow_t *f);
static reg_todo_t judge_segments(reg_flow_t *f);
static reg_todo_t check_tags(reg_flow_t *f);
static reg_todo_t judge_tags(reg_flow_t *f);
static reg_todo_t write_document(reg_flow_t *f);
static reg_todo_t link_revision(reg_flow_t *f);
static reg_todo_t link_indexes(reg_flow_t *f);
static reg_todo_t link_tags(reg_flow_t *f);
static reg_todo_t judge_some(reg_flow_t *f);
static reg_todo_t check_revision(reg_flow_t *f);
static reg_todo_t judge_revision(reg_flow_t *f);
static reg_todo_t say_created(reg_flow_t *f);


static const reg_step_t  put_manifest[] = {
    { "read query", read_query, NULL },
    { "read body", read_body, judge_body },
    { "check references", check_refs, judge_refs },
    { "check segments", check_segments, judge_segments },
    { "check immutable tags", check_tags, judge_tags },
    { "write manifest", write_document, reg_judge_made },
    { "link revision", link_revision, reg_judge_made },
    { "link indexes", link_indexes, judge_some },
    { "link tags", link_tags, judge_some },
    { "check revision link", check_revision, judge_revision },
    { "link revision again", link_revision, reg_judge_made },
    { "link indexes again", link_indexes, judge_some },
    { "link tags again", link_tags, judge_some },
    { "check revision link again", check_revision, judge_revision },
    { "answer", say_created, NULL }
};


const reg_step_t *
reg_put_steps(reg_flow_t *f)
{
    f->op = reg_calloc(f->arena, sizeof(push_t));

    return put_manifest;
}


static reg_todo_t
too_large(reg_flow_t *f)
{
    reg_refuse(f, REG_E_MANIFEST_INVALID,
               "the manifest is larger than registry_max_manifest_size");
    f->answer.status = 413;

    return REG_ANSWER;
}


/* "tag" of the query, each once */

static reg_todo_t
read_tags(reg_flow_t *f, push_t *push)
{
    size_t     i, k, n;
    reg_rc_t   rc;
    reg_str_t  *tags;

    tags = reg_alloc(f->arena, (TAGS_MAX + 1) * sizeof(reg_str_t));
    if (tags == NULL) {
        return reg_nomem(f);
    }

    /* one more than are taken tells that there are too many */

    rc = reg_query_all(f->arena, &f->args, "tag", tags, TAGS_MAX + 1, &n);

    if (rc == REG_NOMEM) {
        return reg_nomem(f);
    }

    if (rc != REG_OK && n <= TAGS_MAX) {
        return reg_refuse(f, REG_E_TAG_INVALID,
                          "a tag parameter is malformed");
    }

    if (n && !f->route.by_digest) {
        return reg_refuse(f, REG_E_TAG_INVALID,
                          "tag parameters go with a manifest that is pushed by"
                          " its digest");
    }

    if (n > TAGS_MAX) {
        reg_refuse(f, REG_E_TAG_INVALID,
                   "at most 100 tags can be pushed at once");
        f->answer.status = 414;
        return REG_ANSWER;
    }

    for (i = 0; i < n; i++) {

        if (!reg_tag_valid(&tags[i])) {
            return reg_refuse_str(f, REG_E_TAG_INVALID, tags[i]);
        }

        for (k = 0; k < push->ntags; k++) {
            if (reg_str_equal(&tags[i], &tags[k])) {
                break;
            }
        }

        if (k == push->ntags) {
            tags[push->ntags++] = tags[i];
        }
    }

    push->tags = tags;

    return REG_NEXT;
}


static reg_todo_t
read_query(reg_flow_t *f)
{
    push_t  *push = f->op;

    if (push == NULL) {
        return reg_nomem(f);
    }

    if (f->body_length > (int64_t) f->manifest_max) {
        return too_large(f);
    }

    if (read_tags(f, push) == REG_ANSWER) {
        return REG_ANSWER;
    }

    if (!f->route.by_digest) {
        push->tags = &f->route.reference;
        push->ntags = 1;
    }

    return REG_NEXT;
}


static reg_todo_t
read_body(reg_flow_t *f)
{
    (void) f;

    return REG_BODY;
}


static reg_todo_t
add_refs(reg_flow_t *f, push_t *push)
{
    size_t           i, n;
    reg_manifest_t  *m = &push->manifest;

    if (f->sparse == REG_SPARSE_ALL
        || (f->sparse == REG_SPARSE_INDEX && !m->has_config))
    {
        return REG_NEXT;
    }

    n = m->nlayers + m->nmanifests + 1;

    push->refs = reg_alloc(f->arena, n * sizeof(reg_descriptor_t *));
    if (push->refs == NULL) {
        return reg_nomem(f);
    }

    if (m->has_config) {
        push->refs[push->nrefs++] = &m->config;
    }

    for (i = 0; i < m->nlayers; i++) {

        if (!m->layers[i].foreign) {
            push->refs[push->nrefs++] = &m->layers[i];
        }
    }

    for (i = 0; i < m->nmanifests; i++) {
        push->refs[push->nrefs++] = &m->manifests[i];
    }

    return reg_refs_once(f->row, push->refs, &push->nrefs) == REG_OK
           ? REG_NEXT : reg_nomem(f);
}


static reg_todo_t
judge_body(reg_flow_t *f)
{
    reg_rc_t      rc;
    push_t       *push = f->op;
    const char   *why;
    reg_media_t   media;

    if (f->refused) {
        return too_large(f);
    }

    reg_digest_of(&push->data, REG_SHA256, f->body.data, f->body.len);
    push->digest = push->data;

    if (f->route.by_digest) {
        reg_digest_of(&push->digest, f->route.digest.alg, f->body.data,
                      f->body.len);

        if (!reg_digest_equal(&push->digest, &f->route.digest)) {
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
    rc = reg_manifest_parse(f->arena, &f->body, media, &push->manifest, &why);

    if (rc == REG_NOMEM) {
        return reg_nomem(f);
    }

    if (rc != REG_OK) {
        return reg_refuse(f, REG_E_MANIFEST_INVALID, why);
    }

    if (push->manifest.has_subject) {
        push->entry = reg_referrer_text(f->arena, &push->manifest,
                                        &push->digest, f->body.len);
        if (push->entry.data == NULL) {
            return reg_nomem(f);
        }
    }

    return add_refs(f, push);
}


static reg_todo_t
refuse_missing(reg_flow_t *f, push_t *push)
{
    size_t  i;

    for (i = 0; i < push->nmissing; i++) {
        if (push->missing[i].data == NULL) {
            return reg_nomem(f);
        }
    }

    reg_refuse(f, REG_E_MANIFEST_BLOB_UNKNOWN, "");
    f->answer.body = reg_error_json(f->arena, REG_E_MANIFEST_BLOB_UNKNOWN,
                                    push->missing, push->nmissing);
    f->answer.length = (int64_t) f->answer.body.len;

    return REG_ANSWER;
}


/*
 * Link and data of each reference, several at a time.  Data is kept by its
 * sha256: the link of another digest is enough.
 */

static reg_todo_t
check_refs(reg_flow_t *f)
{
    size_t               i;
    push_t              *push = f->op;
    const reg_digest_t  *d;

    if (push->next == push->nrefs) {
        push->next = 0;
        return REG_NEXT;
    }

    for (i = push->next; i < push->nrefs && f->ncalls + 2 <= REG_CALLS_MAX;
         i++)
    {
        d = &push->refs[i]->digest;

        /* GET, not HEAD: its 404 tells a missing container apart */

        reg_flow_call(f, REG_GET,
                      push->manifest.has_config
                      ? reg_path_layer_link(f->row, &f->route.name, d)
                      : reg_path_revision_link(f->row, &f->route.name, d));

        if (d->alg == REG_SHA256) {
            reg_flow_call(f, REG_HEAD, reg_path_blob(f->row, d));
        }
    }

    return REG_CALL;
}


static void
add_missing(reg_flow_t *f, push_t *push, const reg_digest_t *d)
{
    if (push->nmissing < REG_CALLS_MAX) {
        push->missing[push->nmissing++] = reg_digest_text(f->arena, d);
    }
}


static reg_todo_t
add_large(reg_flow_t *f, push_t *push, const reg_data_t *data)
{
    size_t       room;
    reg_data_t  *large;

    if (push->nlarge == push->large_room) {
        room = push->large_room ? 2 * push->large_room : 16;

        large = reg_alloc(f->arena, room * sizeof(reg_data_t));
        if (large == NULL) {
            return reg_nomem(f);
        }

        if (push->nlarge) {
            memcpy(large, push->large, push->nlarge * sizeof(reg_data_t));
        }

        push->large = large;
        push->large_room = room;
    }

    push->large[push->nlarge++] = *data;

    return REG_NEXT;
}


static reg_todo_t
take_state(reg_flow_t *f, push_t *push, reg_data_t *data,
    reg_data_state_t state)
{
    switch (state) {

    case REG_DATA_WHOLE:
        return REG_NEXT;

    case REG_DATA_LIST:
        return add_large(f, push, data);

    case REG_DATA_FAILED:
        return REG_ANSWER;

    default:
        add_missing(f, push, &data->digest);
        return REG_NEXT;
    }
}


static reg_todo_t
judge_refs(reg_flow_t *f)
{
    unsigned                 i;
    push_t                  *push = f->op;
    reg_data_t               data;
    reg_digest_t             named;
    reg_data_state_t         state;
    const reg_descriptor_t  *ref;

    for (i = 0; i < f->ncalls; i++) {
        if (reg_store_failed(f, &f->calls[i])) {
            return REG_ANSWER;
        }
    }

    for (i = 0; i < f->ncalls; i++) {
        ref = push->refs[push->next++];

        memset(&data, 0, sizeof(reg_data_t));
        data.digest = ref->digest;
        data.least = ref->size;

        state = REG_DATA_WHOLE;

        if (reg_data_link(f, &f->calls[i], &ref->digest, &named) != REG_OK) {
            state = REG_DATA_ABSENT;
        }

        if (ref->digest.alg == REG_SHA256) {
            i++;

            if (state == REG_DATA_WHOLE) {
                state = reg_data_judge_head(f, &data, &f->calls[i]);
            }
        }

        if (take_state(f, push, &data, state) == REG_ANSWER) {
            return REG_ANSWER;
        }
    }

    /* no more of them are named */

    return push->nmissing == REG_CALLS_MAX ? refuse_missing(f, push)
                                           : REG_AGAIN;
}


static reg_todo_t
check_segments(reg_flow_t *f)
{
    size_t   i;
    push_t  *push = f->op;

    if (push->nlarge == 0) {
        return push->nmissing ? refuse_missing(f, push) : REG_NEXT;
    }

    for (i = 0; i < push->nlarge && i < LISTINGS; i++) {
        reg_data_list(f, &push->large[i]);
    }

    return REG_CALL;
}


/* those with another page stay, and those that were not asked for yet */

static reg_todo_t
judge_segments(reg_flow_t *f)
{
    size_t             i, n;
    push_t            *push = f->op;
    reg_data_t         data;
    reg_data_state_t   state;

    n = push->nlarge;
    push->nlarge = 0;

    for (i = 0; i < n; i++) {
        data = push->large[i];

        state = i < f->ncalls ? reg_data_judge_list(f, &data, &f->calls[i])
                              : REG_DATA_LIST;

        if (take_state(f, push, &data, state) == REG_ANSWER) {
            return REG_ANSWER;
        }
    }

    return REG_AGAIN;
}


/* one that is to stay and is there must point to this very manifest */

static reg_todo_t
check_tags(reg_flow_t *f)
{
    size_t      i;
    push_t     *push = f->op;
    reg_str_t  *tag;

    for (i = push->next;
         f->immutable && i < push->ntags && f->ncalls < REG_CALLS_MAX;
         i++)
    {
        tag = &push->tags[i];

        if (f->immutable(f->immutable_data, tag)) {
            push->looked[f->ncalls] = i;
            reg_flow_call(f, REG_GET,
                          reg_path_tag_current(f->arena, &f->route.name,
                                               tag));
        }
    }

    push->next = i;

    if (f->ncalls) {
        return REG_CALL;
    }

    push->next = 0;

    return REG_NEXT;
}


static reg_todo_t
judge_tags(reg_flow_t *f)
{
    unsigned      i;
    push_t       *push = f->op;
    reg_digest_t  d;

    for (i = 0; i < f->ncalls; i++) {

        if (reg_store_failed(f, &f->calls[i])) {
            return REG_ANSWER;
        }

        /* what names no digest is no tag: it may be mended */

        if (f->calls[i].reply.status == 200
            && reg_link_read(&f->calls[i].reply, &d) == REG_OK
            && !reg_digest_equal(&d, &push->data))
        {
            return reg_refuse_immutable(f, &push->tags[push->looked[i]]);
        }
    }

    return REG_AGAIN;
}


static reg_todo_t
write_document(reg_flow_t *f)
{
    push_t  *push = f->op;

    reg_flow_call(f, REG_PUT, reg_path_blob(f->arena, &push->data));
    f->calls[0].body = f->body;

    return REG_CALL;
}


static reg_todo_t
link_revision(reg_flow_t *f)
{
    push_t  *push = f->op;

    if (push->stays) {
        return REG_NEXT;
    }

    reg_link_write(f, reg_path_revision_link(f->arena, &f->route.name,
                                             &push->data), &push->data);

    if (push->digest.alg != REG_SHA256) {
        reg_link_write(f, reg_path_revision_link(f->arena, &f->route.name,
                                                 &push->digest), &push->data);
    }

    return REG_CALL;
}


static void
write_entry(reg_flow_t *f, push_t *push)
{
    reg_call_t  *call;

    call = reg_flow_call(f, REG_PUT,
                         reg_path_referrer(f->arena, &f->route.name,
                                           &push->manifest.subject.digest,
                                           &push->digest));
    call->body = push->entry;
    call->content_type = reg_referrer_type(f->arena, &push->entry);
    call->failed |= (call->content_type.data == NULL);
}


/* the entry of a list of referrers is one of them, the first */

static reg_todo_t
link_indexes(reg_flow_t *f)
{
    size_t   i, first;
    push_t  *push = f->op;

    if (push->stays) {
        return REG_NEXT;
    }

    first = push->manifest.has_subject;

    for (i = push->next;
         i < first + push->ntags && f->ncalls < REG_CALLS_MAX;
         i++)
    {
        if (i < first) {
            write_entry(f, push);
            continue;
        }

        reg_link_write(f, reg_path_tag_index(f->arena, &f->route.name,
                                             &push->tags[i - first],
                                             &push->data),
                       &push->data);
    }

    push->next = i;

    if (f->ncalls) {
        return REG_CALL;
    }

    push->next = 0;

    return REG_NEXT;
}


/* the link says the sha256, for registry:2; the digest it was pushed by is
   told beside it */

static reg_todo_t
link_tags(reg_flow_t *f)
{
    size_t       i;
    push_t      *push = f->op;
    reg_str_t    text;
    reg_call_t  *call;

    if (push->stays) {
        return REG_NEXT;
    }

    text = reg_digest_text(f->arena, &push->digest);
    if (text.data == NULL) {
        return reg_nomem(f);
    }

    for (i = push->next; i < push->ntags && f->ncalls < REG_CALLS_MAX; i++) {
        call = reg_link_write(f, reg_path_tag_current(f->arena,
                                                      &f->route.name,
                                                      &push->tags[i]),
                              &push->data);

        reg_call_header(f, call, REG_SWIFT_DIGEST, &text, 0);
    }

    push->next = i;

    if (f->ncalls) {
        return REG_CALL;
    }

    push->next = 0;

    return REG_NEXT;
}


static reg_todo_t
judge_some(reg_flow_t *f)
{
    return reg_judge_made(f) == REG_NEXT ? REG_AGAIN : REG_ANSWER;
}


static reg_todo_t
check_revision(reg_flow_t *f)
{
    push_t  *push = f->op;

    if (push->stays) {
        return REG_NEXT;
    }

    reg_flow_call(f, REG_GET, reg_path_revision_link(f->arena,
                                                     &f->route.name,
                                                     &push->data));
    return REG_CALL;
}


static reg_todo_t
judge_revision(reg_flow_t *f)
{
    push_t  *push = f->op;

    if (reg_store_failed(f, &f->calls[0])) {
        return REG_ANSWER;
    }

    push->stays = (f->calls[0].reply.status == 200);

    if (!push->stays && ++push->attempts == 2) {
        return reg_refuse(f, REG_E_UNAVAILABLE,
                          "the manifest was deleted while it was pushed; push"
                          " it again");
    }

    return REG_NEXT;
}


static void
answer_tags(reg_flow_t *f, push_t *push)
{
    size_t     i;
    reg_buf_t  b;

    reg_buf_init(&b, f->arena, 256);

    for (i = 0; i < push->ntags; i++) {
        reg_buf_text(&b, i ? ", " : "");
        reg_buf_add_str(&b, &push->tags[i]);
    }

    reg_answer_header(f, "OCI-Tag", reg_buf_str(&b));
}


static reg_todo_t
say_created(reg_flow_t *f)
{
    push_t     *push = f->op;
    reg_str_t   text;

    text = reg_digest_text(f->arena, &push->digest);

    reg_answer(f, 201);
    reg_answer_header(f, "Location", reg_location(f, "/manifests/", &text));
    reg_answer_digest(f, &push->digest, 0);

    if (push->manifest.has_subject) {
        reg_answer_header(f, "OCI-Subject",
                          reg_digest_text(f->arena,
                                          &push->manifest.subject.digest));
    }

    if (f->route.by_digest && push->ntags) {
        answer_tags(f, push);
    }

    return REG_ANSWER;
}
