#include "fuzz.h"

#include "core/reg_name.h"
#include "core/reg_object.h"
#include "core/reg_parts.h"
#include "core/reg_path.h"


static fuzz_arena_t  memory;


/* its last component is a part's name, or the mark of a cancelled upload */

static reg_str_t
part_path(reg_arena_t *a, const reg_str_t *s, const reg_object_t *o)
{
    reg_str_t   prefix, last;
    reg_part_t  part;

    prefix = reg_path_parts(a, &o->name, &o->id);
    fuzz_assert(prefix.len < s->len);

    last.data = s->data + prefix.len;
    last.len = s->len - prefix.len;

    if (reg_part_name_parse(&last, &part) != REG_OK) {
        return reg_path_cancelled(a, &o->name, &o->id);
    }

    fuzz_assert(part.offset == o->number);

    return reg_path_part(a, &o->name, &o->id, &part);
}


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
        again = part_path(a, &s, &o);
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
