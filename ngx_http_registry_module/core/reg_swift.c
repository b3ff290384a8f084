#include "reg_swift.h"


static void parameter(reg_buf_t *b, const char *name, const reg_str_t *root,
    const reg_str_t *value);
static int says(const reg_str_t *body, const char *word);


const char *
reg_swift_method(reg_method_t method)
{
    static const char  *names[] = {
        "GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "COPY", ""
    };

    return names[method];
}


void
reg_swift_listing(reg_buf_t *b, const reg_str_t *root,
    const reg_str_t *prefix, const reg_str_t *from, const reg_str_t *to,
    const char *delimiter, int limit)
{
    reg_str_t  text, none = reg_null_string;

    reg_buf_text(b, "format=json&limit=");
    reg_buf_number(b, limit);

    parameter(b, "&prefix=", root, prefix);

    if (*delimiter) {
        text.data = (unsigned char *) delimiter;
        text.len = strlen(delimiter);

        parameter(b, "&delimiter=", &none, &text);
    }

    if (from->len) {
        parameter(b, "&marker=", root, from);
    }

    if (to->len) {
        parameter(b, "&end_marker=", root, to);
    }
}


static void
parameter(reg_buf_t *b, const char *name, const reg_str_t *root,
    const reg_str_t *value)
{
    reg_buf_text(b, name);
    reg_buf_escape(b, root, 0);
    reg_buf_escape(b, value, 0);
}


int
reg_swift_no_container(const reg_str_t *body)
{
    return says(body, "NoSuchBucket");
}


int
reg_swift_no_object(const reg_str_t *body)
{
    return says(body, "NoSuchKey");
}


static int
says(const reg_str_t *body, const char *word)
{
    size_t  i, len;

    len = strlen(word);

    for (i = 0; i + len <= body->len; i++) {
        if (memcmp(body->data + i, word, len) == 0) {
            return 1;
        }
    }

    return 0;
}
