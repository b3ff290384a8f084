/*
 * Repositories: the listing of their links is cut into batches, so that the
 * requests of many small ones run at the same time and a container of any
 * size needs the memory of a batch.
 *
 * All of one repository is together in a listing: below its name stand
 * "_layers", "_manifests" and "_uploads", and no name of another repository
 * begins with '_'.
 */

#include <stdlib.h>

#include <openssl/evp.h>
#include <string.h>

#include "check_repos.h"
#include "core/reg_object.h"
#include "core/reg_path.h"
#include "check_cursor.h"
#include "check_judge.h"
#include "check_manifests.h"
#include "check_outside.h"
#include "check_repair.h"


#define BATCH_LINKS  20000
#define LINK_LEN     (sizeof("sha256:") - 1 + 64)


typedef struct {
    check_batch_t    batch;
    check_cursor_t   referrers;
    char             current[33];       /* hash of the last tag's link */
    size_t           current_link;
} state_t;


static void take(check_t *c, state_t *s, reg_entry_t *entry,
    reg_object_t *object);
static check_repo_t *repository(check_t *c, state_t *s,
    const reg_str_t *name);
static void take_link(check_t *c, state_t *s, reg_entry_t *entry,
    reg_object_t *object, check_range_t *range);
static void compare_hash(state_t *s, check_link_t *link, size_t i,
    reg_entry_t *entry);
static void take_upload(check_t *c, check_repo_t *repo, reg_entry_t *entry,
    reg_object_t *object);
static void on_upload(check_t *c, check_request_t *r);
static void take_referrers(check_t *c, state_t *s, check_repo_t *repo);
static void finish(check_t *c, state_t *s);


void
check_repositories(check_t *c)
{
    state_t          s;
    reg_entry_t     *entry;
    reg_object_t     object;
    check_cursor_t   cursor;

    memset(&s, 0, sizeof(state_t));
    check_pool_init(&s.batch.pool);

    check_cursor_open(c, &cursor, REG_PATH_REPOSITORIES, 0);
    check_cursor_open(c, &s.referrers, REG_PATH_REFERRERS, 0);

    for ( ;; ) {
        entry = check_cursor_peek(c, &cursor);

        if (entry == NULL) {
            break;
        }

        reg_object_parse(&entry->name, &object);
        check_foreign(c, entry, object.kind == REG_OBJECT_FOREIGN);

        if (object.kind != REG_OBJECT_FOREIGN) {
            take(c, &s, entry, &object);
        }

        check_cursor_next(c, &cursor);
    }

    take_referrers(c, &s, NULL);
    finish(c, &s);

    check_foreign_end(c);
    check_cursor_close(&cursor);
    check_cursor_close(&s.referrers);

    check_pool_free(&s.batch.pool);
    free(s.batch.links);
    free(s.batch.entries);
    free(s.batch.repos);
}


static void
take(check_t *c, state_t *s, reg_entry_t *entry, reg_object_t *object)
{
    check_repo_t  *repo;

    repo = repository(c, s, &object->name);

    switch (object->kind) {

    case REG_OBJECT_LAYER:
        take_link(c, s, entry, object, &repo->layers);
        break;

    case REG_OBJECT_REVISION:
        take_link(c, s, entry, object, &repo->revisions);
        break;

    case REG_OBJECT_TAG_CURRENT:
        c->tags++;
        take_link(c, s, entry, object, &repo->tags);
        break;

    case REG_OBJECT_TAG_INDEX:
        take_link(c, s, entry, object, &repo->tags);
        break;

    case REG_OBJECT_SIGNATURE:
        check_report(c, CHECK_K_SIGNATURE, &entry->name, repo->name, -1,
                     NULL);
        break;

    case REG_OBJECT_UPLOAD:
        take_upload(c, repo, entry, object);
        break;

    default:
        break;
    }
}


static check_repo_t *
repository(check_t *c, state_t *s, const reg_str_t *name)
{
    check_repo_t   *repo;
    check_batch_t  *b;

    b = &s->batch;

    if (b->nrepos) {
        repo = &b->repos[b->nrepos - 1];

        if (strlen(repo->name) == name->len
            && memcmp(repo->name, name->data, name->len) == 0)
        {
            return repo;
        }
    }

    if (b->nlinks >= BATCH_LINKS) {
        finish(c, s);
    }

    b->repos = check_grow(b->repos, &b->repos_room, b->nrepos,
                          sizeof(check_repo_t));
    repo = &b->repos[b->nrepos++];

    memset(repo, 0, sizeof(check_repo_t));
    repo->name = check_strdup(&b->pool, name);
    s->current[0] = '\0';

    c->repositories++;

    take_referrers(c, s, repo);

    return repo;
}


