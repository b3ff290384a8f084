#include "reg_error.h"
#include "reg_json.h"


typedef struct {
    const char  *code;
    unsigned     status;
    const char  *message;
} reg_error_row_t;


static const reg_error_row_t  reg_errors[] = {
#define REG_E(code, status, message)  { #code, status, message },
#include "reg_errors.inc"
#undef REG_E
};


const char *
reg_error_code(reg_error_t e)
{
    return reg_errors[e].code;
}


unsigned
reg_error_status(reg_error_t e)
{
    return reg_errors[e].status;
}


reg_error_t
reg_error_of_status(unsigned status)
{
    switch (status) {
    case 401:
        return REG_E_UNAUTHORIZED;
    case 403:
        return REG_E_DENIED;
    case 404:
        return REG_E_NOT_FOUND;
    case 405:
        return REG_E_UNSUPPORTED;
    case 413:
        return REG_E_SIZE_INVALID;
    case 416:
        return REG_E_RANGE_INVALID;
    case 429:
        return REG_E_TOOMANYREQUESTS;
    case 502:
    case 503:
    case 504:
        return REG_E_UNAVAILABLE;
    default:
        return REG_E_UNKNOWN;
    }
}


reg_str_t
reg_error_json(reg_arena_t *arena, reg_error_t e, const reg_str_t *details,
    size_t n)
{
    size_t     i;
    reg_buf_t  b;

    reg_buf_init(&b, arena, 256);
    reg_buf_text(&b, "{\"errors\":[");

    for (i = 0; i == 0 || i < n; i++) {
        reg_buf_text(&b, i ? ",{\"code\":\"" : "{\"code\":\"");
        reg_buf_text(&b, reg_errors[e].code);
        reg_buf_text(&b, "\",\"message\":\"");
        reg_buf_text(&b, reg_errors[e].message);
        reg_buf_char(&b, '"');

        if (n) {
            reg_buf_text(&b, ",\"detail\":");
            reg_json_write_string(&b, &details[i]);
        }

        reg_buf_char(&b, '}');
    }

    reg_buf_text(&b, "]}\n");

    return reg_buf_str(&b);
}
