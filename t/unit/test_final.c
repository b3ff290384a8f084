/*
 * What stands at a blob's name: several requests that write it at once, one
 * row of calls at a time, in all orders of few switches, with listings that
 * lag, too; what stood there before; and what becomes of it meanwhile.  At
 * each moment it is right, or absent, and in the end no segment is there that
 * no large object names.
 */

#include "store.h"


#define SWITCHES  3                     /* the last only if asked */
#define WRITERS   2
#define ROWS_MAX  16


typedef enum {
    PARTS = 0,          /* the closing PUT of an upload of several parts */
    SAME,               /* that of the first writer's upload, once more */
    PART,               /* of one part */
    MONO                /* a POST with all of it */
} how_t;


static const char  *const names[] = { "parts", "same", "part", "mono" };

/* not so small that it would be merged with what follows */
#define LONG  (64 * 1024 + 1)


static char         bytes[LONG + sizeof("bbbb")];
static char         blob[300], digest[100];
static unsigned     rows;               /* behind the second switch */
static char         uri[WRITERS][2200];
static tap_arena_t  memory[WRITERS];


static void
patch(reg_flow_t *f, tap_arena_t *arena, const char *body, char *at)
{
    (void) run(f, arena, REG_PATCH, at, body, "");
    (void) location(f, at);
}


static void
prepare(how_t how, unsigned n)
{
    char         first[LONG + 1];
    reg_flow_t   f;
    tap_arena_t  arena;

    if (how == SAME) {
        memmove(uri[n], uri[0], sizeof(uri[n]));
        return;
    }

    if (how == MONO) {
        (void) sprintf(uri[n], "/v2/m%u/blobs/uploads/?digest=%s", n, digest);
        return;
    }

    tap_arena_init(&arena, (size_t) -1);

    (void) sprintf(uri[n], "/v2/r%u/blobs/uploads/", n);
    (void) run(&f, &arena, REG_POST, uri[n], "", "");
    (void) location(&f, uri[n]);

    if (how == PART) {
        patch(&f, &arena, bytes, uri[n]);

    } else {
        (void) sprintf(first, "%.*s", LONG, bytes);
        patch(&f, &arena, first, uri[n]);
        patch(&f, &arena, bytes + LONG, uri[n]);
    }

    (void) sprintf(uri[n] + strlen(uri[n]), "&digest=%s", digest);

    tap_arena_free(&arena);
}


static int
has_orphans(void)
{
    object_t  *o;
    unsigned   i;

    o = find(blob);

    for (i = 0; i < nobjects; i++) {
        if (strncmp(objects[i].name, REG_PATH_ALL_SEGMENTS,
                    sizeof(REG_PATH_ALL_SEGMENTS) - 1)
            == 0
            && (o == NULL || o->segments[0] == '\0'
                || strncmp(objects[i].name, o->segments, strlen(o->segments))
                   != 0))
        {
            printf("# %s is nobody's\n", objects[i].name);
            return 1;
        }
    }

    return 0;
}


/* a large object has all that it was made of, whoever works at it */

static int
is_whole(void)
{
    size_t     len;
    object_t  *o;
    unsigned   i;

    o = find(blob);

    if (o == NULL || o->segments[0] == '\0') {
        return 1;
    }

    for (len = 0, i = 0; i < nobjects; i++) {
        if (strncmp(objects[i].name, o->segments, strlen(o->segments)) == 0) {
            len += objects[i].len;
        }
    }

    return len == sizeof(bytes) - 1;
}


/* who is at work: the first for at[0] rows, then the other for at[1] ... */

