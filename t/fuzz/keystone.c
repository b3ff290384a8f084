#include "fuzz.h"

#include "core/reg_keystone.h"


static fuzz_arena_t  memory;


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    reg_str_t              s;
    const char            *why;
    reg_arena_t           *arena;
    reg_keystone_t         k;
    reg_keystone_token_t   token;

    static const reg_str_t  interface = reg_string("public");

    s = fuzz_str(data, size);
    arena = fuzz_begin(&memory);

    memset(&k, 0, sizeof(reg_keystone_t));
    k.interface = interface;
    why = NULL;

    if (reg_keystone_read(arena, &s, &k, &token, &why) == REG_OK) {
        fuzz_assert(token.url.len != 0);
        fuzz_assert(token.expires >= 0 && token.issued < token.expires);

    } else {
        fuzz_assert(why != NULL);
    }

    (void) reg_keystone_time(&s);

    /* every byte as a name and as a secret */

    k.user = s;
    k.domain = s;
    k.project = s;

    if (reg_keystone_check(&k) == NULL) {
        s = reg_keystone_request(arena, &k, &s);
        fuzz_assert(s.data != NULL && s.data[s.len - 1] == '}');
    }

    fuzz_end(&memory);

    return 0;
}
