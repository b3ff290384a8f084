#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check_blobs.h"
#include "check_outside.h"
#include "check_repair.h"
#include "check_repos.h"
#include "check_segments.h"
#include "check_store.h"


static void release(check_t *c);


int
main(int argc, char **argv)
{
    int      status;
    check_t  c;

    memset(&c, 0, sizeof(check_t));

    check_options_read(&c.options, argc, argv);
    check_pool_init(&c.pool);
    c.now = time(NULL);

    check_report_init(&c);
    check_store_init(&c);
    check_store_head_container(&c);

    check_blobs(&c);
    check_repositories(&c);

    /* a listing that lost all is not a registry full of garbage */

    if (c.nblobs == 0 || c.repositories == 0) {
        check_fatal(&c, "the container \"%s\" has %s: it is new, or another"
                    " one, or its listing is damaged", c.options.container,
                    c.nblobs ? "blobs, but no repository"
                    : c.repositories ? "repositories, but no blob"
                    : "no registry in it");
    }

    check_segments(&c);
    check_uploads(&c);
    check_blobs_end(&c);
    check_parts(&c);
    check_outside(&c);

    if (c.options.deep) {
        check_blobs_deep(&c);
    }

    check_store_head_container(&c);
    check_repair(&c);

    status = check_report_end(&c);
    release(&c);

    return status;
}


static void
release(check_t *c)
{
    check_store_free(c);
    check_report_free(c);
    check_pool_free(&c->pool);

    free(c->options.key);
    free(c->blobs);
    free(c->others);
    free(c->manifests);
    free(c->hashed_manifests);
    free(c->refs);
    free(c->heads);
    free(c->uploads);
    free(c->sizes);
    free(c->actions);
}
