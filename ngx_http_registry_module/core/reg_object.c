#include "reg_object.h"
#include "reg_name.h"
#include "reg_path.h"


#define NUMBER_LEN  16


static int blob(reg_str_t rest, reg_object_t *o);
static int repository(reg_str_t rest, reg_object_t *o);
static int manifests(reg_str_t rest, reg_object_t *o);
static int tag(reg_str_t rest, reg_object_t *o);
static int upload(reg_str_t rest, reg_object_t *o);
static int referrer(reg_str_t rest, reg_object_t *o);
static int part(reg_str_t rest, reg_object_t *o);
static int segment(reg_str_t rest, reg_object_t *o);
static int take(reg_str_t *s, const char *prefix);
static int take_name(reg_str_t *s, reg_str_t *name);
static int take_component(reg_str_t *s, reg_str_t *component);
static int take_digest(reg_str_t *s, reg_digest_t *d);
static int link(reg_str_t s, reg_digest_t *d);
static int digest(const reg_str_t *alg, const reg_str_t *hex,
    reg_digest_t *d);


static const struct {
    const char         *prefix;
    int               (*parse)(reg_str_t rest, reg_object_t *o);
} trees[] = {
    { REG_PATH_BLOBS, blob },
    { REG_PATH_REPOSITORIES, repository },
    { REG_PATH_REFERRERS, referrer },
    { REG_PATH_ALL_SEGMENTS, segment },
    { REG_PATH_UPLOADS, part }
};


void
reg_object_parse(const reg_str_t *text, reg_object_t *o)
{
    size_t     i;
    reg_str_t  rest;

    memset(o, 0, sizeof(reg_object_t));

    for (i = 0; i < sizeof(trees) / sizeof(trees[0]); i++) {

        rest = *text;

        if (!take(&rest, trees[i].prefix)) {
            continue;
        }

        o->id = *text;

        if (!trees[i].parse(rest, o)) {
            memset(o, 0, sizeof(reg_object_t));
        }

        return;
    }
}


static int
blob(reg_str_t rest, reg_object_t *o)
{
    reg_str_t  alg, fan, hex;

    o->kind = REG_OBJECT_BLOB;
    o->id.len = 0;

    return take_component(&rest, &alg)
           && take_component(&rest, &fan)
           && take_component(&rest, &hex)
           && fan.len == 2 && hex.len > 2
           && memcmp(fan.data, hex.data, 2) == 0
           && digest(&alg, &hex, &o->digest)
           && reg_str_is(&rest, "data");
}


static int
repository(reg_str_t rest, reg_object_t *o)
{
    o->id.len = 0;

    if (!take_name(&rest, &o->name)) {
        return 0;
    }

    if (take(&rest, "_layers/")) {
        o->kind = REG_OBJECT_LAYER;
        return link(rest, &o->digest);
    }

    if (take(&rest, "_manifests/")) {
        return manifests(rest, o);
    }

    if (take(&rest, "_uploads/")) {
        return upload(rest, o);
    }

    return 0;
}


static int
manifests(reg_str_t rest, reg_object_t *o)
{
    reg_digest_t  signature;

    if (take(&rest, "tags/")) {
        return tag(rest, o);
    }

    if (!take(&rest, "revisions/") || !take_digest(&rest, &o->digest)) {
        return 0;
    }

    if (reg_str_is(&rest, "link")) {
        o->kind = REG_OBJECT_REVISION;
        return 1;
    }

    o->kind = REG_OBJECT_SIGNATURE;

    return take(&rest, "signatures/") && link(rest, &signature);
}


static int
tag(reg_str_t rest, reg_object_t *o)
{
    if (!take_component(&rest, &o->tag) || !reg_tag_valid(&o->tag)) {
        return 0;
    }

    if (reg_str_is(&rest, "current/link")) {
        o->kind = REG_OBJECT_TAG_CURRENT;
        return 1;
    }

    o->kind = REG_OBJECT_TAG_INDEX;

    return take(&rest, "index/") && link(rest, &o->digest);
}


