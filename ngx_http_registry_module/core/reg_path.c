#include "reg_path.h"


static void add_digest(reg_buf_t *b, const reg_digest_t *d, int fan);
static void add_offset(reg_buf_t *b, int64_t offset);
static void add_referrers(reg_buf_t *b, const reg_str_t *name,
    const reg_digest_t *subject);
static void add_tag(reg_buf_t *b, const reg_str_t *name,
    const reg_str_t *tag);


reg_str_t
reg_path_blob(reg_arena_t *a, const reg_digest_t *d)
{
    reg_buf_t  b;

    reg_buf_init(&b, a, 256);
    reg_buf_text(&b, REG_PATH_BLOBS);
    add_digest(&b, d, 1);
    reg_buf_text(&b, "/data");

    return reg_buf_str(&b);
}


reg_str_t
reg_path_alias(reg_arena_t *a, const reg_digest_t *d)
{
    reg_buf_t  b;

    reg_buf_init(&b, a, 256);
    reg_buf_text(&b, REG_PATH_ALIASES);
    add_digest(&b, d, 1);

    return reg_buf_str(&b);
}


reg_str_t
reg_path_layer_link(reg_arena_t *a, const reg_str_t *name,
    const reg_digest_t *d)
{
    reg_buf_t  b;

    reg_buf_init(&b, a, 512);
    reg_buf_text(&b, REG_PATH_REPOSITORIES);
    reg_buf_add_str(&b, name);
    reg_buf_text(&b, "/_layers/");
    add_digest(&b, d, 0);
    reg_buf_text(&b, "/link");

    return reg_buf_str(&b);
}


reg_str_t
reg_path_revision_link(reg_arena_t *a, const reg_str_t *name,
    const reg_digest_t *d)
{
    reg_buf_t  b;

    reg_buf_init(&b, a, 512);
    reg_buf_text(&b, REG_PATH_REPOSITORIES);
    reg_buf_add_str(&b, name);
    reg_buf_text(&b, "/_manifests/revisions/");
    add_digest(&b, d, 0);
    reg_buf_text(&b, "/link");

    return reg_buf_str(&b);
}


reg_str_t
reg_path_tag_current(reg_arena_t *a, const reg_str_t *name,
    const reg_str_t *tag)
{
    reg_buf_t  b;

    reg_buf_init(&b, a, 512);
    add_tag(&b, name, tag);
    reg_buf_text(&b, "current/link");

    return reg_buf_str(&b);
}


reg_str_t
reg_path_tag_index(reg_arena_t *a, const reg_str_t *name,
    const reg_str_t *tag, const reg_digest_t *d)
{
    reg_buf_t  b;

    reg_buf_init(&b, a, 512);
    add_tag(&b, name, tag);
    reg_buf_text(&b, "index/");
    add_digest(&b, d, 0);
    reg_buf_text(&b, "/link");

    return reg_buf_str(&b);
}


reg_str_t
reg_path_tags(reg_arena_t *a, const reg_str_t *name)
{
    reg_buf_t  b;

    reg_buf_init(&b, a, 512);
    reg_buf_text(&b, REG_PATH_REPOSITORIES);
    reg_buf_add_str(&b, name);
    reg_buf_text(&b, "/_manifests/tags/");

    return reg_buf_str(&b);
}


reg_str_t
reg_path_tag(reg_arena_t *a, const reg_str_t *name, const reg_str_t *tag)
{
    reg_buf_t  b;

    reg_buf_init(&b, a, 512);
    add_tag(&b, name, tag);

    return reg_buf_str(&b);
}


reg_str_t
reg_path_referrers(reg_arena_t *a, const reg_str_t *name,
    const reg_digest_t *subject)
{
    reg_buf_t  b;

    reg_buf_init(&b, a, 512);
    add_referrers(&b, name, subject);

    return reg_buf_str(&b);
}


reg_str_t
reg_path_referrer(reg_arena_t *a, const reg_str_t *name,
    const reg_digest_t *subject, const reg_digest_t *d)
{
    reg_buf_t  b;

    reg_buf_init(&b, a, 512);
    add_referrers(&b, name, subject);
    add_digest(&b, d, 0);

    return reg_buf_str(&b);
}


reg_rc_t
reg_path_read_referrer(const reg_str_t *object, const reg_str_t *prefix,
    reg_digest_t *d)
{
    size_t         len;
    reg_str_t      text;
    unsigned char  digest[REG_DIGEST_TEXT_MAX], *slash;

    if (object->len <= prefix->len
        || memcmp(object->data, prefix->data, prefix->len) != 0)
    {
        return REG_BAD;
    }

    len = object->len - prefix->len;

    if (len > sizeof(digest)) {
        return REG_BAD;
    }

    memcpy(digest, object->data + prefix->len, len);

    slash = memchr(digest, '/', len);
    if (slash == NULL) {
        return REG_BAD;
    }

    *slash = ':';
    text.data = digest;
    text.len = len;

    return reg_digest_parse(&text, d);
}