static int
race(const how_t *how, const unsigned *at, unsigned first, unsigned lag)
{
    int          right;
    unsigned     i, turn, left, status[WRITERS];
    reg_flow_t   f[WRITERS];
    const char  *body[WRITERS];

    clear();
    prepare(how[0], 0);
    prepare(how[1], 1);
    lagging = lag;

    for (i = 0; i < WRITERS; i++) {
        body[i] = how[i] == MONO ? bytes : "";
        tap_arena_init(&memory[i], (size_t) -1);
        status[i] = start(&f[i], &memory[i],
                          how[i] == MONO ? REG_POST : REG_PUT, uri[i],
                          body[i], "");
    }

    right = 1;
    turn = first;
    i = 0;
    left = at[0];

    while (status[0] == 0 || status[1] == 0) {

        if (status[turn]) {
            turn = !turn;

        } else if (left == 0 && i < SWITCHES) {
            turn = !turn;
            left = ++i < SWITCHES ? at[i] : 0;

            if (status[turn]) {
                turn = !turn;
            }
        }

        left -= (left > 0);
        status[turn] = proceed(&f[turn], body[turn]);

        right &= is_whole();
    }

    lagging = 0;

    right &= (status[0] == 201 && status[1] == 201 && store_is_right()
              && find(blob) != NULL && !has_orphans());

    if (!right) {
        printf("# %s and %s, %u first, %u %u %u, %u late: %u %u\n",
               names[how[0]], names[how[1]], first, at[0], at[1], at[2], lag,
               status[0], status[1]);
    }

    tap_arena_free(&memory[0]);
    tap_arena_free(&memory[1]);

    return right;
}


static void
test_races(const how_t *how, unsigned lag, size_t row)
{
    int       right;
    unsigned  first, at[SWITCHES], n;

    right = 1;
    n = 0;

    for (first = 0; first < WRITERS && right; first++) {
        for (at[0] = 0; at[0] < ROWS_MAX && right; at[0]++) {
            for (at[1] = 1; at[1] < ROWS_MAX && right; at[1]++) {
                for (at[2] = 1; at[2] <= rows && right; at[2]++) {
                    right &= race(how, at, first, lag);
                    n++;
                }
            }
        }
    }

    ok(right, lag ? "two at once, listings lag" : "two at once", row);
    printf("# %s and %s, %u late: %u orders\n", names[how[0]],
           names[how[1]], lag, n);
}


/* what stood there: of two segments, the second of which is "last" */

static void
put_segments(const char *prefix, const char *last, int whole,
    const char *vouched)
{
    char         name[300], first[LONG + 1], size[20];
    object_t    *o;
    reg_str_t    etag;
    tap_arena_t  arena;

    (void) sprintf(first, "%.*s", LONG, bytes);
    (void) sprintf(name, "%s0000000000000000", prefix);
    put(name, first, LONG);
    (void) sprintf(name, "%s%016d", prefix, LONG);
    put(name, last, strlen(last));

    (void) sprintf(size, "%zu", sizeof(bytes) - 1);
    put_large(blob, prefix, whole ? size : NULL, vouched);

    if (vouched == NULL && whole) {
        tap_arena_init(&arena, (size_t) -1);
        o = find(blob);
        etag_of_large(&arena.arena, &etag, o);
        (void) sprintf(o->vouched, "%.*s", (int) etag.len, etag.data);
        tap_arena_free(&arena);
    }
}


static void
stand(unsigned what, const char *prefix)
{
    char  wrong[sizeof(bytes)];

    memcpy(wrong, bytes, sizeof(bytes));
    wrong[7] = 'x';

    switch (what) {
    case 0:
        put(blob, bytes, sizeof(bytes) - 1);
        break;
    case 1:
        put(blob, wrong, sizeof(bytes) - 1);
        break;
    case 2:
        put(blob, "", 0);
        break;
    case 3:
        put_segments(prefix, "bbbb", 1, NULL);
        break;
    case 4:
        put_segments(prefix, "bbbb", 1, "");
        break;
    case 5:
        put_segments(prefix, "bbbx", 1, "");
        break;
    case 6:
        put_segments(prefix, "bb", 1, "");
        break;
    case 7:
        put_segments(prefix, "bbbx", 0, "");
        break;
    default:
        put(blob, bytes, sizeof(bytes) - 1);
        find(blob)->expires = 1;
    }
}


/* it is kept if it is right, and nothing of it is left if not */

