/* what the targets share: an arena that is freed after each input */

#ifndef _FUZZ_H_INCLUDED_
#define _FUZZ_H_INCLUDED_


#include <stdio.h>
#include <stdlib.h>

#include "core/reg_base.h"


#define FUZZ_BLOCKS  100000

#define fuzz_assert(what)                                                     \
    do {                                                                      \
        if (!(what)) {                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what);        \
            abort();                                                          \
        }                                                                     \
    } while (0)


typedef struct {
    reg_arena_t     arena;
    void           *blocks[FUZZ_BLOCKS];
    size_t          n;
} fuzz_arena_t;


static inline void *
fuzz_alloc(void *ctx, size_t size)
{
    fuzz_arena_t  *a = ctx;

    if (a->n == FUZZ_BLOCKS) {
        return NULL;
    }

    a->blocks[a->n] = malloc(size);

    return a->blocks[a->n++];
}


static inline reg_arena_t *
fuzz_begin(fuzz_arena_t *a)
{
    a->arena.alloc = fuzz_alloc;
    a->arena.ctx = a;
    a->n = 0;

    return &a->arena;
}


static inline void
fuzz_end(fuzz_arena_t *a)
{
    while (a->n) {
        free(a->blocks[--a->n]);
    }
}


static inline reg_str_t
fuzz_str(const uint8_t *data, size_t size)
{
    reg_str_t  s;

    s.data = (unsigned char *) data;
    s.len = size;

    return s;
}


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


#endif /* _FUZZ_H_INCLUDED_ */
