#include "reg_etag.h"


static const unsigned char *skip(const unsigned char *p,
    const unsigned char *end);


int
reg_etag_listed(const reg_str_t *list, const reg_str_t *tag,
    reg_etag_rule_t rule)
{
    int                   weak;
    reg_str_t             found;
    const unsigned char  *p, *end, *last;

    if (list->len == 0) {
        return 0;
    }

    if (reg_str_is(list, "*")) {
        return 1;
    }

    p = list->data;
    end = p + list->len;

    while ((p = skip(p, end)) < end) {

        weak = (end - p > 2 && p[0] == 'W' && p[1] == '/' && p[2] == '"');

        if (weak) {
            p += 2;
        }

        if (*p == '"') {
            p++;

            last = memchr(p, '"', (size_t) (end - p));
            if (last == NULL) {
                return 0;
            }

        } else {
            for (last = p; last < end && *last != ',' && *last != ' '
                           && *last != '\t' && *last != '"'; last++)
            {
                /* void */
            }
        }

        found.data = (unsigned char *) p;
        found.len = (size_t) (last - p);

        if (reg_str_equal(&found, tag) && (!weak || rule == REG_ETAG_WEAK)) {
            return 1;
        }

        p = last;

        if (p < end && *p == '"') {
            p++;
        }

        if (p < end && *p != ',' && *p != ' ' && *p != '\t') {
            return 0;
        }
    }

    return 0;
}


int
reg_etag_is(const reg_str_t *value, const reg_str_t *tag)
{
    return value->len == tag->len + 2
           && value->data[0] == '"' && value->data[value->len - 1] == '"'
           && memcmp(value->data + 1, tag->data, tag->len) == 0;
}


/* elements of a list may be empty: RFC 9110, 5.6.1.2 */

static const unsigned char *
skip(const unsigned char *p, const unsigned char *end)
{
    while (p < end && (*p == ',' || *p == ' ' || *p == '\t')) {
        p++;
    }

    return p;
}
