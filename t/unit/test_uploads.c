/*
 * Two requests on one upload, the second of them at each boundary between
 * the calls of the first; and each answer of the store lost after the call
 * was made, with the client's retry.  A blob is right or absent, and bytes
 * that were acknowledged are there.
 */

#include "store.h"


typedef struct {
    reg_method_t    method;
    const char     *body;
    const char     *digest_of;          /* of a closing PUT */
    const char     *bytes;              /* of the upload after a PATCH */
} request_t;


static const request_t  requests[] = {
    { REG_PATCH, "one", NULL, "firstone" },
    { REG_PATCH, "another", NULL, "firstanother" },
    { REG_PUT, "", "first", NULL },
    { REG_PUT, "last", "firstlast", NULL },
    { REG_DELETE, "", NULL, NULL }
};

#define REQUESTS  (sizeof(requests) / sizeof(requests[0]))


static char              state[2000];   /* what both clients hold */
static const request_t  *inner;
static unsigned          inner_at, inner_status, boundaries;
static char              inner_state[2000];
static tap_arena_t      *arena;


static unsigned
make(const request_t *rq, const char *uri, char *next)
{
    char        text[2200], digest[100];
    unsigned    status;
    reg_flow_t  f;

    (void) sprintf(text, "%s", uri);

    if (rq->digest_of) {
        text_of(digest, rq->digest_of);
        (void) sprintf(text + strlen(text), "&digest=%s", digest);
    }

    status = run(&f, arena, rq->method, text, rq->body, "");

    if (next) {
        *next = '\0';
        (void) location(&f, next);
    }

    return status;
}


static void
run_inner(void)
{
    if (boundaries++ == inner_at) {
        between = NULL;
        inner_status = make(inner, state, inner_state);
        between = run_inner;
    }
}


static int
begin(unsigned parts)
{
    request_t   first = { REG_PATCH, "first", NULL, NULL };
    reg_flow_t  f;

    clear();
    calls = 0;
    fail_call = NEVER;

    (void) run(&f, arena, REG_POST, "/v2/a/b/blobs/uploads/", "", "");

    if (!location(&f, state)) {
        return 0;
    }

    return parts == 0 || make(&first, state, state) == 202;
}


static int
has(const char *bytes)
{
    char        uri[300], digest[100];
    reg_flow_t  f;

    text_of(digest, bytes);
    (void) sprintf(uri, "/v2/a/b/blobs/%s", digest);

    return run(&f, arena, REG_HEAD, uri, "", "") == 200;
}


/* what was acknowledged is there, and can be closed if nothing closed it */

static int
kept(const request_t *rq, unsigned status, const char *next, int closed)
{
    unsigned   got;
    request_t  put = { REG_PUT, "", rq->bytes, NULL };

    if (rq->method == REG_PUT) {
        return status != 201 || has(rq->digest_of);
    }

    if (rq->method == REG_PATCH && status == 202) {
        got = make(&put, next, NULL);
        return closed ? got == 201 || got == 404 : got == 201;
    }

    return 1;
}


static void
test_pair(const request_t *one, const request_t *two, size_t row)
{
    int          right, patches, closed;
    char         next[2000];
    unsigned     at, status;
    tap_arena_t  memory;

    right = 1;

    for (at = 0; at < 30; at++) {
        tap_arena_init(&memory, (size_t) -1);
        arena = &memory;

        right &= begin(1);
        inner = two;
        inner_at = at;
        inner_status = 0;
        boundaries = 0;
        between = run_inner;

        status = make(one, state, next);

        between = NULL;

        if (inner_status == 0) {
            tap_arena_free(&memory);
            break;
        }

        patches = (one->method == REG_PATCH && status == 202)
                  + (two->method == REG_PATCH && inner_status == 202);
        closed = (status == 201 || status == 204 || inner_status == 201
                  || inner_status == 204);

        if (!store_is_right()
            || (one->method == REG_PATCH && two->method == REG_PATCH
                && (patches != 1
                    || (status != 416 && inner_status != 416)))
            || (one == two && one->method == REG_PUT
                && (status != 201 || inner_status != 201))
            || status >= 500 || inner_status >= 500
            || !kept(one, status, next, closed)
            || !kept(two, inner_status, inner_state, closed)
            || !store_is_right())
        {
            printf("# at call %u: %u, and in between %u\n", at, status,
                   inner_status);
            right = 0;
        }

        tap_arena_free(&memory);
    }

    ok(right && at > 0, "two at once", row);
}


