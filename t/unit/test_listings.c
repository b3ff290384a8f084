/*
 * A storage whose listings have other names than were asked for, each kind of
 * request that lists: it is answered 503, the log tells why, nothing that a
 * forged listing names is deleted, and there is an end.
 */

#include "store.h"


#define ROOT   "files/docker/registry/v2/"
#define TAGS   ROOT "repositories/a/_manifests/tags/"
#define OTHER  ROOT "repositories/other/_manifests/tags/v9/current/link"


typedef enum {
    OUTSIDE = 0,        /* the name of a blob */
    UNSORTED,
    CONTROL,            /* a name that makes a line of its own */
    ANEW,               /* the same page whatever the marker */
    BEHIND,             /* a second page that goes back */
    ENDLESS,
    KINDS
} kind_t;


static const struct {
    const char  *why;
    const char  *name;
} kinds[KINDS] = {
    { "a name is not below its prefix", "outside" },
    { "the listing is not in order", "not sorted" },
    { "a control character is in a name", "control character" },
    { "a name is not behind its marker", "anew" },
    { "a name is not behind its marker", "goes back" },
    { "there is no end to them", "without an end" }
};


static const struct {
    reg_method_t  method;
    const char   *uri;
    const char   *list;                 /* what is forged */
    const char   *name;                 /* of entries: a number */
    int           subdir;
    const char   *what;
    int           keeps;                /* all names, until there are many */
} requests[] = {
    { REG_DELETE, "/v2/a/manifests/v1", TAGS "v1/", "index/%016u", 0,
      "delete of a tag", 1 },
    { REG_DELETE, "/v2/a/manifests/%s", TAGS, "t%016u/current/link", 0,
      "delete of a manifest", 0 },
    { REG_GET, "/v2/a/tags/list?n=2", TAGS, "t!%016u/", 1, "tags", 0 },
    { REG_GET, "/v2/a/tags/list", TAGS, "t%016u/", 1, "all tags", 0 },
    { REG_GET, "/v2/_catalog?n=2", ROOT "repositories/", "R%016u/_", 1,
      "catalog", 0 },
    { REG_GET, "upload", REG_PATH_UPLOADS,
      "%016u-0000000000000000-0000000000000001", 0, "upload", 1 },
    { REG_GET, "/v2/a/blobs/%s", "segments/old", "%016u", 0, "blob", 0 }
};


#define PAGE  4                         /* names of one */


static kind_t    kind;
static unsigned  kept;                  /* names of all pages */
static unsigned  of;                    /* the request */
static unsigned  listings;
static char      digest[100], blob[300];


static void
entry(reg_buf_t *b, const char *prefix, unsigned n, const char *rest)
{
    char  name[1500], text[2000];

    (void) sprintf(name, "%s", prefix);
    (void) sprintf(name + strlen(name), requests[of].name, n);

    (void) snprintf(text, sizeof(text),
                    requests[of].subdir
                    ? "%s{\"subdir\":\"%s%s\"}"
                    : "%s{\"name\":\"%s%s\",\"hash\":\"x\",\"bytes\":71,"
                      "\"last_modified\":\"2026-01-01T00:00:00.000Z\"}",
                    b->data[b->len - 1] == '[' ? "" : ",", name, rest);
    reg_buf_text(b, text);
}


/* of a page that ends there is no use in them: the next one is asked for */

static int
forged(reg_buf_t *b, const char *prefix, const char *marker)
{
    unsigned  i;

    (void) marker;

    if (strncmp(prefix, requests[of].list, strlen(requests[of].list)) != 0) {
        return 0;
    }

    reg_buf_char(b, '[');

    switch (kind) {

    case OUTSIDE:
        reg_buf_text(b, requests[of].subdir ? "{\"subdir\":\""
                                            : "{\"name\":\"");
        reg_buf_text(b, blob);
        reg_buf_text(b, requests[of].subdir
                        ? "/\"}" : "\",\"hash\":\"x\",\"bytes\":71}");
        break;

    case ANEW:
    case BEHIND:
        for (i = 0; i < PAGE; i++) {
            entry(b, prefix, i + (kind == BEHIND && !listings ? PAGE : 0),
                  "");
        }

        break;

    case UNSORTED:
        entry(b, prefix, 2, "");
        entry(b, prefix, 1, "");
        break;

    case CONTROL:
        entry(b, prefix, 1, "\\n[emerg] forged\\u001b[31m");
        break;

    default: /* ENDLESS */
        for (i = 0; i < (requests[of].keeps ? 1000 : PAGE); i++) {
            entry(b, prefix, kept++, "");
        }
    }

    reg_buf_char(b, ']');
    listings++;

    return 1;
}


static void
link_at(const char *name)
{
    put(name, digest, strlen(digest));
}


static void
fill(void)
{
    char  name[600];

    clear();

    text_of(digest, "bytes");
    (void) sprintf(blob, ROOT "blobs/sha256/%.2s/%s/data", digest + 7,
                   digest + 7);
    put(blob, "bytes", 5);

    if (strcmp(requests[of].what, "blob") == 0) {
        put("segments/old/0000000000000001", "bytes", 5);
        put_large(blob, "segments/old", NULL, NULL);
    }

    (void) sprintf(name, ROOT "repositories/a/_manifests/revisions/sha256"
                   "/%s/link", digest + 7);
    link_at(name);

    (void) sprintf(name, ROOT "repositories/a/_layers/sha256/%s/link",
                   digest + 7);
    link_at(name);

    link_at(TAGS "v1/current/link");
    link_at(OTHER);
}


static void
test_forged(void)
{
    char          uri[2200], name[200];
    unsigned      status, before;
    reg_flow_t    f;
    tap_arena_t   arena;

    fill();
    tap_arena_init(&arena, (size_t) -1);

    if (strcmp(requests[of].uri, "upload") == 0) {
        (void) run(&f, &arena, REG_POST, "/v2/a/blobs/uploads/", "", "");
        (void) location(&f, uri);
        *strchr(uri, '?') = '\0';

    } else {
        (void) snprintf(uri, sizeof(uri), requests[of].uri, digest);
    }

    calls = 0;
    kept = 0;
    listings = 0;
    forge = forged;
    before = nobjects;

    status = run(&f, &arena, requests[of].method, uri, "", "");

    (void) snprintf(name, sizeof(name), "%s: %s", requests[of].what,
                    kinds[kind].name);
    ok(status == 503, name, of);

    if (f.damage.len && memchr(f.damage.data, '\n', f.damage.len) == NULL) {
        (void) snprintf(uri, sizeof(uri), "%.*s", (int) f.damage.len,
                        (char *) f.damage.data);
    } else {
        uri[0] = '\0';
    }

    (void) snprintf(name, sizeof(name), "%s: %s: is told",
                    requests[of].what, kinds[kind].name);
    ok(strstr(uri, kinds[kind].why) != NULL, name, of);

    (void) snprintf(name, sizeof(name), "%s: %s: nothing is deleted",
                    requests[of].what, kinds[kind].name);
    ok(kept < 300000, "there is an end to what is kept", kept);
    ok(nobjects == before && find(OTHER) != NULL && store_is_right(), name,
       of);

    forge = NULL;
    tap_arena_free(&arena);
}


int
main(void)
{
    clear();
    fail_call = NEVER;

    for (of = 0; of < sizeof(requests) / sizeof(requests[0]); of++) {
        for (kind = OUTSIDE; kind < KINDS; kind++) {

            /* of a large object less than a page is the end */

            if (kind < ANEW || strcmp(requests[of].what, "blob") != 0) {
                test_forged();
            }
        }
    }

    clear();

    return tap_end();
}
