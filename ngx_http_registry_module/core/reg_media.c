#include "reg_media.h"


static const struct {
    reg_media_t  media;
    reg_str_t    text;
} medias[] = {
    { REG_MEDIA_DOCKER_MANIFEST,
      reg_string("application/vnd.docker.distribution.manifest.v2+json") },
    { REG_MEDIA_DOCKER_LIST,
      reg_string("application/vnd.docker.distribution.manifest.list.v2+json")
    },
    { REG_MEDIA_OCI_MANIFEST,
      reg_string("application/vnd.oci.image.manifest.v1+json") },
    { REG_MEDIA_OCI_INDEX,
      reg_string("application/vnd.oci.image.index.v1+json") },
    { REG_MEDIA_DOCKER_SCHEMA1,
      reg_string("application/vnd.docker.distribution.manifest.v1+prettyjws")
    },
    { REG_MEDIA_DOCKER_SCHEMA1,
      reg_string("application/vnd.docker.distribution.manifest.v1+json") }
};

#define NMEDIAS  (sizeof(medias) / sizeof(medias[0]))


/* without parameters and blanks */

static reg_str_t
trim(const unsigned char *p, const unsigned char *end)
{
    reg_str_t             s;
    const unsigned char  *semicolon;

    semicolon = p < end ? memchr(p, ';', (size_t) (end - p)) : NULL;

    if (semicolon) {
        end = semicolon;
    }

    while (p < end && (*p == ' ' || *p == '\t')) {
        p++;
    }

    while (p < end && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }

    s.data = (unsigned char *) p;
    s.len = (size_t) (end - p);

    return s;
}


/* "text" is in lower case */

static int
is(const reg_str_t *s, const char *text)
{
    size_t         i;
    unsigned char  c;

    for (i = 0; i < s->len; i++) {
        c = s->data[i];

        if (c >= 'A' && c <= 'Z') {
            c |= 0x20;
        }

        if (c == '\0' || c != (unsigned char) text[i]) {
            return 0;
        }
    }

    return text[i] == '\0';
}


reg_media_t
reg_media_parse(const reg_str_t *content_type)
{
    size_t     i;
    reg_str_t  s;

    if (content_type->len == 0) {
        return REG_MEDIA_UNKNOWN;
    }

    s = trim(content_type->data, content_type->data + content_type->len);

    for (i = 0; i < NMEDIAS; i++) {
        if (is(&s, (const char *) medias[i].text.data)) {
            return medias[i].media;
        }
    }

    return REG_MEDIA_UNKNOWN;
}


reg_str_t
reg_media_text(reg_media_t media)
{
    size_t     i;
    reg_str_t  none = reg_null_string;

    for (i = 0; i < NMEDIAS; i++) {
        if (medias[i].media == media) {
            return medias[i].text;
        }
    }

    return none;
}


int
reg_media_accepted(const reg_str_t *accept, reg_media_t media)
{
    reg_str_t             s;
    const unsigned char  *p, *end, *comma;

    if (accept->len == 0) {
        return 1;
    }

    end = accept->data + accept->len;

    for (p = accept->data; p < end; p = comma + 1) {

        comma = memchr(p, ',', (size_t) (end - p));
        if (comma == NULL) {
            comma = end;
        }

        s = trim(p, comma);

        if (is(&s, "*/*") || is(&s, "application/*")
            || is(&s, "application/json") || reg_media_parse(&s) == media)
        {
            return 1;
        }

        if (comma == end) {
            break;
        }
    }

    return 0;
}


int
reg_media_foreign(const reg_str_t *type)
{
    size_t     i;
    reg_str_t  s;

    static const char *const  types[] = {
        "application/vnd.docker.image.rootfs.foreign.diff.tar",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"
    };

    if (type->len == 0) {
        return 0;
    }

    s = trim(type->data, type->data + type->len);

    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (is(&s, types[i])) {
            return 1;
        }
    }

    return 0;
}


int
reg_media_url(const reg_str_t *url)
{
    size_t         i, host;
    unsigned char  c;

    host = reg_str_starts(url, "https://") ? 8
           : reg_str_starts(url, "http://") ? 7 : 0;

    if (host == 0 || url->len == host || url->data[host] == '/') {
        return 0;
    }

    for (i = host; i < url->len; i++) {
        c = url->data[i];

        if (c <= ' ' || c >= 0x7f || c == '#') {
            return 0;
        }
    }

    return 1;
}
