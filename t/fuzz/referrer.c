#include "fuzz.h"

#include "core/reg_referrer.h"


static fuzz_arena_t  memory;


/* what is written of a manifest is read back as it was */

static void
round_trip(reg_arena_t *arena, const reg_str_t *s)
{
    reg_str_t          text, type, again;
    const char        *why;
    reg_digest_t       d;
    reg_manifest_t     m;
    reg_descriptor_t   descriptor;

    if (reg_manifest_parse(arena, s, REG_MEDIA_UNKNOWN, &m, &why) != REG_OK) {
        return;
    }

    reg_digest_of(&d, REG_SHA512, s->data, s->len);

    text = reg_referrer_text(arena, &m, &d, s->len);
    type = reg_referrer_type(arena, &text);

    fuzz_assert(reg_descriptor_parse(arena, &text, &descriptor, &why)
                == REG_OK);
    fuzz_assert(reg_digest_equal(&d, &descriptor.digest));
    fuzz_assert(reg_str_equal(&text, &descriptor.text));
    fuzz_assert(descriptor.size == (int64_t) s->len);

    if (m.artifact_type.len) {
        fuzz_assert(reg_str_equal(&m.artifact_type,
                                  &descriptor.artifact_type));
    }

    if (text.len > REG_REFERRER_INLINE_MAX) {
        fuzz_assert(reg_referrer_read(arena, &type, &again) == REG_BAD);
        return;
    }

    fuzz_assert(reg_referrer_read(arena, &type, &again) == REG_OK);
    fuzz_assert(reg_str_equal(&text, &again));
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    reg_buf_t          b;
    reg_str_t          s, text, again;
    const char        *why;
    reg_arena_t       *arena;
    reg_descriptor_t   d;

    s = fuzz_str(data, size);
    arena = fuzz_begin(&memory);

    (void) reg_referrer_read(arena, &s, &text);

    if (reg_base64_read(arena, &s, &text) == REG_OK) {
        reg_buf_init(&b, arena, size);
        reg_buf_base64(&b, text.data, text.len);
        again = reg_buf_str(&b);

        fuzz_assert(again.len == s.len);
    }

    if (reg_descriptor_parse(arena, &s, &d, &why) == REG_OK) {
        fuzz_assert(d.media_type.len != 0);
        fuzz_assert(d.text.data[0] == '{');
        fuzz_assert(d.text.data[d.text.len - 1] == '}');
    }

    (void) reg_media_accepted(&s, REG_MEDIA_OCI_INDEX);

    round_trip(arena, &s);

    fuzz_end(&memory);

    return 0;
}
