#include "fuzz.h"

#include "reg_range.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t       i, n;
    int64_t      start, end, total;
    reg_str_t    s;
    reg_range_t  ranges[4];

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

    if (reg_content_range_parse(&s, &start, &end) == REG_OK) {
        fuzz_assert(start >= 0 && start <= end && end < INT64_MAX);
    }

    return 0;
}
