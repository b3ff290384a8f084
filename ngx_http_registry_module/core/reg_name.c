#include "reg_name.h"


static int is_alnum(unsigned char c);
static int is_word(unsigned char c);
static int rank(unsigned char c);
static size_t host_end(const reg_str_t *url, size_t i);


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

        if (is_word(c)) {
            continue;
        }

        if (i == 0 || (c != '.' && c != '-')) {
            return 0;
        }
    }

    return 1;
}


int
reg_url_valid(const reg_str_t *url)
{
    size_t   i, begin;
    int64_t  port;

    i = reg_str_starts(url, "https://") ? 8
        : reg_str_starts(url, "http://") ? 7 : 0;

    begin = i;
    i = host_end(url, i);

    if (i == begin) {
        return 0;
    }

    if (i < url->len && url->data[i] == ':') {
        begin = ++i;

        while (i < url->len && url->data[i] >= '0' && url->data[i] <= '9') {
            i++;
        }

        port = reg_atoi64(url->data + begin, i - begin);

        if (port < 1 || port > 65535) {
            return 0;
        }
    }

    while (i < url->len && url->data[i] == '/') {
        begin = ++i;

        while (i < url->len && (is_word(url->data[i])
                                || memchr("-.~", url->data[i], 3)))
        {
            i++;
        }

        if (i == begin
            || (url->data[begin] == '.'
                && (i == begin + 1
                    || (i == begin + 2 && url->data[begin + 1] == '.'))))
        {
            return 0;
        }
    }

    return i == url->len;
}


/* of a name or an IPv4 address, or of an IPv6 address in brackets */

static size_t
host_end(const reg_str_t *url, size_t i)
{
    size_t         begin;
    unsigned char  c;

    begin = i;

    if (i == 0 || i >= url->len) {
        return begin;
    }

    if (url->data[i] == '[') {

        for (i++; i < url->len; i++) {
            c = url->data[i];

            if (c == ']') {
                return i > begin + 1 ? i + 1 : begin;
            }

            if (memchr("0123456789abcdefABCDEF:.", c, 24) == NULL) {
                return begin;
            }
        }

        return begin;
    }

    while (i < url->len && (is_word(url->data[i])
                            || memchr("-.", url->data[i], 2)))
    {
        i++;
    }

    return i;
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
is_word(unsigned char c)
{
    return is_alnum(c) || (c >= 'A' && c <= 'Z') || c == '_';
}


static int
rank(unsigned char c)
{
    return c == '/' ? -1 : c;
}
