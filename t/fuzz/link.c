#include "fuzz.h"

#include "ops/reg_ops.h"
#include "core/reg_path.h"
#include "core/reg_tempurl.h"
#include "ops/reg_store.h"


static fuzz_arena_t  memory;


/*
 * The body of a link; the name of an entry below a referrers prefix; what a
 * temporary URL is made of.
 */

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t        i;
    reg_str_t     s, text, name = reg_string("a/b"), prefix, url;
    reg_str_t     c = reg_string("c"), key = reg_string("key");
    reg_arena_t  *a;
    reg_reply_t   reply;
    reg_digest_t  d, subject;

    a = fuzz_begin(&memory);
    s = fuzz_str(data, size);

    memset(&reply, 0, sizeof(reg_reply_t));
    reply.body = s;

    if (reg_link_read(&reply, &d) == REG_OK) {
        text = reg_digest_text(a, &d);
        fuzz_assert(text.len <= size && size - text.len <= 1);
        fuzz_assert(memcmp(text.data, data, text.len) == 0);
    }

    reg_digest_of(&subject, REG_SHA256, "", 0);
    prefix = reg_path_referrers(a, &name, &subject);

    if (reg_path_read_referrer(&s, &prefix, &d) == REG_OK) {
        text = reg_path_referrer(a, &name, &subject, &d);
        fuzz_assert(reg_str_equal(&text, &s));
    }

    url = reg_tempurl(a, &s, &c, &name, &key, 1);
    text = (reg_str_t) reg_string("https://h/swift/v1");
    url = reg_tempurl(a, &text, &c, &s, &key, 1);

    for (i = 0; i < url.len; i++) {
        fuzz_assert(url.data[i] > ' ' && url.data[i] < 0x7f);
    }

    fuzz_end(&memory);

    return 0;
}
