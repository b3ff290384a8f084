/* Keystone: the request for a token, and its answer */

#include "tap.h"

#include "core/reg_keystone.h"


#define ROWS(table)  (sizeof(table) / sizeof((table)[0]))

#define TIMES     "\"issued_at\":\"2024-02-29T00:00:00.000000Z\","            \
                  "\"expires_at\":\"2024-02-29T01:00:00.5Z\""
#define ENDPOINT(interface, region, url)                                      \
                  "{\"id\":\"x\",\"interface\":\"" interface "\","            \
                  "\"region\":\"" region "\",\"region_id\":\"" region "\","   \
                  "\"url\":\"" url "\"}"
#define SERVICE(type, endpoints)                                              \
                  "{\"type\":\"" type "\",\"name\":\"s\",\"endpoints\":["     \
                  endpoints "]}"
#define CATALOG(services)                                                     \
                  "{\"token\":{" TIMES ",\"catalog\":[" services "]}}"
#define TWO       ENDPOINT("internal", "one", "http://in") ","                \
                  ENDPOINT("public", "one", "http://one") ","                 \
                  ENDPOINT("public", "two", "http://two")


static reg_keystone_t
values(const char *user, const char *domain, const char *project,
    const char *project_domain, const char *credential, const char *trust,
    const char *region, const char *interface)
{
    size_t           i;
    reg_str_t       *s;
    reg_keystone_t   k;

    const char *const  texts[] = {
        user, domain, project, project_domain, credential, trust, region,
        interface
    };

    s = (reg_str_t *) (void *) &k;

    for (i = 0; i < ROWS(texts); i++) {
        s[i].data = (unsigned char *) texts[i];
        s[i].len = strlen(texts[i]);
    }

    return k;
}


static const struct {
    const char  *user, *domain, *project, *project_domain, *credential,
                *trust, *interface;
    const char  *want;                  /* body, or the start of why not */
} requests[] = {
    { "demo", "id=default", "p", "", "", "", "public",
      "{\"auth\":{\"identity\":{\"methods\":[\"password\"],\"password\":"
      "{\"user\":{\"name\":\"demo\",\"domain\":{\"id\":\"default\"},"
      "\"password\":\"s\\\"1\"}}},\"scope\":{\"project\":{\"name\":\"p\","
      "\"domain\":{\"id\":\"default\"}}}}}" },
    { "id=u", "", "id=p", "", "", "", "admin",
      "{\"auth\":{\"identity\":{\"methods\":[\"password\"],\"password\":"
      "{\"user\":{\"id\":\"u\",\"password\":\"s\\\"1\"}}},"
      "\"scope\":{\"project\":{\"id\":\"p\"}}}}" },
    { "a\\b", "D", "p", "E", "", "", "internal",
      "{\"auth\":{\"identity\":{\"methods\":[\"password\"],\"password\":"
      "{\"user\":{\"name\":\"a\\\\b\",\"domain\":{\"name\":\"D\"},"
      "\"password\":\"s\\\"1\"}}},\"scope\":{\"project\":{\"name\":\"p\","
      "\"domain\":{\"name\":\"E\"}}}}}" },
    { "demo", "D", "", "", "", "t1", "public",
      "{\"auth\":{\"identity\":{\"methods\":[\"password\"],\"password\":"
      "{\"user\":{\"name\":\"demo\",\"domain\":{\"name\":\"D\"},"
      "\"password\":\"s\\\"1\"}}},"
      "\"scope\":{\"OS-TRUST:trust\":{\"id\":\"t1\"}}}}" },
    { "", "", "", "", "id=c", "", "public",
      "{\"auth\":{\"identity\":{\"methods\":[\"application_credential\"],"
      "\"application_credential\":{\"id\":\"c\",\"secret\":\"s\\\"1\"}}}}" },
    { "demo", "D", "", "", "c", "", "public",
      "{\"auth\":{\"identity\":{\"methods\":[\"application_credential\"],"
      "\"application_credential\":{\"name\":\"c\",\"user\":{\"name\":\"demo\","
      "\"domain\":{\"name\":\"D\"}},\"secret\":\"s\\\"1\"}}}}" },

    { "demo", "D", "p", "", "", "", "outer", "\"registry_auth_interface\"" },
    { "", "", "p", "", "", "", "public", "Keystone needs" },
    { "demo", "", "id=p", "", "", "", "public", "a user by its name" },
    { "id=u", "", "", "", "", "", "public", "Keystone needs" },
    { "id=u", "", "p", "", "", "", "public", "a project by its name" },
    { "id=u", "", "id=p", "", "", "t", "public", "a trust has" },
    { "", "", "id=p", "", "id=c", "", "public", "an application credential" },
    { "", "", "", "", "c", "", "public", "an application credential by" }
};


