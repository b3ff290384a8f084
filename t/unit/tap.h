/* TAP, and an arena that can be told to fail */

#ifndef _TAP_H_INCLUDED_
#define _TAP_H_INCLUDED_


#include <stdio.h>
#include <stdlib.h>

#include "core/reg_base.h"


typedef struct tap_block_s  tap_block_t;

struct tap_block_s {
    tap_block_t    *next;
    long double     align;              /* and what follows */
};


typedef struct {
    reg_arena_t     arena;
    tap_block_t    *blocks;
    size_t          left;               /* allocations until it fails */
    int             failed;
} tap_arena_t;


static unsigned  tap_count;
static unsigned  tap_failures;


static inline void
ok(int good, const char *what, size_t row)
{
    tap_count++;

    if (!good) {
        tap_failures++;
    }

    printf("%sok %u - %s, row %zu\n", good ? "" : "not ", tap_count, what,
           row);
}


static inline int
tap_end(void)
{
    printf("1..%u\n", tap_count);

    return tap_failures != 0;
}


static inline void *
tap_alloc(void *ctx, size_t size)
{
    tap_arena_t  *a = ctx;
    tap_block_t  *block;

    if (a->left == 0) {
        a->failed = 1;
        return NULL;
    }

    a->left--;

    /* each block of its own, so that the sanitizer sees its ends */

    block = malloc(sizeof(tap_block_t) + size);
    if (block == NULL) {
        abort();
    }

    block->next = a->blocks;
    a->blocks = block;

    memset(block + 1, 0xa5, size);

    return block + 1;
}


static inline void
tap_arena_init(tap_arena_t *a, size_t left)
{
    memset(a, 0, sizeof(tap_arena_t));

    a->arena.alloc = tap_alloc;
    a->arena.ctx = a;
    a->left = left;
}


static inline void
tap_arena_free(tap_arena_t *a)
{
    tap_block_t  *block;

    while (a->blocks) {
        block = a->blocks;
        a->blocks = block->next;
        free(block);
    }
}


/* exactly as long as the text, so that the sanitizer sees an overread */

static inline reg_str_t
tap_str(tap_arena_t *a, const void *data, size_t len)
{
    reg_str_t  s;

    s.data = tap_alloc(a, len);
    s.len = len;

    if (len) {
        memcpy(s.data, data, len);
    }

    return s;
}


static inline int
tap_is(const reg_str_t *s, const char *want)
{
    return s->len == strlen(want)
           && (s->len == 0 || memcmp(s->data, want, s->len) == 0);
}


#endif /* _TAP_H_INCLUDED_ */
