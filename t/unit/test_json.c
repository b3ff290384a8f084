/* JSON, listings and manifests */

#include "tap.h"

#include "core/reg_json.h"
#include "core/reg_listing.h"
#include "core/reg_manifest.h"


#define ROWS(table)  (sizeof(table) / sizeof((table)[0]))

#define DOCKER   "application/vnd.docker.distribution.manifest.v2+json"
#define LIST     "application/vnd.docker.distribution.manifest.list.v2+json"
#define OCI      "application/vnd.oci.image.manifest.v1+json"
#define INDEX    "application/vnd.oci.image.index.v1+json"
#define SIGNED   "application/vnd.docker.distribution.manifest.v1+prettyjws"

#define HEX      "0123456789abcdef0123456789abcdef"                           \
                 "0123456789abcdef0123456789abcdef"
#define DIGEST   "\"digest\":\"sha256:" HEX "\""
#define DESC     "{" DIGEST ",\"size\":7,\"mediaType\":\"a/b\"}"
#define CONFIG   "\"config\":" DESC
#define LAYERS   "\"layers\":[" DESC "," DESC "]"
#define V2       "\"schemaVersion\":2"
#define TYPE(t)  "\"mediaType\":\"" t "\""
#define BODY     V2 "," CONFIG "," LAYERS
#define ONE(d)   "{" V2 "," CONFIG ",\"layers\":[" d "]}"


/* with lengths, for the NULs */

#define J(text)  text, sizeof(text) - 1

static const struct {
    const char  *text;
    size_t       len;
    const char  *want;                  /* events; NULL: REG_BAD */
} documents[] = {
    { J("null"), "0n@4 " }, { J("true"), "0b@4 " }, { J("0"), "0#0@1 " },
    { J("-1.5e3 "), "0#-1.5e3@6 " }, { J("\"a\\u0062\\n\""), "0sab\n@11 " },
    { J("[]"), "0[@1 0]@2 " }, { J("{}"), "0{@1 0}@2 " },
    { J(" [ 1 , \"x\" ] "), "0[@2 1#1@4 1sx@10 0]@12 " },
    { J("{\"a\":{\"\":[false]}}"),
      "0{@1 1ka@4 1{@6 2k@8 2[@10 3b@15 2]@16 1}@17 0}@18 " },
    { J("\"\xf4\x8f\xbf\xbf\""), "0s\xf4\x8f\xbf\xbf@6 " },
    { J(""), NULL }, { J(" "), NULL }, { J("["), NULL }, { J("]"), NULL },
    { J("{"), NULL }, { J("[1,]"), NULL }, { J("{\"a\"}"), NULL },
    { J("{\"a\":1,}"), NULL }, { J("{a:1}"), NULL }, { J("{}{}"), NULL },
    { J("{} x"), NULL }, { J("{}\0"), NULL }, { J("/**/{}"), NULL },
    { J("{}//"), NULL }, { J("\xef\xbb\xbf{}"), NULL }, { J("01"), NULL },
    { J("+1"), NULL }, { J("1."), NULL }, { J("-"), NULL }, { J(".5"), NULL },
    { J("NaN"), NULL }, { J("nul"), NULL }, { J("'a'"), NULL },
    { J("\"a"), NULL }, { J("\"\\x\""), NULL }, { J("\"\\u00g0\""), NULL },
    { J("\"\n\""), NULL }, { J("\"\\u0000\""), NULL },
    { J("{\"a\\u0000\":1}"), NULL }, { J("\"\0\""), NULL },
    { J("\"\x80\""), NULL }, { J("\"\xc0\xaf\""), NULL },
    { J("\"\xc1\xbf\""), NULL }, { J("\"\xc3\""), NULL },
    { J("\"\xe0\x9f\xbf\""), NULL }, { J("\"\xed\xa0\x80\""), NULL },
    { J("\"\xf0\x8f\xbf\xbf\""), NULL }, { J("\"\xf4\x90\x80\x80\""), NULL },
    { J("\"\xf5\x80\x80\x80\""), NULL }, { J("\"\xff\""), NULL },
    { J("\"\xe2\x82"), NULL }
};


