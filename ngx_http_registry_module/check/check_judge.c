/* One repository of a batch, when all its links and manifests were read. */

#include "check_judge.h"
#include "core/reg_object.h"
#include "core/reg_path.h"
#include "check_referrers.h"
#include "check_refs.h"
#include "check_repair.h"


static void judge_links(check_t *c, check_batch_t *b, check_repo_t *repo);
static void broken_link(check_t *c, check_batch_t *b, check_repo_t *repo,
    check_link_t *link);
static int right_text(check_batch_t *b, check_repo_t *repo,
    check_link_t *link, reg_digest_t *d);
static check_link_t *youngest(check_batch_t *b, check_repo_t *repo,
    check_link_t *current);
static void alias(check_t *c, check_batch_t *b, check_repo_t *repo,
    check_link_t *link);
static void judge_revisions(check_t *c, check_batch_t *b, check_repo_t *repo);
static void judge_manifest(check_t *c, check_batch_t *b, check_repo_t *repo,
    check_manifest_t *m, const reg_digest_t *d, const reg_str_t *holder);
static void judge_tags(check_t *c, check_batch_t *b, check_repo_t *repo);
static void judge_tag(check_t *c, check_batch_t *b, check_repo_t *repo,
    size_t first, size_t last);
static void judge_current(check_t *c, check_batch_t *b, check_repo_t *repo,
    size_t first, size_t last, const reg_digest_t *d);
static void no_current(check_t *c, check_batch_t *b, check_repo_t *repo,
    size_t first, size_t last);
static check_action_t *remove_tag(check_t *c, check_batch_t *b,
    check_repo_t *repo, check_kind_t problem, size_t first, size_t last,
    const reg_str_t *absent);
static char *link_text(check_t *c, check_link_t *link);
static void judge_layers(check_t *c, check_batch_t *b, check_repo_t *repo);
static void dangling_link(check_t *c, check_batch_t *b, check_repo_t *repo,
    check_link_t *link, check_kind_t kind, const reg_str_t *missing);


void
check_judge(check_t *c, check_batch_t *b, check_repo_t *repo)
{
    judge_links(c, b, repo);
    judge_revisions(c, b, repo);
    judge_tags(c, b, repo);

    /* last: what no manifest needed */

    judge_layers(c, b, repo);
    check_referrers(c, b, repo);
}


static void
judge_links(check_t *c, check_batch_t *b, check_repo_t *repo)
{
    size_t         i, n;
    check_link_t  *link;

    const check_range_t  ranges[] = {
        repo->layers, repo->revisions, repo->tags
    };

    for (n = 0; n < 3; n++) {
        for (i = ranges[n].first; i < ranges[n].last; i++) {
            link = &b->links[i];

            switch (link->state) {

            case CHECK_LINK_GOOD:
                if (link->digest.alg != REG_SHA256
                    && link->kind != REG_OBJECT_TAG_CURRENT)
                {
                    alias(c, b, repo, link);
                }

                break;

            case CHECK_LINK_GONE:
                break;

            default:
                broken_link(c, b, repo, link);
            }
        }
    }
}


static void
broken_link(check_t *c, check_batch_t *b, check_repo_t *repo,
    check_link_t *link)
{
    reg_str_t        name, needs;
    reg_digest_t     d;
    check_pool_t     pool;
    check_action_t  *action;

    static const check_kind_t  kinds[] = {
        CHECK_K_LINK_EMPTY, CHECK_K_LINK_EMPTY, CHECK_K_LINK_EMPTY,
        CHECK_K_LINK_NEWLINE, CHECK_K_LINK_MALFORMED, CHECK_K_LINK_WRONG
    };

    check_pool_init(&pool);

    name = check_link_name(b, link, &pool);
    action = NULL;

    if (link->text && right_text(b, repo, link, &d)) {
        action = check_action(c, CHECK_LINKS, kinds[link->state], REG_PUT,
                              &name, repo->name);
    }

    if (action) {
        needs = check_str(link->text);

        action->was = check_strdup(&c->pool, &needs);
        action->body = reg_digest_text(&c->pool.arena, &d);
        needs = reg_path_blob(&pool.arena, &d);
        action->needs = check_strdup(&c->pool, &needs);
    }

    check_suspect(c, kinds[link->state], NULL, &name, &name, repo->name,
                  action, "%s", link->state == CHECK_LINK_WRONG
                                ? link->text : "");

    check_pool_free(&pool);
}


