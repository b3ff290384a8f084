#include "fuzz.h"

#include "core/reg_digest.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t         len;
    reg_str_t      s;
    reg_hash_t     h;
    reg_digest_t   d, other;
    unsigned char  text[REG_DIGEST_TEXT_MAX], state[REG_HASH_STATE_MAX];

    s = fuzz_str(data, size);

    if (reg_digest_parse(&s, &d) == REG_OK) {
        len = (size_t) (reg_digest_print(text, &d) - text);
        fuzz_assert(len == size && memcmp(text, data, len) == 0);
    }

    if (reg_hash_load(&h, data, size) == REG_OK) {
        len = reg_hash_save(&h, state);
        fuzz_assert(len == size && memcmp(state, data, len) == 0);

        reg_hash_update(&h, data, size);
        reg_hash_final(&h, &d);
    }

    if (size == 0) {
        return 0;
    }

    /* the first byte says where to split */

    len = data[0] % size;

    reg_hash_init(&h, (reg_alg_t) (data[0] % 3));
    reg_hash_update(&h, data, len);

    len = reg_hash_save(&h, state);
    fuzz_assert(reg_hash_load(&h, state, len) == REG_OK);

    len = data[0] % size;
    reg_hash_update(&h, data + len, size - len);
    reg_hash_final(&h, &d);

    reg_digest_of(&other, d.alg, data, size);
    fuzz_assert(reg_digest_equal(&d, &other));

    return 0;
}