static const struct { const char *text; size_t len; const char *want; }
strings[] = {
    { J(""), "\"\"" }, { J("abc"), "\"abc\"" },
    { J("\"\\/"), "\"\\\"\\\\/\"" },
    { J("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\"" },
    { J("\0\x01\x1f\x7f"), "\"\\u0000\\u0001\\u001f\\u007f\"" },
    { J("\xc3\xa4\xf0\x9f\x98\x80"), "\"\xc3\xa4\xf0\x9f\x98\x80\"" },
    { J("a\xff" "b"), "\"a\xef\xbf\xbd" "b\"" },
    { J("\xc3"), "\"\xef\xbf\xbd\"" },
    { J("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" }
};


static const struct { const char *text, *want; } listings[] = {
    { "[]", "" },
    { "[{\"name\":\"a\",\"hash\":\"h\",\"bytes\":5,\"x\":[{\"name\":1}]},"
      "{\"subdir\":\"b/\"}]", "a,h,5 b/,,-1/ " },
    { "[{\"name\":\"a\",\"bytes\":0}]", "a,,0 " },
    { "", NULL }, { "{}", NULL }, { "[1]", NULL }, { "[[]]", NULL },
    { "null", NULL }, { "[{}]", NULL }, { "[{\"name\":\"a\"}]", NULL },
    { "[{\"name\":1,\"bytes\":1}]", NULL },
    { "[{\"name\":\"\",\"bytes\":1}]", NULL },
    { "[{\"name\":\"a\",\"bytes\":-1}]", NULL },
    { "[{\"name\":\"a\",\"bytes\":1.0}]", NULL },
    { "[{\"name\":\"a\",\"bytes\":\"1\"}]", NULL },
    { "[{\"name\":\"a\",\"bytes\":9223372036854775808}]", NULL },
    { "[{\"name\":\"a\",\"name\":\"b\",\"bytes\":1}]", NULL },
    { "[{\"name\":\"a\",\"subdir\":\"b\",\"bytes\":1}]", NULL },
    { "[{\"subdir\":\"b/\"},{\"subdir\":\"a/\"}]", NULL },
    { "[{\"subdir\":\"b/\"},{\"subdir\":\"b/\"}]", NULL },
    { "[{\"subdir\":\"b/\"},{\"subdir\":\"b\"}]", NULL },
    { "[{\"subdir\":\"b/\"}", NULL }
};


/* nmanifests < 0: REG_BAD */

static const struct {
    const char   *body;
    reg_media_t   declared;
    reg_media_t   media;
    int           nlayers, nmanifests;
} manifests[] = {
    { "{" BODY "," TYPE(DOCKER) "}", REG_MEDIA_DOCKER_MANIFEST,
      REG_MEDIA_DOCKER_MANIFEST, 2, 0 },
    { "{" BODY "," TYPE(DOCKER) "}", REG_MEDIA_UNKNOWN,
      REG_MEDIA_DOCKER_MANIFEST, 2, 0 },
    { "{" BODY "}", REG_MEDIA_OCI_MANIFEST, REG_MEDIA_OCI_MANIFEST, 2, 0 },
    { "{" BODY "}", REG_MEDIA_UNKNOWN, REG_MEDIA_OCI_MANIFEST, 2, 0 },
    { "{" BODY "," TYPE(OCI) "}", REG_MEDIA_OCI_MANIFEST,
      REG_MEDIA_OCI_MANIFEST, 2, 0 },
    { "{" V2 "," CONFIG ",\"layers\":[]}", REG_MEDIA_OCI_MANIFEST,
      REG_MEDIA_OCI_MANIFEST, 0, 0 },
    { "{" BODY ",\"blobs\":[" DESC "]}", REG_MEDIA_OCI_MANIFEST,
      REG_MEDIA_OCI_MANIFEST, 3, 0 },
    { "{" V2 ",\"manifests\":[" DESC "]}", REG_MEDIA_UNKNOWN,
      REG_MEDIA_OCI_INDEX, 0, 1 },
    { "{" V2 ",\"manifests\":[]}", REG_MEDIA_OCI_INDEX,
      REG_MEDIA_OCI_INDEX, 0, 0 },
    { "{" V2 "," TYPE(LIST) ",\"manifests\":[" DESC "]}",
      REG_MEDIA_DOCKER_LIST, REG_MEDIA_DOCKER_LIST, 0, 1 },
    { "{" V2 "," TYPE(INDEX) ",\"manifests\":[" DESC "]}",
      REG_MEDIA_UNKNOWN, REG_MEDIA_OCI_INDEX, 0, 1 },
    { "{\"x\":{\"layers\":[{}]},\"y\":[[1]]," BODY "}", REG_MEDIA_UNKNOWN,
      REG_MEDIA_OCI_MANIFEST, 2, 0 },
    { ONE("{" DIGEST ",\"size\":9223372036854775807}"), REG_MEDIA_UNKNOWN,
      REG_MEDIA_OCI_MANIFEST, 1, 0 },
    { ONE("{" DIGEST ",\"size\":0,\"data\":\"x\",\"platform\":{\"size\":-1},"
          "\"annotations\":{\"digest\":\"\"},\"urls\":null,\"z\":[1]}"),
      REG_MEDIA_UNKNOWN, REG_MEDIA_OCI_MANIFEST, 1, 0 },

    { "{" V2 "," CONFIG ",\"layers\":null,\"subject\":null}",
      REG_MEDIA_OCI_MANIFEST, REG_MEDIA_OCI_MANIFEST, 0, 0 },
    { "{" V2 ",\"manifests\":null}", REG_MEDIA_UNKNOWN,
      REG_MEDIA_OCI_INDEX, 0, 0 },

    /* what it is */

    { "null", 0, 0, 0, -1 }, { "[]", 0, 0, 0, -1 }, { "1", 0, 0, 0, -1 },
    { "", 0, 0, 0, -1 }, { "{}", 0, 0, 0, -1 }, { "{" V2 "}", 0, 0, 0, -1 },
    { "{" BODY "}", REG_MEDIA_DOCKER_SCHEMA1, 0, 0, -1 },
    { "{" BODY "," TYPE(SIGNED) "}", 0, 0, 0, -1 },
    { "{\"schemaVersion\":1,\"fsLayers\":[]}", 0, 0, 0, -1 },
    { "{\"schemaVersion\":3," CONFIG "," LAYERS "}", 0, 0, 0, -1 },
    { "{\"schemaVersion\":2.0," CONFIG "," LAYERS "}", 0, 0, 0, -1 },
    { "{\"schemaVersion\":\"2\"," CONFIG "," LAYERS "}", 0, 0, 0, -1 },
    { "{" CONFIG "," LAYERS "}", 0, 0, 0, -1 },
    { "{" BODY "}", REG_MEDIA_DOCKER_MANIFEST, 0, 0, -1 },
    { "{" BODY "," TYPE(OCI) "}", REG_MEDIA_DOCKER_MANIFEST, 0, 0, -1 },
    { "{" BODY "," TYPE(DOCKER) "}", REG_MEDIA_OCI_MANIFEST, 0, 0, -1 },
    { "{" BODY "," TYPE(INDEX) "}", REG_MEDIA_OCI_MANIFEST, 0, 0, -1 },
    { "{" BODY "," TYPE(INDEX) "}", REG_MEDIA_UNKNOWN, 0, 0, -1 },
    { "{" BODY "," TYPE(DOCKER " ") "}", REG_MEDIA_UNKNOWN, 0, 0, -1 },
    { "{" BODY "," TYPE("") "}", REG_MEDIA_UNKNOWN, 0, 0, -1 },
    { "{" BODY "," TYPE("application/json") "}", 0, 0, 0, -1 },
    { "{" BODY ",\"mediaType\":null}", 0, 0, 0, -1 },
    { "{" BODY ",\"manifests\":[]}", REG_MEDIA_OCI_MANIFEST, 0, 0, -1 },
    { "{" V2 "," CONFIG ",\"manifests\":[]}", REG_MEDIA_OCI_INDEX, 0, 0, -1 },
    { "{" V2 ",\"layers\":[],\"manifests\":[]}", 0, 0, 0, -1 },
    { "{" V2 ",\"manifests\":[]}", REG_MEDIA_OCI_MANIFEST, 0, 0, -1 },
    { "{" BODY "}", REG_MEDIA_OCI_INDEX, 0, 0, -1 },

    /* members */

    { "{" V2 "," LAYERS "}", 0, 0, 0, -1 },
    { "{" V2 "," CONFIG "}", 0, 0, 0, -1 },
    { "{" V2 ",\"config\":null," LAYERS "}", 0, 0, 0, -1 },
    { "{" V2 "," CONFIG ",\"layers\":{}}", 0, 0, 0, -1 },
    { "{" V2 ",\"manifests\":{}}", 0, 0, 0, -1 },
    { "{" BODY ",\"subject\":1}", 0, 0, 0, -1 },
    { "{" BODY ",\"subject\":{}}", 0, 0, 0, -1 },
    { "{" BODY ",\"annotations\":{\"a\":1}}", 0, 0, 0, -1 },
    { "{" BODY ",\"annotations\":[]}", 0, 0, 0, -1 },
    { "{" BODY ",\"artifactType\":1}", 0, 0, 0, -1 },
    { "{" V2 "," BODY "}", 0, 0, 0, -1 },
    { "{" BODY "," LAYERS "}", 0, 0, 0, -1 },
    { "{" BODY ",\"Layers\":[]}", 0, 0, 0, -1 },
    { "{" BODY ",\"layer\xc5\xbf\":[]}", 0, 0, 0, -1 },
    { "{" BODY ",\"MEDIATYPE\":\"\"}", 0, 0, 0, -1 },
    { "{" BODY ",\"x\":\"\\u0000\"}", 0, 0, 0, -1 },
    { "{" BODY "}{}", 0, 0, 0, -1 },

    /* descriptors */

    { ONE("1"), 0, 0, 0, -1 }, { ONE("[]"), 0, 0, 0, -1 },
    { ONE("{}"), 0, 0, 0, -1 }, { ONE("{" DIGEST "}"), 0, 0, 0, -1 },
    { ONE("{\"size\":1}"), 0, 0, 0, -1 },
    { ONE("{\"digest\":\"sha256:0\",\"size\":1}"), 0, 0, 0, -1 },
    { ONE("{\"digest\":\"md5:" HEX "\",\"size\":1}"), 0, 0, 0, -1 },
    { ONE("{\"digest\":1,\"size\":1}"), 0, 0, 0, -1 },
    { ONE("{" DIGEST "," DIGEST ",\"size\":1}"), 0, 0, 0, -1 },
    { ONE("{" DIGEST ",\"size\":1,\"Size\":2}"), 0, 0, 0, -1 },
    { ONE("{" DIGEST ",\"size\":1,\"\xc5\xbf" "ize\":2}"), 0, 0, 0, -1 },
    { ONE("{" DIGEST ",\"size\":-1}"), 0, 0, 0, -1 },
    { ONE("{" DIGEST ",\"size\":-0}"), 0, 0, 0, -1 },
    { ONE("{" DIGEST ",\"size\":1.0}"), 0, 0, 0, -1 },
    { ONE("{" DIGEST ",\"size\":1e3}"), 0, 0, 0, -1 },
    { ONE("{" DIGEST ",\"size\":01}"), 0, 0, 0, -1 },
    { ONE("{" DIGEST ",\"size\":\"5\"}"), 0, 0, 0, -1 },
    { ONE("{" DIGEST ",\"size\":null}"), 0, 0, 0, -1 },
    { ONE("{" DIGEST ",\"size\":9223372036854775808}"), 0, 0, 0, -1 },
    { ONE("{" DIGEST ",\"size\":18446744073709551616}"), 0, 0, 0, -1 },
    { ONE("{" DIGEST ",\"size\":1,\"urls\":\"x\"}"), 0, 0, 0, -1 },
    { ONE("{" DIGEST ",\"size\":1,\"mediaType\":1}"), 0, 0, 0, -1 }
};


static const struct { const char *text; reg_media_t want; } medias[] = {
    { DOCKER, REG_MEDIA_DOCKER_MANIFEST }, { LIST, REG_MEDIA_DOCKER_LIST },
    { OCI, REG_MEDIA_OCI_MANIFEST }, { INDEX, REG_MEDIA_OCI_INDEX },
    { " " OCI " ; charset=utf-8", REG_MEDIA_OCI_MANIFEST },
    { "Application/VND.oci.image.index.v1+JSON", REG_MEDIA_OCI_INDEX },
    { SIGNED, REG_MEDIA_DOCKER_SCHEMA1 },
    { "application/vnd.docker.distribution.manifest.v1+json",
      REG_MEDIA_DOCKER_SCHEMA1 },
    { "", REG_MEDIA_UNKNOWN }, { " ", REG_MEDIA_UNKNOWN },
    { ";", REG_MEDIA_UNKNOWN }, { "application/json", REG_MEDIA_UNKNOWN },
    { OCI "x", REG_MEDIA_UNKNOWN }
};


static const char  full[] =
    "{" V2 ",\"artifactType\":\"x/\\u0079\"," CONFIG ",\"layers\":[{" DIGEST
    ",\"size\":3,\"mediaType\":\"l/m\",\"urls\":[\"http://a/\"]}],"
    "\"subject\":" DESC ",\"annotations\": {\"a\" : \"b\\\"}\"} }";


/* whether a layer need not be there */

static const struct { const char *type; const char *urls; int want; }
    foreign[] =
{
    { "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
      "[\"https://a/b?c=d\"]", 1 },
    { "application/vnd.oci.image.layer.nondistributable.v1.tar",
      "[\"http://a\",\"https://b/\"]", 1 },
    { "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
      "[\"http://a/\"]", 1 },
    { "application/vnd.oci.image.layer.v1.tar+gzip", "[\"http://a/\"]", 0 },
    { "application/vnd.oci.image.layer.nondistributable.v1.tar", "[]", 0 },
    { "application/vnd.oci.image.layer.nondistributable.v1.tar", "null", 0 },
    { "application/vnd.oci.image.layer.nondistributable.v1.tar",
      "[\"http://a/\",\"file:///etc/shadow\"]", 0 },
    { "application/vnd.oci.image.layer.nondistributable.v1.tar",
      "[\"http://a/\",{\"x\":\"http://a/\"}]", 0 },
    { "application/vnd.oci.image.layer.nondistributable.v1.tar",
      "[\"javascript:alert(1)\"]", 0 },
    { "application/vnd.oci.image.layer.nondistributable.v1.tar",
      "[\"\"]", 0 },
    { "application/vnd.oci.image.layer.nondistributable.v1.tar",
      "[\"http:///a\"]", 0 },
    { "application/vnd.oci.image.layer.nondistributable.v1.tar",
      "[\"http://a/#b\"]", 0 },
    { "application/vnd.oci.image.layer.nondistributable.v1.tar",
      "[\"http://a/\\r\\nX: y\"]", 0 },
    { "", "[\"http://a/\"]", 0 }
};


static reg_rc_t
write_event(void *data, reg_json_event_t event, const reg_str_t *text,
    unsigned depth, size_t offset)
{
    reg_buf_t  *b = data;

    reg_buf_number(b, depth);
    reg_buf_char(b, "nb#sk{}[]"[event]);

    if (event >= REG_JSON_NUMBER && event <= REG_JSON_KEY) {
        reg_buf_add_str(b, text);
    }

    reg_buf_char(b, '@');
    reg_buf_number(b, (int64_t) offset);
    reg_buf_char(b, ' ');

    return b->failed ? REG_NOMEM : REG_OK;
}


static void
test_json(void)
{
    size_t       i;
    reg_rc_t     rc;
    reg_buf_t    b;
    reg_str_t    s;
    tap_arena_t  arena;
    const char  *why;

    tap_arena_init(&arena, SIZE_MAX);

    for (i = 0; i < ROWS(documents); i++) {
        s = tap_str(&arena, documents[i].text, documents[i].len);

        why = NULL;
        reg_buf_init(&b, &arena.arena, 0);
        rc = reg_json_read(&arena.arena, &s, write_event, &b, &why);

        if (documents[i].want == NULL || rc != REG_OK) {
            ok(documents[i].want == NULL && rc == REG_BAD && why != NULL,
               "document", i);
            continue;
        }

        s = reg_buf_str(&b);
        ok(tap_is(&s, documents[i].want), "document", i);
    }

    for (i = 0; i < ROWS(strings); i++) {
        s = tap_str(&arena, strings[i].text, strings[i].len);

        reg_buf_init(&b, &arena.arena, 0);
        reg_json_write_string(&b, &s);

        s = reg_buf_str(&b);
        ok(tap_is(&s, strings[i].want), "string written", i);
    }

    tap_arena_free(&arena);
}


static void
test_depth(void)
{
    size_t          i, n;
    reg_buf_t       b;
    reg_str_t       s;
    tap_arena_t     arena;
    const char     *why;
    unsigned char  *text;

    static const struct { size_t depth; reg_rc_t want; } rows[] = {
        { REG_JSON_DEPTH_MAX, REG_OK }, { REG_JSON_DEPTH_MAX + 1, REG_BAD },
        { 1000000, REG_BAD }
    };

    for (i = 0; i < ROWS(rows); i++) {
        tap_arena_init(&arena, SIZE_MAX);

        n = rows[i].depth;
        text = tap_alloc(&arena, 2 * n);
        memset(text, '[', n);
        memset(text + n, ']', n);

        s.data = text;
        s.len = 2 * n;

        reg_buf_init(&b, &arena.arena, 0);
        ok(reg_json_read(&arena.arena, &s, write_event, &b, &why)
           == rows[i].want, "depth", i);

        tap_arena_free(&arena);
    }
}


static void
test_listings(void)
{
    size_t          i, k;
    reg_rc_t        rc;
    reg_buf_t       b;
    reg_str_t       s;
    reg_entry_t    *e;
    tap_arena_t     arena;
    const char     *why;
    reg_listing_t   listing;

    tap_arena_init(&arena, SIZE_MAX);

    for (i = 0; i < ROWS(listings); i++) {
        s = tap_str(&arena, listings[i].text, strlen(listings[i].text));

        why = NULL;
        rc = reg_listing_parse(&arena.arena, &s, &listing, &why);

        if (listings[i].want == NULL || rc != REG_OK) {
            ok(listings[i].want == NULL && rc == REG_BAD && why != NULL,
               "listing", i);
            continue;
        }

        reg_buf_init(&b, &arena.arena, 0);

        for (k = 0; k < listing.n; k++) {
            e = &listing.entries[k];
            reg_buf_add_str(&b, &e->name);
            reg_buf_char(&b, ',');
            reg_buf_add_str(&b, &e->hash);
            reg_buf_char(&b, ',');
            reg_buf_number(&b, e->bytes);
            reg_buf_text(&b, e->subdir ? "/ " : " ");
        }

        s = reg_buf_str(&b);
        ok(tap_is(&s, listings[i].want), "listing", i);
    }

    tap_arena_free(&arena);
}


static void
test_manifests(void)
{
    size_t           i;
    reg_rc_t         rc;
    reg_str_t        s;
    tap_arena_t      arena;
    const char      *why;
    reg_manifest_t   m;

    tap_arena_init(&arena, SIZE_MAX);

    for (i = 0; i < ROWS(medias); i++) {
        s = tap_str(&arena, medias[i].text, strlen(medias[i].text));
        ok(reg_media_parse(&s) == medias[i].want, "media type", i);
    }

    for (i = 0; i < ROWS(manifests); i++) {
        s = tap_str(&arena, manifests[i].body, strlen(manifests[i].body));

        why = NULL;
        rc = reg_manifest_parse(&arena.arena, &s, manifests[i].declared, &m,
                                &why);

        if (manifests[i].nmanifests < 0) {
            ok(rc == REG_BAD && why != NULL, "manifest", i);
            continue;
        }

        ok(rc == REG_OK && m.media == manifests[i].media
           && m.nlayers == (size_t) manifests[i].nlayers
           && m.nmanifests == (size_t) manifests[i].nmanifests,
           "manifest", i);
    }

    s = tap_str(&arena, full, sizeof(full) - 1);
    rc = reg_manifest_parse(&arena.arena, &s, REG_MEDIA_UNKNOWN, &m, &why);

    ok(rc == REG_OK && m.has_config && m.has_subject, "full", 0);
    ok(tap_is(&m.artifact_type, "x/y"), "full", 1);
    ok(tap_is(&m.annotations, "{\"a\" : \"b\\\"}\"}"), "full", 2);
    ok(m.config.size == 7 && tap_is(&m.config.media_type, "a/b"), "full", 3);
    ok(m.nlayers == 1 && !m.layers[0].foreign && !m.config.foreign
       && m.layers[0].size == 3 && tap_is(&m.layers[0].media_type, "l/m"),
       "full", 4);
    ok(m.subject.digest.alg == REG_SHA256 && m.subject.digest.raw[0] == 0x01
       && m.subject.digest.raw[31] == 0xef, "full", 5);

    tap_arena_free(&arena);
}


static void
test_foreign(void)
{
    char             text[2000];
    size_t           i;
    reg_str_t        s;
    tap_arena_t      arena;
    const char      *why;
    reg_manifest_t   m;

    tap_arena_init(&arena, SIZE_MAX);

    for (i = 0; i < ROWS(foreign); i++) {

        /* the type behind the urls, and a plain layer behind it */

        (void) snprintf(text, sizeof(text), "{" V2 "," CONFIG ",\"layers\":[{"
                        DIGEST ",\"size\":3,\"urls\":%s,\"mediaType\":\"%s\"}"
                        ",{" DIGEST ",\"size\":3,\"mediaType\":\"%s\"}]}",
                        foreign[i].urls, foreign[i].type, foreign[i].type);

        s = tap_str(&arena, text, strlen(text));

        ok(reg_manifest_parse(&arena.arena, &s, REG_MEDIA_UNKNOWN, &m, &why)
           == REG_OK && m.nlayers == 2
           && (int) m.layers[0].foreign == foreign[i].want
           && !m.layers[1].foreign,
           "foreign layer", i);
    }

    tap_arena_free(&arena);
}


static void
test_count(void)
{
    size_t           i, n;
    reg_buf_t        b;
    reg_str_t        s;
    tap_arena_t      arena;
    const char      *why;
    reg_manifest_t   m;

    for (n = REG_MANIFEST_REFS_MAX; n <= REG_MANIFEST_REFS_MAX + 1; n++) {
        tap_arena_init(&arena, SIZE_MAX);
        reg_buf_init(&b, &arena.arena, 0);
        reg_buf_text(&b, "{" V2 ",\"manifests\":[");

        for (i = 0; i < n; i++) {
            reg_buf_text(&b, i ? "," DESC : DESC);
        }

        reg_buf_text(&b, "]}");
        s = reg_buf_str(&b);

        ok(reg_manifest_parse(&arena.arena, &s, REG_MEDIA_UNKNOWN, &m, &why)
           == (n > REG_MANIFEST_REFS_MAX ? REG_BAD : REG_OK),
           "descriptors", n);

        tap_arena_free(&arena);
    }
}


/* each allocation fails in turn */

static void
test_memory(void)
{
    size_t          i;
    reg_rc_t        rc;
    reg_str_t       manifest, listing;
    tap_arena_t     arena;
    const char     *why;
    reg_listing_t   l;
    reg_manifest_t  m;

    static const char  list[] = "[{\"name\":\"\\u0061\",\"hash\":\"h\","
                                "\"bytes\":5},{\"subdir\":\"b/\"}]";

    manifest.data = (unsigned char *) full;
    manifest.len = sizeof(full) - 1;

    for (i = 0; i < 1000; i++) {
        tap_arena_init(&arena, i);
        rc = reg_manifest_parse(&arena.arena, &manifest, REG_MEDIA_UNKNOWN,
                                &m, &why);
        tap_arena_free(&arena);

        ok(rc == (arena.failed ? REG_NOMEM : REG_OK), "manifest, memory", i);

        if (!arena.failed) {
            break;
        }
    }

    ok(i > 10 && i < 1000, "manifest, memory", i);

    listing.data = (unsigned char *) list;
    listing.len = sizeof(list) - 1;

    for (i = 0; i < 1000; i++) {
        tap_arena_init(&arena, i);
        rc = reg_listing_parse(&arena.arena, &listing, &l, &why);
        tap_arena_free(&arena);

        ok(rc == (arena.failed ? REG_NOMEM : REG_OK), "listing, memory", i);

        if (!arena.failed) {
            break;
        }
    }

    ok(i > 5 && i < 1000, "listing, memory", i);
}


int
main(void)
{
    test_json();
    test_depth();
    test_listings();
    test_manifests();
    test_foreign();
    test_count();
    test_memory();

    return tap_end();
}
