#include "fuzz.h"


static fuzz_arena_t  memory;


/* what is read is written as it was; what is written is read */

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    reg_buf_t     b;
    reg_str_t     s, raw, again;
    reg_arena_t  *a;

    a = fuzz_begin(&memory);
    s = fuzz_str(data, size);

    if (reg_base64_read(a, &s, &raw) == REG_OK) {
        reg_buf_init(&b, a, 16);
        reg_buf_base64(&b, raw.data, raw.len);
        again = reg_buf_str(&b);
        fuzz_assert(reg_str_equal(&s, &again));
    }

    reg_buf_init(&b, a, 16);
    reg_buf_base64(&b, data, size);
    again = reg_buf_str(&b);

    fuzz_assert(reg_base64_read(a, &again, &raw) == REG_OK);
    fuzz_assert(reg_str_equal(&s, &raw));

    fuzz_end(&memory);

    return 0;
}
