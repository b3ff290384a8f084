#include "fuzz.h"

#include "core/reg_manifest.h"


static fuzz_arena_t  memory;


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int              media;
    size_t           i;
    reg_rc_t         rc, plain;
    reg_str_t        s;
    reg_arena_t     *arena;
    const char      *why;
    reg_manifest_t   m;

    s = fuzz_str(data, size);
    plain = REG_OK;

    for (media = REG_MEDIA_UNKNOWN; media <= REG_MEDIA_DOCKER_SCHEMA1;
         media++)
    {
        arena = fuzz_begin(&memory);
        why = NULL;

        rc = reg_manifest_parse(arena, &s, (reg_media_t) media, &m, &why);

        if (media == REG_MEDIA_UNKNOWN) {
            plain = rc;
        }

        fuzz_assert(rc != REG_BAD || why != NULL);

        if (rc == REG_OK) {
            fuzz_assert(media != REG_MEDIA_DOCKER_SCHEMA1);
            fuzz_assert(media == REG_MEDIA_UNKNOWN
                        || m.media == (reg_media_t) media);

            /* what is stored must be readable without its Content-Type */

            fuzz_assert(plain == REG_OK);

            fuzz_assert(m.nlayers == 0 || m.nmanifests == 0);
            fuzz_assert(m.nlayers + m.nmanifests <= REG_MANIFEST_REFS_MAX);

            for (i = 0; i < m.nlayers; i++) {
                fuzz_assert(m.layers[i].size >= 0);
            }

            if (m.annotations.len) {
                fuzz_assert(m.annotations.data[0] == '{');
                fuzz_assert(m.annotations.data[m.annotations.len - 1]
                            == '}');
            }
        }

        fuzz_end(&memory);
    }

    return 0;
}
