/* Memory of a run, and what is done with strings and sizes. */

#ifndef _CHECK_MEMORY_H_INCLUDED_
#define _CHECK_MEMORY_H_INCLUDED_


#include <stdint.h>


#include "core/reg_base.h"


/* memory that is freed at once; the end of memory is the end of the run */

typedef struct check_chunk_s  check_chunk_t;

typedef struct {
    reg_arena_t     arena;
    check_chunk_t  *chunks;
} check_pool_t;


void check_pool_init(check_pool_t *pool);
void check_pool_free(check_pool_t *pool);
void *check_grow(void *array, size_t *room, size_t n, size_t size);
char *check_strdup(check_pool_t *pool, const reg_str_t *s);
reg_str_t check_str(const char *text);
int check_compare(const void *a, size_t alen, const void *b, size_t blen);


#endif /* _CHECK_MEMORY_H_INCLUDED_ */
