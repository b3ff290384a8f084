#include "reg_manifest.h"
#include "reg_json.h"


#define ROOM_MIN  16

#define SCHEMA1_WHY  "image manifest version 2, schema 1 is not supported"


typedef enum {
    TOP_SCHEMA_VERSION = 0,
    TOP_MEDIA_TYPE,
    TOP_ARTIFACT_TYPE,
    TOP_ANNOTATIONS,
    TOP_CONFIG,
    TOP_LAYERS,
    TOP_BLOBS,
    TOP_MANIFESTS,
    TOP_SUBJECT,
    TOP_OTHER
} top_t;


typedef enum {
    PART_MEDIA_TYPE = 0,
    PART_DIGEST,
    PART_SIZE,
    PART_URLS,
    PART_ARTIFACT_TYPE,
    PART_ANNOTATIONS,
    PART_DATA,
    PART_PLATFORM,
    PART_OTHER
} part_t;


typedef enum {
    PLATFORM_OS = 0,
    PLATFORM_ARCHITECTURE,
    PLATFORM_OTHER
} platform_t;


typedef struct {
    reg_arena_t       *arena;
    const reg_str_t   *body;
    reg_manifest_t    *m;
    const char       **why;

    unsigned           key;             /* top_t */
    unsigned           seen;            /* bits of top_t */
    int64_t            version;
    reg_str_t          media_type;
    size_t             start;           /* of the annotations */

    reg_descriptor_t   descriptor;      /* the one that is being read */
    size_t             begin;           /* of it */
    unsigned           platform;        /* platform_t */
    unsigned           part;            /* part_t */
    unsigned           parts;           /* bits of part_t */
    unsigned           urls;            /* good ones are there */
    unsigned           bad_urls;

    size_t             nrefs;
    size_t             layers_room;
    size_t             manifests_room;
} parser_t;


static reg_rc_t check(parser_t *p, reg_media_t declared);
static reg_rc_t check_media(parser_t *p, reg_media_t declared);
static reg_rc_t on_event(void *data, reg_json_event_t event,
    const reg_str_t *text, unsigned depth, size_t offset);
static reg_rc_t on_top(parser_t *p, reg_json_event_t event,
    const reg_str_t *text, size_t offset);
static reg_rc_t on_reference(parser_t *p, reg_json_event_t event,
    size_t offset);
static reg_rc_t on_list(parser_t *p, reg_json_event_t event);
static reg_rc_t on_annotations(parser_t *p, reg_json_event_t event,
    size_t offset);
static reg_rc_t on_element(parser_t *p, reg_json_event_t event,
    size_t offset);
static reg_rc_t on_part(parser_t *p, reg_json_event_t event,
    const reg_str_t *text);
static reg_rc_t on_below(parser_t *p, reg_json_event_t event,
    const reg_str_t *text, unsigned depth);
static reg_rc_t on_alone(void *data, reg_json_event_t event,
    const reg_str_t *text, unsigned depth, size_t offset);
static reg_rc_t begin_descriptor(parser_t *p, size_t offset);
static reg_rc_t end_descriptor(parser_t *p, size_t offset);
static reg_rc_t append(parser_t *p, reg_descriptor_t **list, size_t *n,
    size_t *room);
static reg_rc_t on_key(parser_t *p, const reg_str_t *text,
    const char *const *names, unsigned n, unsigned *key, unsigned *seen);
static int folds_to(const reg_str_t *text, const char *name);
static unsigned char lower(unsigned char c);
static reg_rc_t refuse(parser_t *p, const char *why);


/* in the order of top_t */

static const char *const  tops[] = {
    "schemaVersion", "mediaType", "artifactType", "annotations", "config",
    "layers", "blobs", "manifests", "subject"
};


/* in the order of part_t */

static const char *const  parts[] = {
    "mediaType", "digest", "size", "urls", "artifactType", "annotations",
    "data", "platform"
};