/* the store did what it was told, but nobody heard: the client asks again */

static void
test_lost(const request_t *rq, size_t row)
{
    int          right, done;
    char         next[2000];
    unsigned     n, before, status, again;
    reg_flow_t   f;
    tap_arena_t  memory;

    for (right = 1, done = 0, n = 0; !done && n < 40; n++) {
        tap_arena_init(&memory, (size_t) -1);
        arena = &memory;

        right &= begin(1);
        before = calls;
        lost_call = before + n;
        status = make(rq, state, next);
        done = (calls <= before + n);
        lost_call = NEVER;
        again = status;

        if (status >= 500) {

            if (rq->method == REG_PATCH) {
                (void) run(&f, arena, REG_GET, state, "", "");
                right &= location(&f, state);

                again = f.answer.status == 204 ? 202 : 0;

                /* all of it is there, or nothing of it */

                if (!kept(&requests[2], make(&requests[2], state, NULL),
                          NULL, 1)
                    && !kept(rq, 202, state, 0))
                {
                    again = 0;
                }

            } else {
                again = make(rq, state, next);
            }
        }

        if (!store_is_right()
            || (rq->method == REG_PUT && (again != 201
                                          || !has(rq->digest_of)))
            || (rq->method == REG_DELETE && again != 204 && again != 404)
            || again == 0)
        {
            printf("# call %u: %u, then %u\n", n, status, again);
            right = 0;
        }

        tap_arena_free(&memory);
    }

    ok(right && done, "a lost answer", row);
}


/* a node that is alone knows without asking; who comes in between is seen */

static void
test_alone(void)
{
    char         next[2000], old[2000];
    unsigned     before;
    tap_arena_t  memory;

    tap_arena_init(&memory, (size_t) -1);
    arena = &memory;

    (void) begin(0);
    (void) strcpy(old, state);

    before = calls;
    ok(make(&requests[0], state, next) == 202 && calls == before + 1,
       "the first PATCH: one call", calls - before);

    before = calls;
    ok(make(&requests[0], next, state) == 202 && calls == before + 1,
       "another one: one call", calls - before);

    ok(make(&requests[1], old, next) == 416, "at an old place: refused", 0);

    before = calls;
    ok(make(&requests[0], state, next) == 202 && calls > before + 1,
       "behind it: the store was asked", calls - before);

    tap_arena_free(&memory);
}


/* one of many bytes, one at a time; each part of the store stays small */

static void
test_tiny(void)
{
    char         bytes[401], next[2000];
    int          right;
    unsigned     i, most;
    request_t    rq = { REG_PATCH, NULL, NULL, NULL };
    tap_arena_t  memory;

    tap_arena_init(&memory, (size_t) -1);
    arena = &memory;

    right = begin(0);

    for (most = 0, i = 0; i < 400; i++) {
        char  one[2] = { (char) ('a' + i % 26), '\0' };

        bytes[i] = one[0];
        rq.body = one;
        right &= (make(&rq, state, next) == 202);
        (void) strcpy(state, next);
        most = nobjects > most ? nobjects : most;
    }

    bytes[400] = '\0';
    rq = (request_t) { REG_PUT, "", bytes, NULL };

    ok(right, "400 PATCHes of a byte", 0);
    ok(most <= 2 * 16 + 2, "stay few objects", most);
    ok(make(&rq, state, NULL) == 201 && has(bytes) && store_is_right(),
       "make a blob", 0);
    ok(nobjects == 2, "of which nothing else is left", nobjects);

    tap_arena_free(&memory);
}


