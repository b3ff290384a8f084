#include "fuzz.h"

#include "core/reg_name.h"
#include "core/reg_route.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    reg_str_t    uri, detail;
    reg_error_t  e;
    reg_route_t  route;

    uri = fuzz_str(data, size);

    if (reg_route_parse(&uri, &route, &e, &detail) != REG_OK) {
        fuzz_assert(e != REG_E_LAST && e < REG_E_LAST);
        return 0;
    }

    fuzz_assert(reg_route_allow(route.kind, 0) != NULL);
    fuzz_assert(route.prefix.len + 3 <= size);
    fuzz_assert(!reg_str_starts(&uri, "//"));

    switch (route.kind) {

    case REG_ROUTE_PING:
    case REG_ROUTE_CATALOG:
        fuzz_assert(route.name.len == 0);
        break;

    default:
        fuzz_assert(reg_name_valid(&route.name));
        fuzz_assert(route.prefix.len + 4 + route.name.len < size);
    }

    if (route.kind == REG_ROUTE_MANIFEST) {
        fuzz_assert(route.by_digest || reg_tag_valid(&route.reference));
    }

    return 0;
}
