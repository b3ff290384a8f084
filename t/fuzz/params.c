#include "fuzz.h"

#include "core/reg_name.h"
#include "core/reg_params.h"
#include "core/reg_query.h"


static fuzz_arena_t  memory;


/* what a rule may stand on, of a query that was not refused */

static int
is_good(reg_arena_t *arena, const reg_str_t *args, const char *name,
    int (*valid)(const reg_str_t *value))
{
    size_t     i;
    reg_str_t  value;

    if (reg_query_get(arena, args, name, &value) != REG_OK) {
        return 0;
    }

    for (i = 0; i < value.len; i++) {
        if (value.data[i] < ' ' || value.data[i] == 0x7f) {
            return 0;
        }
    }

    return value.len == 0 || valid == NULL || valid(&value);
}


static int
is_digest(const reg_str_t *value)
{
    reg_digest_t  d;

    return reg_digest_parse(value, &d) == REG_OK;
}


/* the first byte: route and method; then the query */

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    reg_str_t     args, detail;
    reg_route_t   route;
    reg_error_t   e;
    reg_arena_t  *arena;
    reg_method_t  method;

    if (size == 0) {
        return 0;
    }

    arena = fuzz_begin(&memory);
    args = fuzz_str(data + 1, size - 1);

    memset(&route, 0, sizeof(reg_route_t));
    route.kind = (reg_route_kind_t) (data[0] % REG_ROUTE_NONE);
    method = (reg_method_t) (data[0] / REG_ROUTE_NONE % (REG_OTHER + 1));

    e = REG_E_LAST;

    if (reg_params_check(arena, &route, method, &args, &e, &detail)
        != REG_OK)
    {
        fuzz_assert(e < REG_E_LAST);

    } else if (route.kind == REG_ROUTE_UPLOADS && method == REG_POST) {
        fuzz_assert(is_good(arena, &args, "from", reg_name_valid));
        fuzz_assert(is_good(arena, &args, "mount", is_digest));
        fuzz_assert(is_good(arena, &args, "digest", is_digest));

    } else if (route.kind == REG_ROUTE_TAGS && method == REG_GET) {
        fuzz_assert(is_good(arena, &args, "n", NULL));
        fuzz_assert(is_good(arena, &args, "last", NULL));
    }

    fuzz_end(&memory);

    return 0;
}
