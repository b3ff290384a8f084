/* The list of what refers to a manifest, beside registry:2's trees. */

#include <string.h>

#include "check_referrers.h"
#include "core/reg_path.h"
#include "core/reg_referrer.h"
#include "check_repair.h"


static void judge_entry(check_t *c, check_batch_t *b, check_repo_t *repo,
    check_entry_t *entry);
static void judge_revision(check_t *c, check_batch_t *b, check_repo_t *repo,
    check_link_t *link);
static int listed(check_batch_t *b, check_repo_t *repo,
    const reg_digest_t *subject, const reg_digest_t *d);
static int compare(const reg_digest_t *a, const reg_digest_t *b);


void
check_referrers(check_t *c, check_batch_t *b, check_repo_t *repo)
{
    size_t  i;

    for (i = repo->entries.first; i < repo->entries.last; i++) {
        judge_entry(c, b, repo, &b->entries[i]);
    }

    for (i = repo->revisions.first; i < repo->revisions.last; i++) {
        judge_revision(c, b, repo, &b->links[i]);
    }
}


static void
judge_entry(check_t *c, check_batch_t *b, check_repo_t *repo,
    check_entry_t *entry)
{
    reg_str_t        name, repository, revision;
    check_pool_t     pool;
    check_action_t  *action;

    if (check_link_find(b, &repo->revisions, &entry->digest)) {
        return;
    }

    check_pool_init(&pool);

    repository = check_str(repo->name);
    name = reg_path_referrer(&pool.arena, &repository, &entry->subject,
                             &entry->digest);
    revision = reg_path_revision_link(&pool.arena, &repository,
                                      &entry->digest);

    action = check_action(c, CHECK_REFERRERS, CHECK_K_REFERRER_STALE,
                          REG_DELETE, &name, repo->name);
    if (action) {
        action->absent = check_strdup(&c->pool, &revision);
    }

    check_suspect(c, CHECK_K_REFERRER_STALE, &revision, &name, &name,
                  repo->name, action, "no %.*s", (int) revision.len,
                  revision.data);

    check_pool_free(&pool);
}


static void
judge_revision(check_t *c, check_batch_t *b, check_repo_t *repo,
    check_link_t *link)
{
    reg_str_t          name, repository, revision, data;
    reg_digest_t       d, subject;
    check_pool_t       pool;
    check_action_t    *action;
    check_manifest_t  *m;

    if (!check_link_target(link, &d)) {
        return;
    }

    m = check_manifest_find(c, &d);

    if (m == NULL || m->subject == CHECK_NONE
        || link->digest.alg != REG_SHA256)
    {
        return;
    }

    subject = check_node_digest(c, m->subject);

    if (listed(b, repo, &subject, &d)) {
        return;
    }

    check_pool_init(&pool);

    repository = check_str(repo->name);
    name = reg_path_referrer(&pool.arena, &repository, &subject, &d);
    revision = check_link_name(b, link, &pool);

    action = check_action(c, CHECK_REFERRERS, CHECK_K_REFERRER_MISSING,
                          REG_PUT, &name, repo->name);
    if (action) {
        data = reg_referrer_type(&pool.arena, &m->referrer);
        action->type = check_strdup(&c->pool, &data);
        action->body = m->referrer;
        data = reg_path_blob(&pool.arena, &d);
        action->needs = check_strdup(&c->pool, &data);
    }

    check_suspect(c, CHECK_K_REFERRER_MISSING, &name, &revision, &name,
                  repo->name, action, "of %.*s", (int) revision.len,
                  revision.data);

    check_pool_free(&pool);
}


static int
listed(check_batch_t *b, check_repo_t *repo, const reg_digest_t *subject,
    const reg_digest_t *d)
{
    int             rc;
    size_t          low, high, i;
    check_entry_t  *entry;

    for (low = repo->entries.first, high = repo->entries.last; low < high; ) {

        i = low + (high - low) / 2;
        entry = &b->entries[i];

        rc = compare(subject, &entry->subject);

        if (rc == 0) {
            rc = compare(d, &entry->digest);
        }

        if (rc == 0) {
            return 1;
        }

        if (rc < 0) {
            high = i;

        } else {
            low = i + 1;
        }
    }

    return 0;
}


static int
compare(const reg_digest_t *a, const reg_digest_t *b)
{
    int  rc;

    rc = (int) a->alg - (int) b->alg;

    return rc ? rc : memcmp(a->raw, b->raw, reg_alg_size(a->alg));
}
