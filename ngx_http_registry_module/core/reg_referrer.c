#include "reg_referrer.h"
#include "reg_json.h"


static const char  type[] = "application/vnd.oci.descriptor.v1+json";
static const char  parameter[] = "; json=";


reg_str_t
reg_referrer_text(reg_arena_t *arena, const reg_manifest_t *m,
    const reg_digest_t *d, size_t size)
{
    reg_buf_t  b;
    reg_str_t  media, digest, artifact;

    media = reg_media_text(m->media);
    digest = reg_digest_text(arena, d);
    artifact = m->artifact_type;

    if (artifact.len == 0 && m->has_config) {
        artifact = m->config.media_type;
    }

    reg_buf_init(&b, arena, 512 + m->annotations.len);
    b.failed |= (digest.data == NULL);

    reg_buf_text(&b, "{\"mediaType\":\"");
    reg_buf_add_str(&b, &media);
    reg_buf_text(&b, "\",\"digest\":\"");
    reg_buf_add_str(&b, &digest);
    reg_buf_text(&b, "\",\"size\":");
    reg_buf_number(&b, (int64_t) size);

    if (artifact.len) {
        reg_buf_text(&b, ",\"artifactType\":");
        reg_json_write_string(&b, &artifact);
    }

    if (m->annotations.len) {
        reg_buf_text(&b, ",\"annotations\":");
        reg_buf_add_str(&b, &m->annotations);
    }

    reg_buf_char(&b, '}');

    return reg_buf_str(&b);
}


reg_str_t
reg_referrer_type(reg_arena_t *arena, const reg_str_t *text)
{
    reg_buf_t  b;

    reg_buf_init(&b, arena, 64 + text->len * 4 / 3);
    reg_buf_text(&b, type);

    if (text->len <= REG_REFERRER_INLINE_MAX) {
        reg_buf_text(&b, parameter);
        reg_buf_base64(&b, text->data, text->len);
    }

    return reg_buf_str(&b);
}


reg_rc_t
reg_referrer_read(reg_arena_t *arena, const reg_str_t *content_type,
    reg_str_t *text)
{
    size_t     n;
    reg_str_t  value;

    n = sizeof(type) - 1 + sizeof(parameter) - 1;

    if (content_type->len <= n || !reg_str_starts(content_type, type)) {
        return REG_BAD;
    }

    value = *content_type;
    value.data += sizeof(type) - 1;
    value.len -= sizeof(type) - 1;

    if (!reg_str_starts(&value, parameter)) {
        return REG_BAD;
    }

    value.data += sizeof(parameter) - 1;
    value.len -= sizeof(parameter) - 1;

    return reg_base64_read(arena, &value, text);
}
