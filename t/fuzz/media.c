#include "fuzz.h"

#include "core/reg_media.h"


/* the first line is an Accept header, the second a Content-Type */

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t         n;
    reg_str_t      accept, type, text;
    reg_media_t    media, m;

    for (n = 0; n < size && data[n] != '\n'; n++) { /* void */ }

    accept = fuzz_str(data, n);
    type = fuzz_str(data + n, size - n);

    if (n < size) {
        type.data++;
        type.len--;
    }

    media = reg_media_parse(&type);

    if (media != REG_MEDIA_UNKNOWN) {
        text = reg_media_text(media);
        fuzz_assert(reg_media_parse(&text) == media);
        fuzz_assert(reg_media_accepted(&text, media));
    }

    for (m = REG_MEDIA_DOCKER_MANIFEST; m <= REG_MEDIA_OCI_INDEX; m++) {
        (void) reg_media_accepted(&accept, m);
    }

    return 0;
}