reg_str_t
reg_path_referrers_tag(reg_arena_t *a, const reg_str_t *name,
    const reg_digest_t *subject)
{
    size_t         len;
    reg_buf_t      b;
    reg_str_t      tag, none = reg_null_string;
    unsigned char  hex[2 * REG_DIGEST_RAW_MAX];

    len = (size_t) (reg_hex(hex, subject->raw, reg_alg_size(subject->alg))
                    - hex);

    reg_buf_init(&b, a, 80);
    reg_buf_text(&b, reg_alg_name(subject->alg));
    reg_buf_char(&b, '-');
    reg_buf_add(&b, hex, len < 64 ? len : 64);

    tag = reg_buf_str(&b);

    return tag.data ? reg_path_tag_current(a, name, &tag) : none;
}


reg_str_t
reg_path_parts(reg_arena_t *a, const reg_str_t *name, const reg_str_t *id)
{
    reg_buf_t  b;

    reg_buf_init(&b, a, 512);
    reg_buf_text(&b, REG_PATH_UPLOADS);
    reg_buf_add_str(&b, name);
    reg_buf_text(&b, "/_parts/");
    reg_buf_add_str(&b, id);
    reg_buf_char(&b, '/');

    return reg_buf_str(&b);
}


reg_str_t
reg_path_part(reg_arena_t *a, const reg_str_t *name, const reg_str_t *id,
    const reg_part_t *part)
{
    reg_buf_t      b;
    reg_str_t      prefix;
    unsigned char  text[REG_PART_NAME_MAX];

    prefix = reg_path_parts(a, name, id);

    reg_buf_init(&b, a, prefix.len + REG_PART_NAME_MAX);
    reg_buf_add_str(&b, &prefix);
    reg_buf_add(&b, text, reg_part_name(text, part));

    return prefix.data ? reg_buf_str(&b) : prefix;
}


reg_str_t
reg_path_cancelled(reg_arena_t *a, const reg_str_t *name,
    const reg_str_t *id)
{
    reg_buf_t  b;
    reg_str_t  prefix;

    prefix = reg_path_parts(a, name, id);

    reg_buf_init(&b, a, prefix.len + sizeof(REG_PARTS_CANCELLED));
    reg_buf_add_str(&b, &prefix);
    reg_buf_text(&b, REG_PARTS_CANCELLED);

    return prefix.data ? reg_buf_str(&b) : prefix;
}


reg_str_t
reg_path_segments_of(reg_arena_t *a, const reg_digest_t *d,
    const reg_str_t *id)
{
    reg_buf_t      b;
    unsigned char  hex[2 * REG_DIGEST_RAW_MAX], *end;

    end = reg_hex(hex, d->raw, reg_alg_size(d->alg));

    reg_buf_init(&b, a, 128);
    reg_buf_add(&b, hex, (size_t) (end - hex));
    reg_buf_char(&b, '/');
    reg_buf_add_str(&b, id);

    return reg_buf_str(&b);
}


reg_str_t
reg_path_mark(reg_arena_t *a, const reg_str_t *id)
{
    reg_buf_t  b;

    reg_buf_init(&b, a, 128);
    reg_buf_text(&b, REG_PATH_SEGMENTS);
    reg_buf_add_str(&b, id);
    reg_buf_text(&b, REG_PATH_MARK);

    return reg_buf_str(&b);
}


reg_str_t
reg_path_segments(reg_arena_t *a, const reg_str_t *id)
{
    reg_buf_t  b;

    reg_buf_init(&b, a, 128);
    reg_buf_text(&b, REG_PATH_SEGMENTS);
    reg_buf_add_str(&b, id);
    reg_buf_char(&b, '/');

    return reg_buf_str(&b);
}


reg_str_t
reg_path_segment(reg_arena_t *a, const reg_str_t *id, int64_t offset)
{
    reg_buf_t  b;

    reg_buf_init(&b, a, 128);
    reg_buf_text(&b, REG_PATH_SEGMENTS);
    reg_buf_add_str(&b, id);
    reg_buf_char(&b, '/');
    add_offset(&b, offset);

    return reg_buf_str(&b);
}


static void
add_tag(reg_buf_t *b, const reg_str_t *name, const reg_str_t *tag)
{
    reg_buf_text(b, REG_PATH_REPOSITORIES);
    reg_buf_add_str(b, name);
    reg_buf_text(b, "/_manifests/tags/");
    reg_buf_add_str(b, tag);
    reg_buf_char(b, '/');
}


static void
add_referrers(reg_buf_t *b, const reg_str_t *name,
    const reg_digest_t *subject)
{
    reg_buf_text(b, REG_PATH_REFERRERS);
    reg_buf_add_str(b, name);
    reg_buf_text(b, "/_subjects/");
    add_digest(b, subject, 0);
    reg_buf_char(b, '/');
}


static void
add_digest(reg_buf_t *b, const reg_digest_t *d, int fan)
{
    unsigned char  hex[2 * REG_DIGEST_RAW_MAX], *end;

    end = reg_hex(hex, d->raw, reg_alg_size(d->alg));

    reg_buf_text(b, reg_alg_name(d->alg));
    reg_buf_char(b, '/');

    if (fan) {
        reg_buf_add(b, hex, 2);
        reg_buf_char(b, '/');
    }

    reg_buf_add(b, hex, (size_t) (end - hex));
}


/* fixed width: the bytewise order of a listing is then the order of parts */

static void
add_offset(reg_buf_t *b, int64_t offset)
{
    int            i;
    unsigned char  digits[16];

    for (i = 15; i >= 0; i--) {
        digits[i] = (unsigned char) ('0' + offset % 10);
        offset /= 10;
    }

    reg_buf_add(b, digits, sizeof(digits));
}
