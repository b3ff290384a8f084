#include "fuzz.h"

#include "reg_name.h"
#include "reg_object.h"
#include "reg_path.h"


static fuzz_arena_t  memory;


/* whatever is not foreign is exactly what would be made of its parts */

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    reg_str_t     s, again;
    reg_arena_t  *a;
    reg_object_t  o;

    a = fuzz_begin(&memory);
    s = fuzz_str(data, size);

    reg_object_parse(&s, &o);
    again = s;

    switch (o.kind) {

    case REG_OBJECT_BLOB:
        again = reg_path_blob(a, &o.digest);
        break;

    case REG_OBJECT_LAYER:
        again = reg_path_layer_link(a, &o.name, &o.digest);
        break;

    case REG_OBJECT_REVISION:
        again = reg_path_revision_link(a, &o.name, &o.digest);
        break;

    case REG_OBJECT_TAG_CURRENT:
        again = reg_path_tag_current(a, &o.name, &o.tag);
        break;

    case REG_OBJECT_TAG_INDEX:
        again = reg_path_tag_index(a, &o.name, &o.tag, &o.digest);
        break;

    case REG_OBJECT_PART:
        again = reg_path_part(a, &o.name, &o.id, o.number);
        break;

    case REG_OBJECT_SEGMENT:
    case REG_OBJECT_UPLOAD:
        fuzz_assert(o.id.len && o.id.data >= data
                    && o.id.data + o.id.len <= data + size);
        break;

    default:
        break;
    }

    fuzz_assert(reg_str_equal(&s, &again));
    fuzz_assert(o.name.len == 0 || reg_name_valid(&o.name));

    fuzz_end(&memory);

    return 0;
}
