/* names of objects, read back: what reg_path.c makes, and what is foreign */

#include "tap.h"

#include "core/reg_listing.h"
#include "core/reg_object.h"
#include "core/reg_path.h"


#define ROWS(table)  (sizeof(table) / sizeof((table)[0]))

#define V2   "files/docker/registry/v2/"
#define BY   V2 "repositories/by/old/"
#define D62  "23456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define D64  "01" D62
#define SHA  "sha256/" D64


/* name|tag|id|rest|number, and the digests when they are there */

static const struct {
    const char         *text;
    reg_object_kind_t   kind;
    const char         *want;
} objects[] = {
    { V2 "blobs/sha256/01/" D64 "/data", REG_OBJECT_BLOB, "||||0|d" },
    { V2 "blobs/sha512/01/" D64 D64 "/data", REG_OBJECT_BLOB, "||||0|d" },
    { BY "_layers/" SHA "/link", REG_OBJECT_LAYER, "by/old||||0|d" },
    { BY "_manifests/revisions/" SHA "/link", REG_OBJECT_REVISION,
      "by/old||||0|d" },
    { BY "_manifests/revisions/" SHA "/signatures/" SHA "/link",
      REG_OBJECT_SIGNATURE, "by/old||||0|d" },
    { BY "_manifests/tags/v1/current/link", REG_OBJECT_TAG_CURRENT,
      "by/old|v1|||0|" },
    { BY "_manifests/tags/current/current/link", REG_OBJECT_TAG_CURRENT,
      "by/old|current|||0|" },
    { BY "_manifests/tags/index/index/" SHA "/link", REG_OBJECT_TAG_INDEX,
      "by/old|index|||0|d" },
    { BY "_uploads/u-1/data", REG_OBJECT_UPLOAD, "by/old||u-1|data|0|" },
    { BY "_uploads/u-1/startedat", REG_OBJECT_UPLOAD,
      "by/old||u-1|startedat|0|" },
    { BY "_uploads/u-1/hashstates/sha256/0", REG_OBJECT_UPLOAD,
      "by/old||u-1|hashstates/sha256/0|0|" },
    { "referrers/a/_subjects/sha512/" D64 D64 "/" SHA, REG_OBJECT_REFERRER,
      "a||||0|ds" },
    { "uploads/a/b/_parts/id/0000000000001000-0000000000000000"
      "-00000000000000a1", REG_OBJECT_PART,
      "a/b||id||1000|" },
    { "segments/ngx/id/0000000000001000", REG_OBJECT_SEGMENT,
      "||segments/ngx/id/||1000|o" },
    { "segments/ngx/abc/id/0000000000001000", REG_OBJECT_SEGMENT,
      "||segments/ngx/abc/id/||1000|o" },
    { "segments/ngx/abc/id.closing", REG_OBJECT_SEGMENT,
      "||segments/ngx/abc/id.closing||0|o" },
    { "segments/abc/id.closing", REG_OBJECT_FOREIGN, "" },
    { "segments/2f6/46f/0000000000000001", REG_OBJECT_SEGMENT,
      "||segments/2f6/46f/||1|" },

    { "", REG_OBJECT_FOREIGN, "" },
    { "files", REG_OBJECT_FOREIGN, "" },
    { V2, REG_OBJECT_FOREIGN, "" },
    { V2 "blobs/", REG_OBJECT_FOREIGN, "" },
    { V2 "blobs/sha256/02/" D64 "/data", REG_OBJECT_FOREIGN, "" },
    { V2 "blobs/sha256/0/" D64 "/data", REG_OBJECT_FOREIGN, "" },
    { V2 "blobs/sha256/01/" D64 "/data/", REG_OBJECT_FOREIGN, "" },
    { V2 "blobs/sha256/01/" D64, REG_OBJECT_FOREIGN, "" },
    { V2 "blobs/sha256/01/01" D62 "00/data", REG_OBJECT_FOREIGN, "" },
    { V2 "blobs/md5/01/" D64 "/data", REG_OBJECT_FOREIGN, "" },
    { V2 "repositories/", REG_OBJECT_FOREIGN, "" },
    { V2 "repositories/_layers/" SHA "/link", REG_OBJECT_FOREIGN, "" },
    { V2 "repositories/A/_layers/" SHA "/link", REG_OBJECT_FOREIGN, "" },
    { V2 "repositories/a//_layers/" SHA "/link", REG_OBJECT_FOREIGN, "" },
    { BY "_layers/" SHA, REG_OBJECT_FOREIGN, "" },
    { BY "_layers/" SHA "/link/", REG_OBJECT_FOREIGN, "" },
    { BY "_layers/sha256:" D64 "/link", REG_OBJECT_FOREIGN, "" },
    { BY "_manifests/tags/-/current/link", REG_OBJECT_FOREIGN, "" },
    { BY "_manifests/tags//current/link", REG_OBJECT_FOREIGN, "" },
    { BY "_manifests/tags/v1/current/", REG_OBJECT_FOREIGN, "" },
    { BY "_manifests/revisions/" SHA "/signatures/" SHA,
      REG_OBJECT_FOREIGN, "" },
    { BY "_uploads/u-1/", REG_OBJECT_FOREIGN, "" },
    { BY "_uploads/u-1/other", REG_OBJECT_FOREIGN, "" },
    { BY "_uploads//data", REG_OBJECT_FOREIGN, "" },
    { BY "_uploads/u-1/hashstates/", REG_OBJECT_FOREIGN, "" },
    { "referrers/a/_subjects/" SHA, REG_OBJECT_FOREIGN, "" },
    { "referrers/a/_subjects/" SHA "/" SHA "/", REG_OBJECT_FOREIGN, "" },
    { "uploads/a/_parts/id/1", REG_OBJECT_FOREIGN, "" },
    { "uploads/a/_parts/id/000000000000100x", REG_OBJECT_FOREIGN, "" },
    { "segments/0000000000000001", REG_OBJECT_FOREIGN, "" },
    { "segments//0000000000000001", REG_OBJECT_FOREIGN, "" }
};


