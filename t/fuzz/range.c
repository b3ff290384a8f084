#include "fuzz.h"

#include "core/reg_range.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t         i, n;
    int64_t        start, end, total, sum;
    reg_str_t      s;
    reg_range_t    ranges[4], *selected;
    fuzz_arena_t   arena;

    s = fuzz_str(data, size);

    if (reg_range_parse(&s, ranges, 4, &n) == REG_OK) {
        fuzz_assert(n >= 1 && n <= 4);

        total = size & 1 ? 100 : INT64_MAX;

        for (i = 0; i < n; i++) {
            if (reg_range_resolve(&ranges[i], total) == REG_OK) {
                fuzz_assert(ranges[i].first >= 0
                            && ranges[i].first <= ranges[i].last
                            && ranges[i].last < total);
            }
        }
    }

    if (reg_range_select(fuzz_begin(&arena), &s, 100, &selected, &n)
        == REG_OK)
    {
        for (sum = 0, i = 0; i < n; i++) {
            fuzz_assert(selected[i].first >= 0
                        && selected[i].first <= selected[i].last
                        && selected[i].last < 100);
            sum += selected[i].last - selected[i].first + 1;
        }

        fuzz_assert(sum <= 100 && n <= REG_RANGES_MAX);
    }

    fuzz_end(&arena);

    if (reg_content_range_parse(&s, &start, &end) == REG_OK) {
        fuzz_assert(start >= 0 && start <= end && end < INT64_MAX);
    }

    return 0;
}
