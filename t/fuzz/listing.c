#include "fuzz.h"

#include "core/reg_listing.h"


static fuzz_arena_t  memory;


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t          i;
    reg_str_t       s;
    reg_entry_t    *e;
    reg_arena_t    *arena;
    const char     *why;
    reg_listing_t   listing;

    arena = fuzz_begin(&memory);
    s = fuzz_str(data, size);

    if (reg_listing_parse(arena, &s, &listing, &why) == REG_OK) {
        for (i = 0; i < listing.n; i++) {
            e = &listing.entries[i];
            fuzz_assert(e->name.len && e->subdir == (e->bytes < 0));
        }
    }

    fuzz_end(&memory);

    return 0;
}
