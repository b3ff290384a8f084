#include <stdlib.h>

#include "reg_refs.h"


static int
compare_refs(const void *one, const void *two)
{
    int                      rc;
    const reg_descriptor_t  *a = *(reg_descriptor_t *const *) one;
    const reg_descriptor_t  *b = *(reg_descriptor_t *const *) two;

    rc = (a->digest.alg > b->digest.alg) - (a->digest.alg < b->digest.alg);

    if (rc == 0) {
        rc = memcmp(a->digest.raw, b->digest.raw,
                    reg_alg_size(a->digest.alg));
    }

    return rc ? rc : (a->at > b->at) - (a->at < b->at);
}


reg_rc_t
reg_refs_once(reg_arena_t *arena, reg_descriptor_t **refs, size_t *n)
{
    size_t             i, kept;
    reg_descriptor_t  *first, **sorted;

    if (*n == 0) {
        return REG_OK;
    }

    sorted = reg_alloc(arena, *n * sizeof(reg_descriptor_t *));
    if (sorted == NULL) {
        return REG_NOMEM;
    }

    for (i = 0; i < *n; i++) {
        refs[i]->at = i;
        sorted[i] = refs[i];
    }

    qsort(sorted, *n, sizeof(reg_descriptor_t *), compare_refs);

    for (first = sorted[0], i = 1; i < *n; i++) {

        if (!reg_digest_equal(&sorted[i]->digest, &first->digest)) {
            first = sorted[i];
            continue;
        }

        refs[sorted[i]->at] = NULL;

        if (sorted[i]->size > first->size) {
            first->size = sorted[i]->size;
        }
    }

    for (i = 0, kept = 0; i < *n; i++) {
        if (refs[i]) {
            refs[kept++] = refs[i];
        }
    }

    *n = kept;

    return REG_OK;
}
