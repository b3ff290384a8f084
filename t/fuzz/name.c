#include "fuzz.h"

#include "core/reg_name.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int        valid;
    size_t     i, cut;
    reg_str_t  s, a, b;

    s = fuzz_str(data, size);
    valid = reg_name_valid(&s);

    if (valid || reg_tag_valid(&s)) {
        fuzz_assert(size > 0 && size <= REG_NAME_MAX);
        fuzz_assert(data[0] != '.' && data[0] != '-' && data[0] != '/');

        for (i = 0; i < size; i++) {
            fuzz_assert(data[i] > 0x20 && data[i] < 0x7f);
        }
    }

    if (reg_url_valid(&s)) {
        fuzz_assert(size > 7 && data[size - 1] != '/');

        for (i = 0; i < size; i++) {
            fuzz_assert(data[i] > 0x20 && data[i] < 0x7f
                        && memchr("?#@%\\\"<>{}|^`';,", data[i], 17) == NULL);
        }
    }

    /* a name of two names is a name, and never less than its beginning */

    cut = size / 2;
    a = fuzz_str(data, cut);
    b = fuzz_str(data + cut, size - cut);

    fuzz_assert(reg_name_compare(&s, &s) == 0);
    fuzz_assert(reg_name_compare(&a, &s) <= 0);
    fuzz_assert((reg_name_compare(&a, &b) < 0)
                == (reg_name_compare(&b, &a) > 0));

    if (cut && size <= REG_NAME_MAX && data[cut - 1] == '/') {
        a.len--;

        fuzz_assert(valid == (reg_name_valid(&a) && reg_name_valid(&b)));
    }

    return 0;
}