static void
test_standing(void)
{
    char         own[300];
    unsigned     i, k, how, was, status;
    reg_flow_t   f;
    tap_arena_t  arena;

    static const struct {
        const char  *name;
        int          right;
        int          rest;              /* of registry:2, for its collector */
    } rows[] = {
        { "a plain object", 1, 0 }, { "of wrong bytes", 0, 0 },
        { "of no bytes", 0, 0 },
        { "a large one, vouched for", 1, 0 },
        { "that nobody vouches for", 1, 0 },
        { "that is wrong", 0, 0 }, { "that lacks bytes", 0, 0 },
        { "a wrong one of registry:2", 0, 1 }
    };

    (void) sprintf(own, "%s%s/old/", REG_PATH_SEGMENTS, digest + 7);

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (k = 0; k < 2; k++) {
            for (how = PARTS; how <= MONO; how++) {

                if (how == SAME) {
                    continue;
                }

                clear();
                prepare(how, 0);
                stand(i, rows[i].rest ? "segments/abc/def/"
                         : k ? REG_PATH_SEGMENTS "old/" : own);
                was = find(blob)->modified;

                tap_arena_init(&arena, (size_t) -1);
                status = run(&f, &arena, how == MONO ? REG_POST : REG_PUT,
                             uri[0], how == MONO ? bytes : "", "");
                tap_arena_free(&arena);

                ok(status == 201 && store_is_right()
                   && (find(blob)->modified == was) == rows[i].right
                   && (rows[i].rest || !has_orphans()),
                   rows[i].name, i * 100 + k * 10 + how);
            }
        }
    }

    for (how = PARTS; how <= MONO; how++) {

        if (how == SAME) {
            continue;
        }

        clear();
        prepare(how, 0);
        stand(i, "");
        was = find(blob)->modified;

        tap_arena_init(&arena, (size_t) -1);
        status = run(&f, &arena, how == MONO ? REG_POST : REG_PUT,
                     uri[0], how == MONO ? bytes : "", "");
        tap_arena_free(&arena);

        ok(status == 503 && find(blob)->modified == was,
           "a name that expires", how);
    }
}


/* what another one makes of a blob that was kept, when it is linked */

static reg_flow_t  *watched;
static unsigned     change;


static void
change_linked(void)
{
    unsigned     i;
    reg_call_t  *call;

    for (i = 0; i < watched->ncalls; i++) {
        call = &watched->calls[i];

        if (call->method == REG_PUT && call->object.len > 5
            && memcmp(call->object.data + call->object.len - 5, "/link", 5)
               == 0)
        {
            between = NULL;

            if (change == NEVER) {
                drop(find(blob));

            } else {
                stand(change, REG_PATH_SEGMENTS "new/");
                lagging = 3;
            }

            return;
        }
    }
}


static void
test_changed(void)
{
    unsigned     i, was, status;
    reg_flow_t   f;
    tap_arena_t  arena;

    static const struct {
        const char  *name;
        unsigned     was, is;
        unsigned     status;
    } rows[] = {
        { "a large one becomes plain", 3, 0, 201 },
        { "a plain one large", 0, 3, 201 },
        { "and nobody vouches for it", 0, 4, 201 },
        { "other bytes", 0, 1, 503 },
        { "other bytes in segments", 0, 5, 503 },
        { "fewer bytes", 3, 6, 503 },
        { "it expires", 3, 8, 503 },
        { "it is deleted", 3, NEVER, 503 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        clear();
        prepare(MONO, 0);
        stand(rows[i].was, REG_PATH_SEGMENTS "old/");
        was = find(blob)->modified;

        watched = &f;
        change = rows[i].is;
        between = change_linked;

        tap_arena_init(&arena, (size_t) -1);
        status = run(&f, &arena, REG_POST, uri[0], bytes, "");
        tap_arena_free(&arena);

        lagging = 0;

        ok(status == rows[i].status && between == NULL
           && (find(blob) == NULL || find(blob)->modified > was),
           rows[i].name, status);
    }
}


int
main(void)
{
    size_t  i;

    static const how_t  pairs[][WRITERS] = {
        { PARTS, PARTS }, { PARTS, SAME }, { PARTS, PART }, { PARTS, MONO },
        { PART, MONO }, { PART, PART }, { MONO, MONO }
    };

    fail_call = NEVER;
    page = OBJECTS_MAX;
    rows = getenv("RACES") ? ROWS_MAX : 1;
    memset(bytes, 'b', sizeof(bytes) - 1);
    text_of(digest, bytes);
    (void) sprintf(blob, "files/docker/registry/v2/blobs/sha256/%.2s/%s/data",
                   digest + 7, digest + 7);

    for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        test_races(pairs[i], 0, i);
        test_races(pairs[i], 9, i);
    }

    test_standing();
    test_changed();
    clear();

    return tap_end();
}