/* what the link should hold, if anything tells it */

static int
right_text(check_batch_t *b, check_repo_t *repo, check_link_t *link,
    reg_digest_t *d)
{
    check_link_t  *index;

    if (link->state == CHECK_LINK_NEWLINE) {
        *d = link->target;
        return d->alg == REG_SHA256;
    }

    if (link->kind != REG_OBJECT_TAG_CURRENT) {
        *d = link->digest;
        return d->alg == REG_SHA256;
    }

    /* a push writes the history first: its youngest entry is the current */

    index = youngest(b, repo, link);

    if (index == NULL) {
        return 0;
    }

    *d = index->digest;

    return d->alg == REG_SHA256
           && check_link_find(b, &repo->revisions, d) != NULL;
}


static check_link_t *
youngest(check_batch_t *b, check_repo_t *repo, check_link_t *current)
{
    int            tie;
    size_t         i;
    check_link_t  *link, *best;

    best = NULL;
    tie = 0;

    for (i = repo->tags.first; i < repo->tags.last; i++) {
        link = &b->links[i];

        if (link == current || link->tag != current->tag) {
            continue;
        }

        if (best == NULL || link->modified > best->modified) {
            best = link;
            tie = 0;

        } else if (link->modified == best->modified) {
            tie = 1;
        }
    }

    return tie ? NULL : best;
}


static void
alias(check_t *c, check_batch_t *b, check_repo_t *repo, check_link_t *link)
{
    uint32_t      blob;
    reg_str_t     missing;
    check_pool_t  pool;

    blob = check_blob_find(c, &link->target);

    if (blob != CHECK_NONE && c->blobs[blob].size >= 0) {
        c->blobs[blob].flags |= CHECK_BLOB_LINKED;
        return;
    }

    check_pool_init(&pool);

    missing = reg_path_blob(&pool.arena, &link->target);
    dangling_link(c, b, repo, link, CHECK_K_ALIAS_DANGLING, &missing);

    check_pool_free(&pool);
}


static void
judge_revisions(check_t *c, check_batch_t *b, check_repo_t *repo)
{
    size_t             i;
    reg_str_t          name;
    reg_digest_t       d;
    check_pool_t       pool;
    check_manifest_t  *m;

    for (i = repo->revisions.first; i < repo->revisions.last; i++) {

        if (!check_link_target(&b->links[i], &d)) {
            continue;
        }

        m = check_manifest_find(c, &d);

        if (m == NULL) {
            continue;
        }

        check_pool_init(&pool);
        name = check_link_name(b, &b->links[i], &pool);

        /* a dangling alias is one already */

        if (b->links[i].digest.alg == REG_SHA256
            || m->state != CHECK_MANIFEST_ABSENT)
        {
            judge_manifest(c, b, repo, m, &d, &name);
        }

        check_pool_free(&pool);
    }
}


static void
judge_manifest(check_t *c, check_batch_t *b, check_repo_t *repo,
    check_manifest_t *m, const reg_digest_t *d, const reg_str_t *holder)
{
    uint32_t       blob;
    reg_str_t      data;
    check_pool_t   pool;
    check_kind_t   kind;

    check_pool_init(&pool);

    blob = check_blob_find(c, d);
    data = reg_path_blob(&pool.arena, d);

    if (blob != CHECK_NONE) {
        c->blobs[blob].flags |= CHECK_BLOB_NEEDED|CHECK_BLOB_LINKED;
    }

    repo->unread |= (m->state != CHECK_MANIFEST_GOOD);
    kind = CHECK_K_MANIFEST_DIGEST;

    switch (m->state) {

    case CHECK_MANIFEST_GOOD:
        check_refs(c, b, repo, m, holder);
        break;

    case CHECK_MANIFEST_ABSENT:
        check_suspect(c, CHECK_K_MANIFEST_MISSING, &data, holder, holder,
                      repo->name, NULL, "no %.*s", (int) data.len, data.data);
        break;

    case CHECK_MANIFEST_EMPTY:
        break;

    case CHECK_MANIFEST_UNREADABLE:
        kind = CHECK_K_MANIFEST_UNREADABLE;
        /* fall through */

    case CHECK_MANIFEST_WRONG:
        if (!m->reported) {
            check_suspect(c, kind, NULL, holder, &data, repo->name, NULL,
                          "%s", m->why ? m->why : "");
        }

        m->reported = 1;
        break;

    case CHECK_MANIFEST_SCHEMA1:
        if (!m->reported) {
            check_report(c, CHECK_K_SCHEMA1, &data, repo->name, -1, NULL);
        }

        m->reported = 1;
        break;
    }

    check_pool_free(&pool);
}


