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
};


static const struct {
    unsigned     status;
    reg_error_t  error;
    const char  *detail;
} of_nginx[] = {
#define REG_N(status, code, detail)  { status, REG_E_##code, detail },
#include "reg_errors.inc"
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
reg_error_of_status(unsigned status, reg_str_t *detail)
{
    size_t  i;

    for (i = 0; i < sizeof(of_nginx) / sizeof(of_nginx[0]); i++) {

        if (of_nginx[i].status == status) {
            detail->data = (unsigned char *) of_nginx[i].detail;
            detail->len = strlen(of_nginx[i].detail);
            return of_nginx[i].error;
        }
    }

    detail->data = NULL;
    detail->len = 0;

    return status < 500 ? REG_E_UNSUPPORTED : REG_E_UNAVAILABLE;
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