static void
take_link(check_t *c, state_t *s, reg_entry_t *entry, reg_object_t *object,
    check_range_t *range)
{
    char           *tag;
    check_link_t   *link;
    check_batch_t  *b;

    (void) c;

    b = &s->batch;
    b->links = check_grow(b->links, &b->links_room, b->nlinks,
                          sizeof(check_link_t));
    link = &b->links[b->nlinks];

    if (range->last == 0) {
        range->first = b->nlinks;
    }

    range->last = b->nlinks + 1;

    memset(link, 0, sizeof(check_link_t));
    link->digest = object->digest;
    link->modified = entry->modified;
    link->repository = (uint32_t) b->nrepos - 1;
    link->kind = (uint8_t) object->kind;

    if (object->tag.len) {

        /* all links of a tag share its string: that is how they are one */

        tag = b->nlinks > range->first ? b->links[b->nlinks - 1].tag : NULL;

        if (tag == NULL || strlen(tag) != object->tag.len
            || memcmp(tag, object->tag.data, object->tag.len) != 0)
        {
            tag = check_strdup(&b->pool, &object->tag);
        }

        link->tag = tag;
    }

    compare_hash(s, link, b->nlinks, entry);
    b->nlinks++;
}


/*
 * The listing's MD5 of a link is enough to know what it holds: its name tells
 * what it should be, and a tag's current one is among its history, which is
 * listed next.
 */

static void
compare_hash(state_t *s, check_link_t *link, size_t i, reg_entry_t *entry)
{
    unsigned       len;
    check_link_t  *current;
    unsigned char  text[REG_DIGEST_TEXT_MAX], md5[EVP_MAX_MD_SIZE], hex[32];

    if (link->kind == REG_OBJECT_TAG_CURRENT) {
        s->current_link = i;
        s->current[0] = '\0';

        if (entry->bytes == LINK_LEN && entry->hash.len == sizeof(hex)) {
            memcpy(s->current, entry->hash.data, sizeof(hex) + 1);
        }

        return;
    }

    if (entry->bytes != LINK_LEN || entry->hash.len != sizeof(hex)
        || link->digest.alg != REG_SHA256)
    {
        return;
    }

    (void) reg_digest_print(text, &link->digest);

    if (EVP_Digest(text, LINK_LEN, md5, &len, EVP_md5(), NULL) != 1) {
        return;
    }

    (void) reg_hex(hex, md5, len);

    if (memcmp(hex, entry->hash.data, sizeof(hex)) != 0) {
        return;
    }

    link->state = CHECK_LINK_GOOD;
    link->target = link->digest;

    if (link->kind == REG_OBJECT_TAG_INDEX && s->current[0]) {
        current = &s->batch.links[s->current_link];

        if (current->tag == link->tag
            && memcmp(hex, s->current, sizeof(hex)) == 0)
        {
            current->state = CHECK_LINK_GOOD;
            current->target = link->digest;
        }
    }
}


static void
take_upload(check_t *c, check_repo_t *repo, reg_entry_t *entry,
    reg_object_t *object)
{
    reg_str_t         prefix, name;
    check_upload_t   *u;
    check_request_t  *r;

    prefix = entry->name;
    prefix.len -= object->rest.len;

    u = c->nuploads ? &c->uploads[c->nuploads - 1] : NULL;

    if (u == NULL || strlen(u->object) != prefix.len
        || memcmp(u->object, prefix.data, prefix.len) != 0)
    {
        c->uploads = check_grow(c->uploads, &c->uploads_room, c->nuploads,
                                sizeof(check_upload_t));
        u = &c->uploads[c->nuploads++];
        name = check_str(repo->name);

        memset(u, 0, sizeof(check_upload_t));
        u->object = check_strdup(&c->pool, &prefix);
        u->repository = check_strdup(&c->pool, &name);
    }

    if (entry->modified > u->modified) {
        u->modified = entry->modified;
    }

    reg_size_add(&u->bytes, entry->bytes);

    if (reg_str_is(&object->rest, "startedat")) {
        u->dated = 1;

    } else if (reg_str_is(&object->rest, "data") && entry->bytes == 0) {
        r = check_request(c, REG_HEAD, &entry->name, NULL, on_upload);
        r->index = c->nuploads - 1;
        check_send(c, r);
        check_throttle(c);
    }
}