static void
judge_tags(check_t *c, check_batch_t *b, check_repo_t *repo)
{
    size_t  i, first;

    first = repo->tags.first;

    for (i = first; i < repo->tags.last; i++) {
        if (b->links[i].tag != b->links[first].tag) {
            judge_tag(c, b, repo, first, i);
            first = i;
        }
    }

    if (first < repo->tags.last) {
        judge_tag(c, b, repo, first, repo->tags.last);
    }
}


static void
judge_tag(check_t *c, check_batch_t *b, check_repo_t *repo, size_t first,
    size_t last)
{
    int            known;
    size_t         i;
    reg_str_t      missing, name;
    reg_digest_t   d;
    check_link_t  *current, *link;
    check_pool_t   pool;

    current = &b->links[first];

    if (current->kind != REG_OBJECT_TAG_CURRENT) {
        no_current(c, b, repo, first, last);
        return;
    }

    known = check_link_target(current, &d);

    if (known && check_link_find(b, &repo->revisions, &d) == NULL) {
        judge_current(c, b, repo, first, last, &d);
    }

    for (i = first + 1; i < last; i++) {
        link = &b->links[i];

        if (check_link_find(b, &repo->revisions, &link->digest)
            || (known && reg_digest_equal(&link->digest, &d)))
        {
            continue;
        }

        check_pool_init(&pool);
        name = check_str(repo->name);
        missing = reg_path_revision_link(&pool.arena, &name, &link->digest);
        dangling_link(c, b, repo, link, CHECK_K_TAG_INDEX_DANGLING, &missing);
        check_pool_free(&pool);
    }
}


/* its manifest is not linked in the repository */

static void
judge_current(check_t *c, check_batch_t *b, check_repo_t *repo, size_t first,
    size_t last, const reg_digest_t *d)
{
    uint32_t           blob;
    reg_str_t          name, revision, data, repository;
    check_kind_t       kind;
    check_pool_t       pool;
    check_action_t    *action;
    check_manifest_t  *m;

    check_pool_init(&pool);

    repository = check_str(repo->name);
    name = check_link_name(b, &b->links[first], &pool);
    revision = reg_path_revision_link(&pool.arena, &repository, d);
    data = reg_path_blob(&pool.arena, d);

    m = check_manifest_find(c, d);
    blob = check_blob_find(c, d);
    action = NULL;
    kind = CHECK_K_TAG_DANGLING;

    if (blob != CHECK_NONE) {
        c->blobs[blob].flags |= CHECK_BLOB_NEEDED;
    }

    if (m && m->state == CHECK_MANIFEST_GOOD) {

        kind = CHECK_K_TAG_REVISION_MISSING;
        check_refs(c, b, repo, m, &name);

        if (check_refs_whole(c, m)) {
            action = check_action(c, CHECK_REVISIONS, kind, REG_PUT,
                                  &revision, repo->name);
        }

        if (action) {
            action->body = reg_digest_text(&c->pool.arena, d);
            action->needs = check_strdup(&c->pool, &data);
        }

    } else if (m && m->state == CHECK_MANIFEST_ABSENT) {
        action = remove_tag(c, b, repo, kind, first, last, &revision);
    }

    check_suspect(c, kind, &revision, &name, &name, repo->name, action,
                  "no %.*s", (int) revision.len, revision.data);

    check_pool_free(&pool);
}


