#include "fuzz.h"

#include "core/reg_json.h"


typedef struct {
    reg_buf_t   b;
    size_t      offset;
    size_t      size;
} state_t;


static fuzz_arena_t  memory;


static reg_rc_t
on_event(void *data, reg_json_event_t event, const reg_str_t *text,
    unsigned depth, size_t offset)
{
    state_t  *state = data;

    fuzz_assert(depth <= REG_JSON_DEPTH_MAX);
    fuzz_assert(offset >= state->offset && offset <= state->size);

    state->offset = offset;

    if (event == REG_JSON_STRING || event == REG_JSON_KEY) {
        fuzz_assert(text->len == 0
                    || memchr(text->data, '\0', text->len) == NULL);

        if (state->b.len) {
            reg_buf_char(&state->b, ',');
        }

        reg_json_write_string(&state->b, text);
    }

    return REG_OK;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    state_t       state;
    reg_buf_t     b;
    reg_str_t     s, text;
    reg_arena_t  *arena;
    const char   *why;

    arena = fuzz_begin(&memory);
    s = fuzz_str(data, size);

    memset(&state, 0, sizeof(state_t));
    reg_buf_init(&state.b, arena, 0);
    state.size = size;

    if (reg_json_read(arena, &s, on_event, &state, &why) == REG_OK) {

        /* what is written can be read */

        reg_buf_init(&b, arena, 0);
        reg_buf_char(&b, '[');
        text = reg_buf_str(&state.b);
        reg_buf_add_str(&b, &text);
        reg_buf_char(&b, ']');
        text = reg_buf_str(&b);

        memset(&state, 0, sizeof(state_t));
        reg_buf_init(&state.b, arena, 0);
        state.size = text.len;

        fuzz_assert(text.data == NULL
                    || reg_json_read(arena, &text, on_event, &state, &why)
                       != REG_BAD);

    } else {
        fuzz_assert(why != NULL);
    }

    /* any bytes, too; U+0000 is the one that is not read back */

    reg_buf_init(&b, arena, 0);
    reg_json_write_string(&b, &s);
    text = reg_buf_str(&b);

    memset(&state, 0, sizeof(state_t));
    reg_buf_init(&state.b, arena, 0);
    state.size = text.len;

    fuzz_assert((size && memchr(data, '\0', size) != NULL)
                || reg_json_read(arena, &text, on_event, &state, &why)
                   != REG_BAD);

    fuzz_end(&memory);

    return 0;
}