reg_rc_t
reg_manifest_parse(reg_arena_t *arena, const reg_str_t *body,
    reg_media_t declared, reg_manifest_t *m, const char **why)
{
    parser_t  p;
    reg_rc_t  rc;

    memset(&p, 0, sizeof(parser_t));
    memset(m, 0, sizeof(reg_manifest_t));

    p.arena = arena;
    p.body = body;
    p.m = m;
    p.why = why;

    if (declared == REG_MEDIA_DOCKER_SCHEMA1) {
        return refuse(&p, SCHEMA1_WHY);
    }

    rc = reg_json_read(arena, body, on_event, &p, why);
    if (rc != REG_OK) {
        return rc;
    }

    return check(&p, declared);
}


reg_rc_t
reg_descriptor_parse(reg_arena_t *arena, const reg_str_t *text,
    reg_descriptor_t *d, const char **why)
{
    parser_t        p;
    reg_rc_t        rc;
    reg_manifest_t  m;

    memset(&p, 0, sizeof(parser_t));

    p.arena = arena;
    p.body = text;
    p.m = &m;
    p.why = why;
    p.key = TOP_OTHER;

    rc = reg_json_read(arena, text, on_alone, &p, why);

    if (rc == REG_OK && p.descriptor.media_type.len == 0) {
        return refuse(&p, "a descriptor has no mediaType");
    }

    *d = p.descriptor;

    return rc;
}


static reg_rc_t
check(parser_t *p, reg_media_t declared)
{
    unsigned  image, index;

    if (!(p->seen & 1u << TOP_SCHEMA_VERSION)) {
        return refuse(p, "schemaVersion is missing");
    }

    if (p->version == 1) {
        return refuse(p, SCHEMA1_WHY);
    }

    if (p->version != 2) {
        return refuse(p, "schemaVersion is not 2");
    }

    image = p->seen & (1u << TOP_CONFIG | 1u << TOP_LAYERS | 1u << TOP_BLOBS);
    index = p->seen & 1u << TOP_MANIFESTS;

    if (image && index) {
        return refuse(p, "both an image manifest and an index");
    }

    if (check_media(p, declared) != REG_OK) {
        return REG_BAD;
    }

    if (p->m->media == REG_MEDIA_DOCKER_LIST
        || p->m->media == REG_MEDIA_OCI_INDEX)
    {
        if (!index) {
            return refuse(p, "manifests is missing");
        }

        return REG_OK;
    }

    if (!(p->seen & 1u << TOP_CONFIG)) {
        return refuse(p, "config is missing");
    }

    if (!(p->seen & 1u << TOP_LAYERS)) {
        return refuse(p, "layers is missing");
    }

    return REG_OK;
}


static reg_rc_t
check_media(parser_t *p, reg_media_t declared)
{
    reg_str_t    text;
    reg_media_t  media;

    if (!(p->seen & 1u << TOP_MEDIA_TYPE)) {

        if (declared == REG_MEDIA_DOCKER_MANIFEST
            || declared == REG_MEDIA_DOCKER_LIST)
        {
            return refuse(p, "mediaType is missing");
        }

        if (declared == REG_MEDIA_UNKNOWN) {
            declared = (p->seen & 1u << TOP_MANIFESTS)
                       ? REG_MEDIA_OCI_INDEX : REG_MEDIA_OCI_MANIFEST;
        }

        p->m->media = declared;

        return REG_OK;
    }

    media = reg_media_parse(&p->media_type);

    if (media == REG_MEDIA_DOCKER_SCHEMA1) {
        return refuse(p, SCHEMA1_WHY);
    }

    /* in a body only the exact text will do */

    text = reg_media_text(media);

    if (media == REG_MEDIA_UNKNOWN || !reg_str_equal(&text, &p->media_type)) {
        return refuse(p, "mediaType is not that of a manifest");
    }

    if (declared != REG_MEDIA_UNKNOWN && declared != media) {
        return refuse(p, "mediaType is not the Content-Type");
    }

    p->m->media = media;

    return REG_OK;
}