static void
no_current(check_t *c, check_batch_t *b, check_repo_t *repo, size_t first,
    size_t last)
{
    reg_str_t        name, tag, current, repository;
    check_pool_t     pool;
    check_action_t  *action;

    check_pool_init(&pool);

    repository = check_str(repo->name);
    tag = check_str(b->links[first].tag);

    current = reg_path_tag_current(&pool.arena, &repository, &tag);
    name = check_link_name(b, &b->links[first], &pool);

    action = remove_tag(c, b, repo, CHECK_K_TAG_NO_CURRENT, first, last,
                        &current);

    check_suspect(c, CHECK_K_TAG_NO_CURRENT, &current, &name, &current,
                  repo->name, action, "has %.*s", (int) name.len, name.data);

    check_pool_free(&pool);
}


/*
 * The history first: what is listed without a current link would be a tag
 * that answers 404.  The first link is the current one, if there is any.
 */

static check_action_t *
remove_tag(check_t *c, check_batch_t *b, check_repo_t *repo,
    check_kind_t problem, size_t first, size_t last, const reg_str_t *absent)
{
    size_t           i;
    reg_str_t        name, guard;
    check_link_t    *current;
    check_pool_t     pool;
    check_action_t  *action, *list;

    check_pool_init(&pool);

    current = &b->links[first];
    guard = check_link_name(b, current, &pool);
    list = NULL;

    for (i = first; i < last; i++) {

        name = check_link_name(b, &b->links[i], &pool);
        action = check_action(c, CHECK_DANGLING_TAGS, problem, REG_DELETE,
                              &name, repo->name);
        if (action == NULL) {
            break;
        }

        action->absent = check_strdup(&c->pool, absent);

        if (current->kind == REG_OBJECT_TAG_CURRENT) {
            action->guard = check_strdup(&c->pool, &guard);
            action->guard_text = link_text(c, current);
        }

        action->next = list;
        action->part = (list != NULL);
        list = action;
    }

    check_pool_free(&pool);

    return list;
}


/* as it was read, or as the listing has proved it */

static char *
link_text(check_t *c, check_link_t *link)
{
    reg_str_t  text;

    text = link->text ? check_str(link->text)
                      : reg_digest_text(&c->pool.arena, &link->target);

    return check_strdup(&c->pool, &text);
}


static void
judge_layers(check_t *c, check_batch_t *b, check_repo_t *repo)
{
    size_t         i;
    uint32_t       blob;
    reg_str_t      missing;
    reg_digest_t   d;
    check_link_t  *link;
    check_pool_t   pool;

    for (i = repo->layers.first; i < repo->layers.last; i++) {
        link = &b->links[i];

        if (link->digest.alg != REG_SHA256 || !check_link_target(link, &d)) {
            continue;
        }

        blob = check_blob_find(c, &d);

        if (blob != CHECK_NONE && c->blobs[blob].size >= 0) {
            c->blobs[blob].flags |= CHECK_BLOB_LINKED;

        } else if (!link->needed) {
            check_pool_init(&pool);
            missing = reg_path_blob(&pool.arena, &d);
            dangling_link(c, b, repo, link, CHECK_K_LAYER_DANGLING, &missing);
            check_pool_free(&pool);
        }
    }
}


static void
dangling_link(check_t *c, check_batch_t *b, check_repo_t *repo,
    check_link_t *link, check_kind_t kind, const reg_str_t *missing)
{
    reg_str_t        name;
    check_pool_t     pool;
    check_action_t  *action;

    check_pool_init(&pool);

    name = check_link_name(b, link, &pool);
    action = NULL;

    /* one that is not understood may name it */

    if (!repo->unread && !link->needed) {
        action = check_action(c, CHECK_DANGLING_LINKS, kind, REG_DELETE,
                              &name, repo->name);
    }

    if (action) {
        action->was = link_text(c, link);
        action->absent = check_strdup(&c->pool, missing);
    }

    check_suspect(c, kind, missing, &name, &name, repo->name, action,
                  "no %.*s", (int) missing->len, missing->data);

    check_pool_free(&pool);
}
