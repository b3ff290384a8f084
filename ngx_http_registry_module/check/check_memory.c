#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check_memory.h"
#include "check_options.h"


#define CHUNK_SIZE  65536


struct check_chunk_s {
    check_chunk_t  *next;
    size_t          used;
    size_t          size;
    long double     data[];
};


static void *pool_alloc(void *ctx, size_t size);
static void *no_null(void *p);


void
check_pool_init(check_pool_t *pool)
{
    pool->arena.alloc = pool_alloc;
    pool->arena.ctx = pool;
    pool->chunks = NULL;
}


void
check_pool_free(check_pool_t *pool)
{
    check_chunk_t  *chunk;

    while (pool->chunks) {
        chunk = pool->chunks;
        pool->chunks = chunk->next;
        free(chunk);
    }
}


static void *
pool_alloc(void *ctx, size_t size)
{
    void           *p;
    size_t          room;
    check_pool_t   *pool = ctx;
    check_chunk_t  *chunk;

    if (size > SIZE_MAX / 2) {
        return no_null(NULL);
    }

    size = (size + 15) & ~(size_t) 15;
    chunk = pool->chunks;

    if (chunk == NULL || chunk->size - chunk->used < size) {

        room = size > CHUNK_SIZE / 4 ? size : CHUNK_SIZE;

        chunk = no_null(malloc(sizeof(check_chunk_t) + room));
        chunk->used = 0;
        chunk->size = room;

        /* a big one goes behind the one that still has room */

        if (pool->chunks && room == size) {
            chunk->next = pool->chunks->next;
            pool->chunks->next = chunk;

        } else {
            chunk->next = pool->chunks;
            pool->chunks = chunk;
        }
    }

    p = (char *) chunk->data + chunk->used;
    chunk->used += size;

    return p;
}


/* the array with room for one more than n elements */

void *
check_grow(void *array, size_t *room, size_t n, size_t size)
{
    if (n < *room) {
        return array;
    }

    *room = *room ? *room + *room / 2 : 64;

    if (*room > SIZE_MAX / size) {
        return no_null(NULL);
    }

    return no_null(realloc(array, *room * size));
}


char *
check_strdup(check_pool_t *pool, const reg_str_t *s)
{
    reg_str_t  copy;

    if (pool) {
        (void) reg_str_copy(&pool->arena, &copy, s->data, s->len);
        return (char *) copy.data;
    }

    return no_null(strndup(s->data ? (char *) s->data : "", s->len));
}


reg_str_t
check_str(const char *text)
{
    reg_str_t  s;

    s.data = (unsigned char *) text;
    s.len = strlen(text);

    return s;
}


int
check_compare(const void *a, size_t alen, const void *b, size_t blen)
{
    int  rc;

    rc = memcmp(a, b, alen < blen ? alen : blen);

    return rc ? rc : (alen > blen) - (alen < blen);
}


static void *
no_null(void *p)
{
    if (p == NULL) {
        fprintf(stderr, "registry-check: error: out of memory\n");
        exit(CHECK_FAILED);
    }

    return p;
}