static reg_rc_t
on_event(void *data, reg_json_event_t event, const reg_str_t *text,
    unsigned depth, size_t offset)
{
    unsigned   level;
    parser_t  *p = data;

    if (depth == 0) {
        if (event != REG_JSON_MAP && event != REG_JSON_MAP_END) {
            return refuse(p, "not a JSON object");
        }

        return REG_OK;
    }

    if (depth == 1) {
        if (event == REG_JSON_KEY) {
            return on_key(p, text, tops, TOP_OTHER, &p->key, &p->seen);
        }

        return on_top(p, event, text, offset);
    }

    switch (p->key) {

    case TOP_ANNOTATIONS:
        if (event != REG_JSON_KEY && event != REG_JSON_STRING) {
            return refuse(p, "an annotation is not a string");
        }

        return REG_OK;

    case TOP_CONFIG:
    case TOP_SUBJECT:
        level = 2;
        break;

    case TOP_LAYERS:
    case TOP_BLOBS:
    case TOP_MANIFESTS:
        if (depth == 2) {
            return on_element(p, event, offset);
        }

        level = 3;
        break;

    default:
        return REG_OK;
    }

    if (depth > level) {
        return on_below(p, event, text, depth - level);
    }

    if (event == REG_JSON_KEY) {
        return on_key(p, text, parts, PART_OTHER, &p->part, &p->parts);
    }

    return on_part(p, event, text);
}


static reg_rc_t
on_top(parser_t *p, reg_json_event_t event, const reg_str_t *text,
    size_t offset)
{
    switch (p->key) {

    case TOP_SCHEMA_VERSION:
        p->version = -1;

        if (event == REG_JSON_NUMBER) {
            p->version = reg_atoi64(text->data, text->len);
        }

        if (p->version < 0) {
            return refuse(p, "schemaVersion is not an integer");
        }

        return REG_OK;

    case TOP_MEDIA_TYPE:
        if (event != REG_JSON_STRING) {
            return refuse(p, "mediaType is not a string");
        }

        return reg_str_copy(p->arena, &p->media_type, text->data, text->len);

    case TOP_ARTIFACT_TYPE:
        if (event == REG_JSON_NULL) {
            return REG_OK;
        }

        if (event != REG_JSON_STRING) {
            return refuse(p, "artifactType is not a string");
        }

        return reg_str_copy(p->arena, &p->m->artifact_type, text->data,
                            text->len);

    case TOP_ANNOTATIONS:
        return on_annotations(p, event, offset);

    case TOP_CONFIG:
    case TOP_SUBJECT:
        return on_reference(p, event, offset);

    case TOP_LAYERS:
    case TOP_BLOBS:
    case TOP_MANIFESTS:
        return on_list(p, event);

    default:
        return REG_OK;
    }
}


static reg_rc_t
on_reference(parser_t *p, reg_json_event_t event, size_t offset)
{
    if (event == REG_JSON_MAP) {
        return begin_descriptor(p, offset);
    }

    if (event == REG_JSON_MAP_END) {
        return end_descriptor(p, offset);
    }

    if (p->key == TOP_CONFIG) {
        return refuse(p, "config is not an object");
    }

    if (event == REG_JSON_NULL) {
        return REG_OK;
    }

    return refuse(p, "subject is not an object");
}


/* an empty list of a client in Go is null, and registry:2 takes it */

static reg_rc_t
on_list(parser_t *p, reg_json_event_t event)
{
    if (event == REG_JSON_ARRAY || event == REG_JSON_ARRAY_END
        || event == REG_JSON_NULL)
    {
        return REG_OK;
    }

    if (p->key == TOP_MANIFESTS) {
        return refuse(p, "manifests is not an array");
    }

    if (p->key == TOP_LAYERS) {
        return refuse(p, "layers is not an array");
    }

    return refuse(p, "blobs is not an array");
}


static reg_rc_t
on_annotations(parser_t *p, reg_json_event_t event, size_t offset)
{
    reg_str_t  *text;

    switch (event) {

    case REG_JSON_NULL:
        return REG_OK;

    case REG_JSON_MAP:
        p->start = offset - 1;
        return REG_OK;

    case REG_JSON_MAP_END:
        text = &p->m->annotations;
        text->data = p->body->data + p->start;
        text->len = offset - p->start;
        return REG_OK;

    default:
        return refuse(p, "annotations is not an object");
    }
}