static void
on_upload(check_t *c, check_request_t *r)
{
    if (r->status != 404 && r->object_manifest) {
        check_head_add(c, r->object_manifest, CHECK_NONE,
                       (uint32_t) r->index);
    }
}


/* entries are in the order of the repositories; NULL: all that is left */

static void
take_referrers(check_t *c, state_t *s, check_repo_t *repo)
{
    int              rc;
    reg_str_t        name;
    check_repo_t     none;
    check_batch_t   *b;
    reg_entry_t     *entry;
    check_entry_t   *e;
    reg_object_t     object;
    check_action_t  *action;
    check_pool_t     pool;

    b = &s->batch;
    memset(&none, 0, sizeof(check_repo_t));

    for ( ;; check_cursor_next(c, &s->referrers)) {

        entry = check_cursor_peek(c, &s->referrers);
        if (entry == NULL) {
            return;
        }

        reg_object_parse(&entry->name, &object);

        if (object.kind != REG_OBJECT_REFERRER) {
            check_report(c, CHECK_K_FOREIGN, &entry->name, NULL,
                         entry->bytes, NULL);
            continue;
        }

        rc = repo ? check_name_order(&object.name, repo->name) : -1;

        if (rc > 0) {
            return;
        }

        if (rc == 0) {
            b->entries = check_grow(b->entries, &b->entries_room, b->nentries,
                                    sizeof(check_entry_t));
            e = &b->entries[b->nentries++];

            e->subject = object.subject;
            e->digest = object.digest;
            e->modified = entry->modified;

            if (repo->entries.last == 0) {
                repo->entries.first = b->nentries - 1;
            }

            repo->entries.last = b->nentries;
            continue;
        }

        /* of a repository that is no more */

        check_pool_init(&pool);
        none.name = check_strdup(&pool, &object.name);
        name = reg_path_revision_link(&pool.arena, &object.name,
                                      &object.digest);

        action = check_action(c, CHECK_REFERRERS, CHECK_K_REFERRER_STALE,
                              REG_DELETE, &entry->name, none.name);
        if (action) {
            action->absent = check_strdup(&c->pool, &name);
        }

        check_suspect(c, CHECK_K_REFERRER_STALE, &name, &entry->name,
                      &entry->name, none.name, action, "no %.*s",
                      (int) name.len, name.data);

        check_pool_free(&pool);
        check_throttle(c);
    }
}


/* "<name>/_", as both trees are sorted */

int
check_name_order(const reg_str_t *a, const char *b)
{
    size_t      i;
    reg_str_t   y;
    unsigned    p, q;

    static const char  end[] = "/_";

    y = check_str(b);

    for (i = 0; i < a->len + 2 || i < y.len + 2; i++) {

        p = i < a->len ? a->data[i]
            : i < a->len + 2 ? (unsigned char) end[i - a->len] : 0;
        q = i < y.len ? y.data[i]
            : i < y.len + 2 ? (unsigned char) end[i - y.len] : 0;

        if (p != q) {
            return p < q ? -1 : 1;
        }
    }

    return 0;
}


static void
finish(check_t *c, state_t *s)
{
    size_t          i;
    reg_digest_t    d;
    check_link_t   *link;
    check_batch_t  *b;

    b = &s->batch;

    check_links_read(c, b);
    check_wait(c);

    for (i = 0; i < b->nlinks; i++) {
        link = &b->links[i];

        if ((link->kind == REG_OBJECT_REVISION
             || link->kind == REG_OBJECT_TAG_CURRENT)
            && check_link_target(link, &d))
        {
            check_manifest_load(c, &d);
        }
    }

    check_wait(c);

    for (i = 0; i < b->nrepos; i++) {
        check_judge(c, b, &b->repos[i]);
        check_throttle(c);
    }

    check_wait(c);

    check_pool_free(&b->pool);
    b->nlinks = 0;
    b->nrepos = 0;
    b->nentries = 0;
}


/* when their segments are known */

void
check_uploads(check_t *c)
{
    size_t           i;
    reg_str_t        name;
    check_upload_t  *u;

    for (i = 0; i < c->nuploads; i++) {
        u = &c->uploads[i];

        if (!check_young(c, u->modified)) {
            name = check_str(u->object);

            check_report(c, CHECK_K_UPLOAD_LEFTOVER, &name, u->repository,
                         u->bytes, "%lld hours old%s",
                         (long long) (c->now - u->modified) / 3600,
                         u->dated ? "" : "; without \"startedat\", so that"
                         " registry:2 never removes it");
        }
    }
}