static const struct { const char *text; int64_t want; } times[] = {
    { "1970-01-01T00:00:00.000Z", 0 },
    { "1970-01-02T00:00:01Z", 86401 },
    { "2000-02-29T12:34:56.789Z", 951827696 },
    { "2024-02-29T23:59:59", 1709251199 },
    { "2024-03-01T00:00:00.123456", 1709251200 },
    { "2026-11-24T09:29:35.528Z", 1795512575 },
    { "2100-03-01T00:00:00Z", 4107542400 },
    { "", 0 }, { "2024-02-29", 0 }, { "2024-02-29 12:34:56", 0 },
    { "2024-13-01T00:00:00Z", 0 }, { "20x4-01-01T00:00:00Z", 0 },
    { "2024-01-01T24:00:00Z", 0 }
};


static void
test_objects(void)
{
    size_t        i;
    reg_buf_t     b;
    reg_str_t     s;
    tap_arena_t   arena;
    reg_object_t  o;
    reg_digest_t  none;

    tap_arena_init(&arena, SIZE_MAX);
    memset(&none, 0, sizeof(reg_digest_t));

    for (i = 0; i < ROWS(objects); i++) {

        s = tap_str(&arena, objects[i].text, strlen(objects[i].text));
        reg_object_parse(&s, &o);

        reg_buf_init(&b, &arena.arena, 0);

        if (o.kind != REG_OBJECT_FOREIGN) {
            reg_buf_add_str(&b, &o.name);
            reg_buf_char(&b, '|');
            reg_buf_add_str(&b, &o.tag);
            reg_buf_char(&b, '|');
            reg_buf_add_str(&b, &o.id);
            reg_buf_char(&b, '|');
            reg_buf_add_str(&b, &o.rest);
            reg_buf_char(&b, '|');
            reg_buf_number(&b, o.number);
            reg_buf_char(&b, '|');
            reg_buf_text(&b, memcmp(&o.digest, &none, sizeof(none))
                             ? "d" : "");
            reg_buf_text(&b, memcmp(&o.subject, &none, sizeof(none))
                             ? "s" : "");
            reg_buf_text(&b, o.own ? "o" : "");
        }

        s = reg_buf_str(&b);
        ok(o.kind == objects[i].kind && tap_is(&s, objects[i].want),
           "object", i);
    }

    tap_arena_free(&arena);
}


/* what reg_path.c makes is read as what it was made of */

static void
test_paths(void)
{
    size_t        i;
    reg_str_t     path;
    tap_arena_t   arena;
    reg_arena_t  *a;
    reg_digest_t  d;
    reg_object_t  o;

    static const reg_part_t  part = { .offset = 123456789012, .id = 7 };

    static reg_str_t  name = reg_string("a/b-c/d"), tag = reg_string("v.1"),
                      id = reg_string("0b0e1d5c-7e30");

    static const reg_object_kind_t  kinds[] = {
        REG_OBJECT_BLOB, REG_OBJECT_LAYER, REG_OBJECT_REVISION,
        REG_OBJECT_TAG_CURRENT, REG_OBJECT_TAG_INDEX, REG_OBJECT_PART,
        REG_OBJECT_SEGMENT
    };

    tap_arena_init(&arena, SIZE_MAX);
    a = &arena.arena;

    for (i = 0; i < ROWS(kinds) * 3; i++) {

        reg_digest_of(&d, (reg_alg_t) (i % 3), &i, sizeof(i));

        path = i / 3 == 0 ? reg_path_blob(a, &d)
             : i / 3 == 1 ? reg_path_layer_link(a, &name, &d)
             : i / 3 == 2 ? reg_path_revision_link(a, &name, &d)
             : i / 3 == 3 ? reg_path_tag_current(a, &name, &tag)
             : i / 3 == 4 ? reg_path_tag_index(a, &name, &tag, &d)
             : i / 3 == 5 ? reg_path_part(a, &name, &id, &part)
                          : reg_path_segment(a, &id, 123456789012);

        reg_object_parse(&path, &o);

        ok(o.kind == kinds[i / 3]
           && (o.name.len == 0 || reg_str_equal(&o.name, &name))
           && (o.tag.len == 0 || reg_str_equal(&o.tag, &tag))
           && (i / 3 > 4 ? o.number == 123456789012
               : i / 3 == 3 || reg_digest_equal(&o.digest, &d)),
           "path", i);
    }

    tap_arena_free(&arena);
}


static void
test_times(void)
{
    size_t         i;
    reg_rc_t       rc;
    reg_buf_t      b;
    reg_str_t      json;
    const char    *why;
    tap_arena_t    arena;
    reg_listing_t  listing;

    tap_arena_init(&arena, SIZE_MAX);

    for (i = 0; i < ROWS(times); i++) {

        reg_buf_init(&b, &arena.arena, 0);
        reg_buf_text(&b, "[{\"name\":\"a\",\"bytes\":1,"
                         "\"last_modified\":\"");
        reg_buf_text(&b, times[i].text);
        reg_buf_text(&b, "\"}]");
        json = reg_buf_str(&b);

        rc = reg_listing_parse(&arena.arena, &json, &listing, &why);

        ok(rc == REG_OK && listing.n == 1
           && listing.entries[0].modified == times[i].want, "time", i);
    }

    tap_arena_free(&arena);
}


int
main(void)
{
    test_objects();
    test_paths();
    test_times();

    return tap_end();
}