static reg_rc_t
on_element(parser_t *p, reg_json_event_t event, size_t offset)
{
    reg_manifest_t  *m;

    if (event == REG_JSON_MAP) {
        return begin_descriptor(p, offset);
    }

    if (event != REG_JSON_MAP_END) {
        return refuse(p, "a descriptor is not an object");
    }

    if (end_descriptor(p, offset) != REG_OK) {
        return REG_BAD;
    }

    m = p->m;

    if (p->key == TOP_MANIFESTS) {
        return append(p, &m->manifests, &m->nmanifests, &p->manifests_room);
    }

    return append(p, &m->layers, &m->nlayers, &p->layers_room);
}


static reg_rc_t
on_part(parser_t *p, reg_json_event_t event, const reg_str_t *text)
{
    reg_str_t  *dst;

    switch (p->part) {

    case PART_SIZE:
        p->descriptor.size = -1;

        if (event == REG_JSON_NUMBER) {
            p->descriptor.size = reg_atoi64(text->data, text->len);
        }

        if (p->descriptor.size < 0) {
            return refuse(p, "the size of a descriptor is not a size");
        }

        return REG_OK;

    case PART_DIGEST:
        if (event != REG_JSON_STRING
            || reg_digest_parse(text, &p->descriptor.digest) != REG_OK)
        {
            return refuse(p, "the digest of a descriptor is not a digest");
        }

        return REG_OK;

    case PART_URLS:
        if (event != REG_JSON_ARRAY && event != REG_JSON_ARRAY_END
            && event != REG_JSON_NULL)
        {
            return refuse(p, "urls of a descriptor is not an array");
        }

        return REG_OK;

    case PART_MEDIA_TYPE:
        dst = &p->descriptor.media_type;
        break;

    case PART_ARTIFACT_TYPE:
        if (event == REG_JSON_NULL) {
            return REG_OK;
        }

        dst = &p->descriptor.artifact_type;
        break;

    default:
        return REG_OK;
    }

    if (event != REG_JSON_STRING) {
        return refuse(p, "the type of a descriptor is not a string");
    }

    return reg_str_copy(p->arena, dst, text->data, text->len);
}


/* what is "depth" deep in a part of a descriptor */

static reg_rc_t
on_below(parser_t *p, reg_json_event_t event, const reg_str_t *text,
    unsigned depth)
{
    if (depth == 1 && p->part == PART_URLS) {
        if (event == REG_JSON_STRING && reg_media_url(text)) {
            p->urls = 1;

        } else {
            p->bad_urls = 1;
        }
    }

    if (depth > 1 || p->part != PART_PLATFORM) {
        return REG_OK;
    }

    if (event == REG_JSON_KEY) {
        p->platform = reg_str_is(text, "os") ? PLATFORM_OS
                      : reg_str_is(text, "architecture")
                      ? PLATFORM_ARCHITECTURE : PLATFORM_OTHER;

    } else if (event == REG_JSON_STRING && p->platform == PLATFORM_OS) {
        p->descriptor.linux_os = reg_str_is(text, "linux");

    } else if (event == REG_JSON_STRING
               && p->platform == PLATFORM_ARCHITECTURE)
    {
        p->descriptor.amd64 = reg_str_is(text, "amd64");
    }

    return REG_OK;
}


static reg_rc_t
on_alone(void *data, reg_json_event_t event, const reg_str_t *text,
    unsigned depth, size_t offset)
{
    parser_t  *p = data;

    if (depth > 1) {
        return on_below(p, event, text, depth - 1);
    }

    if (depth == 1 && event == REG_JSON_KEY) {
        return on_key(p, text, parts, PART_OTHER, &p->part, &p->parts);
    }

    if (depth == 1) {
        return on_part(p, event, text);
    }

    if (event == REG_JSON_MAP) {
        return begin_descriptor(p, offset);
    }

    if (event == REG_JSON_MAP_END) {
        return end_descriptor(p, offset);
    }

    return refuse(p, "a descriptor is not an object");
}