static int
upload(reg_str_t rest, reg_object_t *o)
{
    o->kind = REG_OBJECT_UPLOAD;

    if (!take_component(&rest, &o->id) || rest.len == 0) {
        return 0;
    }

    o->rest = rest;

    return reg_str_is(&rest, "data") || reg_str_is(&rest, "startedat")
           || (reg_str_starts(&rest, "hashstates/")
               && rest.data[rest.len - 1] != '/');
}


static int
referrer(reg_str_t rest, reg_object_t *o)
{
    reg_str_t  alg;

    o->kind = REG_OBJECT_REFERRER;
    o->id.len = 0;

    return take_name(&rest, &o->name)
           && take(&rest, "_subjects/")
           && take_digest(&rest, &o->subject)
           && take_component(&rest, &alg)
           && digest(&alg, &rest, &o->digest);
}


static int
part(reg_str_t rest, reg_object_t *o)
{
    reg_part_t  p;

    o->kind = REG_OBJECT_PART;

    if (!take_name(&rest, &o->name) || !take(&rest, "_parts/")
        || !take_component(&rest, &o->id))
    {
        return 0;
    }

    if (reg_str_is(&rest, REG_PARTS_CANCELLED)) {
        return 1;
    }

    if (reg_part_name_parse(&rest, &p) != REG_OK) {
        return 0;
    }

    o->number = p.offset;

    return 1;
}


static int
segment(reg_str_t rest, reg_object_t *o)
{
    size_t  len;

    o->kind = REG_OBJECT_SEGMENT;
    o->own = reg_str_starts(&rest, "ngx/") ? 1 : 0;

    len = sizeof(REG_PATH_MARK) - 1;

    if (o->own && rest.len > len
        && memcmp(rest.data + rest.len - len, REG_PATH_MARK, len) == 0)
    {
        return 1;
    }

    if (rest.len <= NUMBER_LEN + 1
        || rest.data[rest.len - NUMBER_LEN - 1] != '/')
    {
        return 0;
    }

    o->number = reg_atoi64(rest.data + rest.len - NUMBER_LEN, NUMBER_LEN);

    /* o->id was all of the name */

    o->id.len -= NUMBER_LEN;

    return o->number >= 0;
}


static int
take(reg_str_t *s, const char *prefix)
{
    size_t  len;

    if (!reg_str_starts(s, prefix)) {
        return 0;
    }

    len = strlen(prefix);
    s->data += len;
    s->len -= len;

    return 1;
}


/* no component of a repository's name begins with '_' */

static int
take_name(reg_str_t *s, reg_str_t *name)
{
    size_t  i;

    for (i = 0; i + 1 < s->len; i++) {

        if (s->data[i] == '/' && s->data[i + 1] == '_') {
            name->data = s->data;
            name->len = i;

            s->data += i + 1;
            s->len -= i + 1;

            return reg_name_valid(name);
        }
    }

    return 0;
}


/* with the slash behind it, which must be there */

static int
take_component(reg_str_t *s, reg_str_t *component)
{
    unsigned char  *slash;

    if (s->len == 0) {
        return 0;
    }

    slash = memchr(s->data, '/', s->len);

    if (slash == NULL || slash == s->data) {
        return 0;
    }

    component->data = s->data;
    component->len = (size_t) (slash - s->data);

    s->len -= component->len + 1;
    s->data = slash + 1;

    return 1;
}


static int
take_digest(reg_str_t *s, reg_digest_t *d)
{
    reg_str_t  alg, hex;

    return take_component(s, &alg) && take_component(s, &hex)
           && digest(&alg, &hex, d);
}


static int
link(reg_str_t s, reg_digest_t *d)
{
    return take_digest(&s, d) && reg_str_is(&s, "link");
}


static int
digest(const reg_str_t *alg, const reg_str_t *hex, reg_digest_t *d)
{
    reg_str_t      s;
    unsigned char  text[REG_DIGEST_TEXT_MAX];

    if (alg->len + 1 + hex->len > sizeof(text)) {
        return 0;
    }

    memcpy(text, alg->data, alg->len);
    text[alg->len] = ':';
    memcpy(text + alg->len + 1, hex->data, hex->len);

    s.data = text;
    s.len = alg->len + 1 + hex->len;

    return reg_digest_parse(&s, d) == REG_OK;
}
