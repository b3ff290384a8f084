#include "fuzz.h"

#include "core/reg_query.h"


static fuzz_arena_t  memory;


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t        i, n;
    reg_str_t     s, value, values[4];
    reg_arena_t  *arena;

    arena = fuzz_begin(&memory);
    s = fuzz_str(data, size);

    if (reg_query_all(arena, &s, "n", values, 4, &n) == REG_OK) {
        fuzz_assert(n <= 4);

        for (i = 0; i < n; i++) {
            fuzz_assert(values[i].len <= size);
            fuzz_assert(strlen((char *) values[i].data) == values[i].len);
        }

        fuzz_assert((reg_query_get(arena, &s, "n", &value) == REG_OK)
                    == (n < 2));
    }

    fuzz_end(&memory);

    return 0;
}