static const struct { const char *region, *interface, *text, *want; }
answers[] = {
    { "", "public", CATALOG(SERVICE("identity", ENDPOINT("public", "one",
      "http://no")) "," SERVICE("object-store", TWO)), "http://one" },
    { "two", "public", CATALOG(SERVICE("object-store", TWO)), "http://two" },
    { "", "internal", CATALOG(SERVICE("object-store", TWO)), "http://in" },
    { "", "public", "{\"token\":{\"catalog\":[{\"endpoints\":[{\"url\":"
      "\"http://late\",\"interface\":\"public\",\"x\":{\"url\":\"no\"}}],"
      "\"x\":[{\"type\":\"b\"}],\"type\":\"object-store\"}]," TIMES "}}",
      "http://late" },
    { "", "public", CATALOG(SERVICE("object-store", "") ","
      SERVICE("object-store", TWO)), "http://one" },

    { "", "public", "", "!JSON" },
    { "", "public", "[]", "!no JSON object" },
    { "", "public", "{}", "!without \"token\"" },
    { "", "public", "{\"token\":1}", "!without \"token\"" },
    { "", "public", "{\"error\":{\"catalog\":[]}}", "!without \"token\"" },
    { "", "public", "{\"token\":{}}", "!when it expires" },
    { "", "public", "{\"token\":{\"expires_at\":7}}", "!when it expires" },
    { "", "public", "{\"token\":{\"expires_at\":\"2024-02-29T00:00:00Z\","
      "\"issued_at\":\"2024-02-29T00:00:00Z\"}}", "!expired already" },
    { "", "public", "{\"token\":{" TIMES "}}", "!no catalog" },
    { "", "public", "{\"token\":{" TIMES ",\"catalog\":{}}}", "!no catalog" },
    { "", "public", CATALOG(""), "!\"object-store\"" },
    { "", "public", CATALOG(SERVICE("image", TWO)), "!\"object-store\"" },
    { "", "admin", CATALOG(SERVICE("object-store", TWO)),
      "!registry_auth_interface" },
    { "three", "public", CATALOG(SERVICE("object-store", TWO)),
      "!registry_auth_region" },
    { "two", "internal", CATALOG(SERVICE("object-store", TWO)),
      "!registry_auth_region" }
};


static const struct { const char *text; int64_t want; } times[] = {
    { "1970-01-01T00:00:00Z", 0 },
    { "2015-11-07T01:58:43.578929Z", 1446861523 },
    { "2024-02-29T23:59:59Z", 1709251199 },
    { "2000-03-01T00:00:00.Z", 951868800 },
    { "9999-12-31T23:59:60Z", 253402300800 },
    { "", -1 }, { "2015-11-07T01:58:43", -1 }, { "2015-11-07 01:58:43Z", -1 },
    { "2015-13-07T01:58:43Z", -1 }, { "2015-00-07T01:58:43Z", -1 },
    { "2015-11-07T24:58:43Z", -1 }, { "2015-11-07T01:58:43+01:00", -1 },
    { "2015-11-07T01:58:43.5", -1 }, { "2015-11-07T01:58:43Zz", -1 },
    { "1969-11-07T01:58:43Z", -1 }, { "201a-11-07T01:58:43Z", -1 },
    { "2015-11-0 T01:58:43Z", -1 }
};


static int
contains(const char *text, const char *part)
{
    return text && strstr(text, part) != NULL;
}


static void
test_requests(void)
{
    size_t          i;
    reg_str_t       body, secret;
    const char     *why;
    tap_arena_t     a;
    reg_keystone_t  k;

    for (i = 0; i < ROWS(requests); i++) {

        k = values(requests[i].user, requests[i].domain, requests[i].project,
                   requests[i].project_domain, requests[i].credential,
                   requests[i].trust, "", requests[i].interface);

        why = reg_keystone_check(&k);

        if (requests[i].want[0] != '{') {
            ok(why && strncmp(why, requests[i].want,
                              strlen(requests[i].want)) == 0,
               "request refused", i);
            continue;
        }

        /* one allocation, as the secret is in it */

        tap_arena_init(&a, 1);
        secret = tap_str(&a, "s\"1", 3);
        a.left = 1;
        body = reg_keystone_request(&a.arena, &k, &secret);

        ok(why == NULL && tap_is(&body, requests[i].want), "request", i);

        a.left = 0;
        body = reg_keystone_request(&a.arena, &k, &secret);

        ok(body.data == NULL, "request without memory", i);

        tap_arena_free(&a);
    }
}


static void
test_answers(void)
{
    size_t                 i, n;
    reg_rc_t               rc;
    reg_str_t              text;
    const char            *why, *want;
    tap_arena_t            a;
    reg_keystone_t         k;
    reg_keystone_token_t   token;

    for (i = 0; i < ROWS(answers); i++) {

        want = answers[i].want;
        k = values("u", "d", "p", "", "", "", answers[i].region,
                   answers[i].interface);

        for (n = 0; ; n++) {
            tap_arena_init(&a, 1);
            text = tap_str(&a, answers[i].text, strlen(answers[i].text));
            a.left = n;
            why = NULL;

            rc = reg_keystone_read(&a.arena, &text, &k, &token, &why);

            if (!a.failed) {
                break;
            }

            if (rc == REG_OK) {
                ok(0, "answer with too little memory", i);
            }

            tap_arena_free(&a);
        }

        if (*want == '!') {
            ok(rc == REG_BAD
               && (strcmp(want, "!JSON") == 0 || contains(why, want + 1)),
               "answer refused", i);

        } else {
            ok(rc == REG_OK && tap_is(&token.url, want)
               && token.issued == 1709164800
               && token.expires == token.issued + 3600,
               "answer", i);
        }

        tap_arena_free(&a);
    }
}


static void
test_times(void)
{
    size_t       i;
    reg_str_t    text;
    tap_arena_t  a;

    for (i = 0; i < ROWS(times); i++) {
        tap_arena_init(&a, 1);
        text = tap_str(&a, times[i].text, strlen(times[i].text));

        ok(reg_keystone_time(&text) == times[i].want, "time", i);

        tap_arena_free(&a);
    }
}


int
main(void)
{
    test_requests();
    test_answers();
    test_times();

    return tap_end();
}