static reg_rc_t
begin_descriptor(parser_t *p, size_t offset)
{
    if (p->nrefs == REG_MANIFEST_REFS_MAX) {
        return refuse(p, "too many descriptors");
    }

    p->nrefs++;

    memset(&p->descriptor, 0, sizeof(reg_descriptor_t));
    p->begin = offset - 1;
    p->part = PART_OTHER;
    p->parts = 0;
    p->urls = 0;
    p->bad_urls = 0;
    p->platform = PLATFORM_OTHER;

    return REG_OK;
}


static reg_rc_t
end_descriptor(parser_t *p, size_t offset)
{
    p->descriptor.text.data = p->body->data + p->begin;
    p->descriptor.text.len = offset - p->begin;

    if (!(p->parts & 1u << PART_DIGEST)) {
        return refuse(p, "a descriptor has no digest");
    }

    if (!(p->parts & 1u << PART_SIZE)) {
        return refuse(p, "a descriptor has no size");
    }

    p->descriptor.foreign = (p->urls && !p->bad_urls
                             && reg_media_foreign(&p->descriptor.media_type));

    if (p->key == TOP_CONFIG) {
        p->m->config = p->descriptor;
        p->m->has_config = 1;

    } else if (p->key == TOP_SUBJECT) {
        p->m->subject = p->descriptor;
        p->m->has_subject = 1;
    }

    return REG_OK;
}


static reg_rc_t
append(parser_t *p, reg_descriptor_t **list, size_t *n, size_t *room)
{
    size_t             more;
    reg_descriptor_t  *fresh;

    if (*n == *room) {
        more = *room ? 2 * *room : ROOM_MIN;

        fresh = reg_alloc(p->arena, more * sizeof(reg_descriptor_t));
        if (fresh == NULL) {
            return REG_NOMEM;
        }

        if (*n) {
            memcpy(fresh, *list, *n * sizeof(reg_descriptor_t));
        }

        *list = fresh;
        *room = more;
    }

    (*list)[(*n)++] = p->descriptor;

    return REG_OK;
}


/*
 * Readers differ in which of two equal keys they take and in whether case
 * matters, so that one document would be two different manifests.
 */

static reg_rc_t
on_key(parser_t *p, const reg_str_t *text, const char *const *names,
    unsigned n, unsigned *key, unsigned *seen)
{
    unsigned  i;

    *key = n;

    for (i = 0; i < n; i++) {

        if (!folds_to(text, names[i])) {
            continue;
        }

        if (text->len != strlen(names[i])
            || memcmp(text->data, names[i], text->len) != 0)
        {
            return refuse(p, "a key differs from a known one in case only");
        }

        if (*seen & 1u << i) {
            return refuse(p, "a key is there twice");
        }

        *seen |= 1u << i;
        *key = i;

        return REG_OK;
    }

    return REG_OK;
}


/* outside of ASCII only U+017F and U+212A fold to ASCII letters: s and k */

static int
folds_to(const reg_str_t *text, const char *name)
{
    size_t                left;
    unsigned char         c;
    const unsigned char  *p;

    p = text->data;
    left = text->len;

    for ( /* void */ ; left; name++) {

        if (left >= 2 && memcmp(p, "\xc5\xbf", 2) == 0) {
            c = 's';
            p += 2;
            left -= 2;

        } else if (left >= 3 && memcmp(p, "\xe2\x84\xaa", 3) == 0) {
            c = 'k';
            p += 3;
            left -= 3;

        } else {
            c = lower(*p++);
            left--;
        }

        if (*name == '\0' || c != lower((unsigned char) *name)) {
            return 0;
        }
    }

    return *name == '\0';
}


static unsigned char
lower(unsigned char c)
{
    return (c >= 'A' && c <= 'Z') ? (unsigned char) (c | 0x20) : c;
}


static reg_rc_t
refuse(parser_t *p, const char *why)
{
    *p->why = why;

    return REG_BAD;
}