/*
 * Several parts whose state was lost, or came from the store and so has no
 * hash: they are read again.  The same closing request is made once more while
 * the first one reads them, and while it deletes them.
 */

static void
test_closed_twice(unsigned lost)
{
    int          right;
    char         next[2000];
    unsigned     at, i, status;
    reg_flow_t   f;
    tap_arena_t  memory;

    static const request_t  more[] = {
        { REG_PATCH, "second", NULL, NULL }, { REG_PATCH, "third", NULL, NULL }
    };
    static const request_t  put = { REG_PUT, "", "firstsecondthird", NULL };

    right = 1;

    for (at = 0; at < 40; at++) {
        tap_arena_init(&memory, (size_t) -1);
        arena = &memory;

        right &= begin(1);

        for (i = 0; i < 2; i++) {
            right &= (make(&more[i], state, next) == 202);
            (void) strcpy(state, next);
        }

        (void) strcpy(strchr(state, '?') + 1, "x");

        if (!lost) {
            (void) run(&f, arena, REG_GET, state, "", "");
            right &= location(&f, state);
        }

        inner = &put;
        inner_at = at;
        inner_status = 0;
        boundaries = 0;
        between = run_inner;

        status = make(&put, state, NULL);

        between = NULL;

        if (inner_status == 0) {
            tap_arena_free(&memory);
            break;
        }

        if (status != 201 || inner_status != 201 || !has(put.digest_of)
            || !store_is_right())
        {
            printf("# at call %u: %u, and in between %u\n", at, status,
                   inner_status);
            right = 0;
        }

        tap_arena_free(&memory);
    }

    ok(right && at > 10, "closed twice, read again", lost);
}


/*
 * A worker died while it deleted the parts of what it had linked: some are
 * left, and the client, which has had no answer, asks again.
 */

static void
test_half_deleted(unsigned known)
{
    int          right;
    char         next[2000], names[3][600], bytes[3][10];
    unsigned     i, n, left, status;
    reg_flow_t   f;
    tap_arena_t  memory;

    static const request_t  more[] = {
        { REG_PATCH, "second", NULL, NULL }, { REG_PATCH, "third", NULL, NULL }
    };
    static const request_t  put_all = { REG_PUT, "", "firstsecondthird",
                                        NULL };

    for (left = 0; left < 7; left++) {
        tap_arena_init(&memory, (size_t) -1);
        arena = &memory;

        right = begin(1);

        for (i = 0; i < 2; i++) {
            right &= (make(&more[i], state, next) == 202);
            (void) strcpy(state, next);
        }

        if (!known) {
            (void) strcpy(strchr(state, '?') + 1, "x");
            (void) run(&f, arena, REG_GET, state, "", "");
            right &= location(&f, state);
        }

        for (n = 0, i = 0; i < nobjects && n < 3; i++) {
            if (strstr(objects[i].name, "/_parts/")) {
                (void) strcpy(names[n], objects[i].name);
                (void) sprintf(bytes[n++], "%.*s", (int) objects[i].len,
                               (char *) objects[i].data);
            }
        }

        right &= (n == 3 && make(&put_all, state, NULL) == 201);

        for (i = 0; i < n; i++) {
            if (left & (1u << i)) {
                put(names[i], bytes[i], strlen(bytes[i]));
            }
        }

        status = make(&put_all, state, NULL);

        ok(right && status == 201, "half deleted, closed again",
           known * 10000 + left * 1000 + status);

        tap_arena_free(&memory);
    }

    /* other bytes than the digest's are told all the same */

    tap_arena_init(&memory, (size_t) -1);
    arena = &memory;

    right = begin(1) && make(&more[0], state, state) == 202;
    ok(right && make(&put_all, state, NULL) == 400, "other bytes", known);

    tap_arena_free(&memory);
}


/* requests without a body have it read once at most, whatever they ask */

