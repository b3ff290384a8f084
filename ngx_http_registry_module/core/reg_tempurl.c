#include "reg_tempurl.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>


/* where the path begins: behind "scheme://host" */

static size_t
path_of(const reg_str_t *url)
{
    size_t    i;
    unsigned  slashes;

    for (i = 0, slashes = 0; i < url->len; i++) {
        if (url->data[i] == '/' && ++slashes == 3) {
            break;
        }
    }

    return slashes < 2 ? 0 : i;
}


reg_str_t
reg_tempurl(reg_arena_t *arena, const reg_str_t *base,
    const reg_str_t *container, const reg_str_t *object,
    const reg_str_t *key, int64_t expires)
{
    size_t          host;
    unsigned        len;
    reg_buf_t       url, text;
    reg_str_t       signed_text, none = reg_null_string;
    unsigned char   mac[EVP_MAX_MD_SIZE], hex[2 * EVP_MAX_MD_SIZE], *end;

    host = path_of(base);

    if (host == 0 || key->len > INT_MAX) {
        return none;
    }

    /* names are signed as they are, and sent escaped */

    reg_buf_init(&text, arena, 512);
    reg_buf_text(&text, "GET\n");
    reg_buf_number(&text, expires);
    reg_buf_char(&text, '\n');
    reg_buf_add(&text, base->data + host, base->len - host);
    reg_buf_char(&text, '/');
    reg_buf_add_str(&text, container);
    reg_buf_char(&text, '/');
    reg_buf_add_str(&text, object);
    signed_text = reg_buf_str(&text);

    if (signed_text.data == NULL
        || HMAC(EVP_sha1(), key->data, (int) key->len, signed_text.data,
                signed_text.len, mac, &len)
           == NULL)
    {
        return none;
    }

    end = reg_hex(hex, mac, len);

    reg_buf_init(&url, arena, 512);
    reg_buf_add_str(&url, base);
    reg_buf_char(&url, '/');
    reg_buf_escape(&url, container, 1);
    reg_buf_char(&url, '/');
    reg_buf_escape(&url, object, 1);
    reg_buf_text(&url, "?temp_url_sig=");
    reg_buf_add(&url, hex, (size_t) (end - hex));
    reg_buf_text(&url, "&temp_url_expires=");
    reg_buf_number(&url, expires);

    return reg_buf_str(&url);
}
