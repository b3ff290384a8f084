#include "reg_name.h"


static int is_alnum(unsigned char c);
static int rank(unsigned char c);


int
reg_name_valid(const reg_str_t *name)
{
    size_t         i, run;
    unsigned char  c;

    if (name->len == 0 || name->len > REG_NAME_MAX) {
        return 0;
    }

    i = 0;

    for ( ;; ) {

        run = i;

        while (i < name->len && is_alnum(name->data[i])) {
            i++;
        }

        if (i == run) {
            return 0;
        }

        if (i == name->len) {
            return 1;
        }

        /* a separator: what follows it is again at least one [a-z0-9] */

        c = name->data[i++];

        switch (c) {

        case '/':
        case '.':
            break;

        case '_':
            if (i < name->len && name->data[i] == '_') {
                i++;
            }

            break;

        case '-':
            while (i < name->len && name->data[i] == '-') {
                i++;
            }

            break;

        default:
            return 0;
        }
    }
}


int
reg_tag_valid(const reg_str_t *tag)
{
    size_t         i;
    unsigned char  c;

    if (tag->len == 0 || tag->len > REG_TAG_MAX) {
        return 0;
    }

    for (i = 0; i < tag->len; i++) {
        c = tag->data[i];

        if (is_alnum(c) || (c >= 'A' && c <= 'Z') || c == '_') {
            continue;
        }

        if (i == 0 || (c != '.' && c != '-')) {
            return 0;
        }
    }

    return 1;
}


int
reg_name_compare(const reg_str_t *a, const reg_str_t *b)
{
    size_t  i;

    for (i = 0; i < a->len && i < b->len; i++) {
        if (a->data[i] != b->data[i]) {
            return rank(a->data[i]) - rank(b->data[i]);
        }
    }

    if (a->len == b->len) {
        return 0;
    }

    return a->len < b->len ? -1 : 1;
}


/* not isalnum(): that one knows locales */

static int
is_alnum(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}


static int
rank(unsigned char c)
{
    return c == '/' ? -1 : c;
}