static void
test_read_once(int known)
{
    char         uri[2400], digest[200];
    int          right;
    size_t       n;
    unsigned     status;
    reg_flow_t   f;
    reg_digest_t d;
    tap_arena_t  memory;

    static const request_t  put = { REG_PUT, "one", "one", NULL };
    static const request_t  again = { REG_PUT, "", "one", NULL };

    tap_arena_init(&memory, (size_t) -1);
    arena = &memory;

    right = begin(1);
    reg_digest_of(&d, REG_SHA512, "others", 6);
    *reg_digest_print((unsigned char *) digest, &d) = '\0';

    (void) strcpy(uri, state);

    if (known) {
        (void) strcat(uri, "&digest=");
    } else {
        (void) strcpy(strchr(uri, '?'), "?digest=");
    }

    (void) strcat(uri, digest);

    hashed = 0;
    status = run(&f, arena, REG_PUT, uri, "", "");
    right &= (status == 400 && hashed == 5);

    for (n = 0; n < 3; n++) {
        right &= (run(&f, arena, REG_PUT, uri, "", "") == 404);
    }

    ok(right && hashed == 5, "of another algorithm, again", hashed);

    authorize = 1;
    right = begin(0);
    (void) strcpy(uri, state);
    right &= (make(&put, uri, NULL) == 201);
    hashed = 0;

    for (n = 0; n < 3; n++) {
        right &= (make(&again, uri, NULL) == 201);
    }

    ok(right && hashed == 0, "closed again, not read again", hashed);
    authorize = 0;

    tap_arena_free(&memory);
}


static int       closing_row;          /* before it the upload is closed */
static unsigned  closed_by_other;
static char      shared[2000];


static void
close_by_other(void)
{
    static const request_t  other = { REG_PUT, "other", "other", NULL };

    if (closing_row-- == 0) {
        between = NULL;
        closed_by_other = make(&other, shared, NULL);
    }
}


/* it may be closed with another digest while the body of this one comes */

static void
test_closed_meanwhile(void)
{
    int          row, right;
    unsigned     both, status;
    tap_arena_t  memory;

    static const request_t  put = { REG_PUT, "one", "one", NULL };

    authorize = 1;

    for (row = 0, both = 0, right = 1; row < 8; row++) {
        tap_arena_init(&memory, (size_t) -1);
        arena = &memory;

        right &= begin(0);
        (void) strcpy(shared, state);

        closing_row = row;
        closed_by_other = 0;
        between = close_by_other;

        status = make(&put, shared, NULL);
        between = NULL;

        /* those that wait for their links at the same moment are both told */

        both += (status == 201 && closed_by_other == 201);
        right &= (status == 201 || status == 404);

        tap_arena_free(&memory);
    }

    authorize = 0;
    ok(right && both <= 1, "closed while the body comes", both);
}


/* a Location that stands for a password is good for one blob */

static void
test_ended(unsigned parts, int whole)
{
    char         closed[2000];
    int          right;
    unsigned     before, n;
    tap_arena_t  memory;

    static const request_t  more = { REG_PATCH, "rest", NULL, NULL };
    static const request_t  puts[][2] = {
        { { REG_PUT, "", "", NULL }, { REG_PUT, "one", "one", NULL } },
        { { REG_PUT, "", "first", NULL }, { REG_PUT, "x", "firstx", NULL } },
        { { REG_PUT, "", "firstrest", NULL },
          { REG_PUT, "x", "firstrestx", NULL } }
    };
    static const request_t  other = { REG_PUT, "other", "other", NULL };

    tap_arena_init(&memory, (size_t) -1);
    arena = &memory;
    authorize = 1;

    right = begin(parts > 0);

    if (parts > 1) {
        right &= (make(&more, state, state) == 202);
    }

    (void) strcpy(closed, state);

    right &= (make(&puts[parts][whole], closed, NULL) == 201);
    before = now;
    n = nobjects;

    ok(right && make(&puts[parts][whole], closed, NULL) == 201
       && now == before && nobjects == n,
       "closed again: the same answer, nothing written", parts);

    right = (make(&puts[parts][!whole], closed, NULL) == 404
             && make(&other, closed, NULL) != 201
             && make(&requests[0], closed, state) == 404
             && make(&requests[4], closed, NULL) == 404);

    ok(right && !has("other") && store_is_right(), "nothing else is pushed",
       parts * 10 + (unsigned) whole);

    right = begin(parts > 0);
    (void) strcpy(closed, state);
    right &= (make(&requests[4], closed, NULL) == 204);
    ok(right && make(&puts[parts > 0][0], closed, NULL) == 404
       && make(&puts[parts > 0][1], closed, NULL) == 404,
       "nor after it was cancelled", parts);

    authorize = 0;
    tap_arena_free(&memory);
}


