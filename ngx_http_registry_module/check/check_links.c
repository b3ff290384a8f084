/* Links whose text the listing did not prove: their bodies. */

#include <string.h>

#include "check_links.h"
#include "core/reg_object.h"
#include "core/reg_path.h"
#include "check_store.h"


#define LINK_MAX  256


static void on_link(check_t *c, check_request_t *r);
static uint8_t judge_text(check_link_t *link, const reg_str_t *body);


void
check_links_read(check_t *c, check_batch_t *batch)
{
    size_t            i;
    reg_str_t         name;
    check_pool_t      pool;
    check_request_t  *r;

    for (i = 0; i < batch->nlinks; i++) {

        if (batch->links[i].state != CHECK_LINK_UNREAD) {
            continue;
        }

        check_pool_init(&pool);
        name = check_link_name(batch, &batch->links[i], &pool);

        r = check_request(c, REG_GET, &name, NULL, on_link);
        r->index = i;
        r->data = batch;
        r->body_max = 64 * 1024 * 1024;

        check_pool_free(&pool);
        check_send(c, r);
        check_throttle(c);
    }
}


static void
on_link(check_t *c, check_request_t *r)
{
    reg_str_t       body, text;
    check_link_t   *link;
    check_batch_t  *batch;

    (void) c;

    batch = r->data;
    link = &batch->links[r->index];

    if (r->status == 404) {
        link->state = CHECK_LINK_GONE;
        return;
    }

    body.data = r->body ? r->body : (unsigned char *) "";
    body.len = r->body_len;

    link->state = judge_text(link, &body);

    /* of a longer one no repair can be sure that it is still the same */

    if (body.len <= LINK_MAX && memchr(body.data, '\0', body.len) == NULL) {
        text = body;
        link->text = check_strdup(&batch->pool, &text);
    }
}


static uint8_t
judge_text(check_link_t *link, const reg_str_t *body)
{
    uint8_t    state;
    reg_str_t  text;

    text = *body;
    state = CHECK_LINK_GOOD;

    if (text.len == 0) {
        return CHECK_LINK_EMPTY;
    }

    while (text.len && (text.data[text.len - 1] == '\n'
                        || text.data[text.len - 1] == '\r'))
    {
        text.len--;
        state = CHECK_LINK_NEWLINE;
    }

    if (reg_digest_parse(&text, &link->target) != REG_OK) {
        return CHECK_LINK_MALFORMED;
    }

    /* a link of another algorithm says the sha256 of the same bytes */

    if (link->kind != REG_OBJECT_TAG_CURRENT
        && link->digest.alg == REG_SHA256
        && !reg_digest_equal(&link->digest, &link->target))
    {
        return CHECK_LINK_WRONG;
    }

    return state;
}


reg_str_t
check_link_name(check_batch_t *batch, const check_link_t *link,
    check_pool_t *pool)
{
    reg_str_t     name, tag;
    reg_arena_t  *a;

    a = &pool->arena;
    name = check_str(batch->repos[link->repository].name);
    tag = check_str(link->tag ? link->tag : "");

    switch (link->kind) {

    case REG_OBJECT_LAYER:
        return reg_path_layer_link(a, &name, &link->digest);

    case REG_OBJECT_REVISION:
        return reg_path_revision_link(a, &name, &link->digest);

    case REG_OBJECT_TAG_CURRENT:
        return reg_path_tag_current(a, &name, &tag);

    default:
        return reg_path_tag_index(a, &name, &tag, &link->digest);
    }
}


int
check_link_target(const check_link_t *link, reg_digest_t *d)
{
    switch (link->state) {

    case CHECK_LINK_GOOD:
    case CHECK_LINK_NEWLINE:
        *d = link->target;
        return d->alg == REG_SHA256;

    case CHECK_LINK_GONE:
    case CHECK_LINK_UNREAD:
        return 0;

    default:
        *d = link->digest;
        return link->kind != REG_OBJECT_TAG_CURRENT && d->alg == REG_SHA256;
    }
}


check_link_t *
check_link_find(check_batch_t *batch, check_range_t *range,
    const reg_digest_t *d)
{
    int            rc;
    size_t         low, high, i;
    check_link_t  *link;

    for (low = range->first, high = range->last; low < high; /* void */) {

        i = low + (high - low) / 2;
        link = &batch->links[i];

        rc = (int) d->alg - (int) link->digest.alg;

        if (rc == 0) {
            rc = memcmp(d->raw, link->digest.raw, reg_alg_size(d->alg));
        }

        if (rc == 0) {
            return link;
        }

        if (rc < 0) {
            high = i;

        } else {
            low = i + 1;
        }
    }

    return NULL;
}
