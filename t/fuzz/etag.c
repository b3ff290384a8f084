#include "fuzz.h"

#include "core/reg_etag.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int        strong, weak;
    reg_str_t  list, tag;

    list = fuzz_str(data, size);
    tag = fuzz_str((const uint8_t *) "tag", 3);

    strong = reg_etag_listed(&list, &tag, REG_ETAG_STRONG);
    weak = reg_etag_listed(&list, &tag, REG_ETAG_WEAK);

    fuzz_assert(!strong || weak);
    fuzz_assert(!reg_etag_is(&list, &tag) || strong);

    return 0;
}