/*
 * Listings that show none of it: an honest client is not refused, and what the
 * state names is found.  Of "large" parts each is too long to be merged.
 */

static void
test_late(unsigned parts, size_t size)
{
    char         *bytes, *part, next[2000];
    int           right;
    size_t        i;
    reg_flow_t    f;
    request_t     rq = { REG_PATCH, NULL, NULL, NULL };
    tap_arena_t   memory;

    bytes = calloc(parts, size + 1);
    part = calloc(1, size + 1);

    tap_arena_init(&memory, (size_t) -1);
    arena = &memory;
    late = 1;

    right = begin(0);

    for (i = 0; i < parts; i++) {
        memset(part, 'a' + (int) (i % 26), size);
        (void) strcat(bytes, part);
        rq.body = part;
        right &= (make(&rq, state, next) == 202);
        (void) strcpy(state, next);

        if (i % 5 == 4) {
            right &= (run(&f, arena, REG_GET, state, "", "") == 204);
            right &= location(&f, state);
        }
    }

    rq = (request_t) { REG_PUT, "", bytes, NULL };

    ok(right, "late listings: each PATCH", parts);
    ok(make(&rq, state, NULL) == 201 && has(bytes) && store_is_right(),
       "they make a blob", parts);

    for (right = 1, i = 0; i < nobjects; i++) {
        right &= (strncmp(objects[i].name, "uploads/", 8) != 0);
    }

    ok(right, "nothing else of it is left", parts);

    right = begin(1);
    rq = (request_t) { REG_PATCH, part, NULL, NULL };
    right &= (make(&rq, state, state) == 202);
    ok(right && make(&requests[4], state, NULL) == 204 && nobjects == 1,
       "it is cancelled: the mark is left", nobjects);

    late = 0;
    tap_arena_free(&memory);
    free(bytes);
    free(part);
}


/* to cancel is to free room */

static void
test_full(void)
{
    tap_arena_t  memory;

    tap_arena_init(&memory, (size_t) -1);
    arena = &memory;

    full = !begin(1);
    ok(nobjects == 1, "an upload", nobjects);

    full = 1;
    ok(make(&requests[4], state, NULL) == 204 && nobjects == 0,
       "is cancelled over quota", nobjects);
    full = 0;

    tap_arena_free(&memory);
}


int
main(void)
{
    size_t  i, k;

    for (single = 0; single < 2; single++) {

        /* whoever looks at others of the same place sees them in one page */

        page = OBJECTS_MAX;

        for (i = 0; i < REQUESTS; i++) {
            for (k = 0; k < REQUESTS; k++) {
                test_pair(&requests[i], &requests[k], i * 10 + k);
            }
        }

        page = 2;

        for (i = 0; i < REQUESTS; i++) {
            test_lost(&requests[i], i);
        }

        test_tiny();
    }

    single = 1;
    test_alone();
    test_closed_twice(0);
    test_closed_twice(1);
    test_half_deleted(0);
    test_half_deleted(1);

    test_closed_meanwhile();
    test_read_once(0);
    test_read_once(1);

    for (i = 0; i < 3; i++) {
        test_ended((unsigned) i, 0);
        test_ended((unsigned) i, 1);
    }

    test_full();
    test_late(2, 64 * 1024 + 1);
    test_late(20, 64 * 1024 + 1);
    test_late(100, 3);
    clear();

    return tap_end();
}
