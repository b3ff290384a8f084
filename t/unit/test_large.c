/*
 * Blobs of several parts, of merged ones, mounts and cancels: each call
 * refused, each answer lost, and each allocation failing in turn.  Then all
 * that can expire does, and the request is made again.
 */

#include "store.h"


#define LONG  (64 * 1024 + 1)


typedef struct {
    const char     *name;
    unsigned        parts;
    size_t          size;               /* of each */
    reg_method_t    method;
    unsigned        status;             /* when nothing fails */
} row_t;


static const row_t  rows[] = {
    { "a PUT of large parts", 3, LONG, REG_PUT, 201 },
    { "a PUT of many large parts", 17, LONG, REG_PUT, 201 },
    { "a PUT of small parts", 5, 3, REG_PUT, 201 },
    { "a PATCH that merges", 16, 3, REG_PATCH, 202 },
    { "a cancel", 3, LONG, REG_DELETE, 204 },
    { "a mount", 3, LONG, REG_POST, 201 }
};

#define ROWS  (sizeof(rows) / sizeof(rows[0]))


static char      uri[2200];
static object_t  saved[OBJECTS_MAX];
static unsigned  nsaved;
static char      bytes[17 * LONG + 1];


/* a week later */

static void
expire(void)
{
    unsigned  i;

    for (i = nobjects; i > 0; i--) {
        if (objects[i - 1].expires) {
            drop(&objects[i - 1]);
        }
    }

    qsort(objects, nobjects, sizeof(object_t), by_name);
}


static void
prepare(const row_t *row)
{
    char         *body, digest[100];
    unsigned      i;
    reg_flow_t    f;
    tap_arena_t   arena;

    clear();
    fail_call = NEVER;
    body = calloc(1, row->size + 1);
    bytes[0] = '\0';

    tap_arena_init(&arena, (size_t) -1);

    (void) run(&f, &arena, REG_POST, "/v2/a/b/blobs/uploads/", "", "");
    (void) location(&f, uri);

    for (i = 0; i < row->parts; i++) {
        memset(body, 'a' + (int) i, row->size);
        memcpy(bytes + i * row->size, body, row->size + 1);
        (void) run(&f, &arena, REG_PATCH, uri, body, "");
        (void) location(&f, uri);
    }

    text_of(digest, bytes);

    if (row->method == REG_PUT) {
        (void) sprintf(uri + strlen(uri), "&digest=%s", digest);

    } else if (row->method == REG_POST) {
        (void) sprintf(uri + strlen(uri), "&digest=%s", digest);
        (void) run(&f, &arena, REG_PUT, uri, "", "");
        (void) sprintf(uri, "/v2/c/blobs/uploads/?mount=%s&from=a/b",
                       digest);
    }

    tap_arena_free(&arena);
    free(body);
}


/* what prepare() made, once more */

static void
save(void)
{
    for (nsaved = 0; nsaved < nobjects; nsaved++) {
        saved[nsaved] = objects[nsaved];
        objects[nsaved].data = NULL;
    }

    nobjects = 0;
}


static void
restore(void)
{
    clear();

    while (nobjects < nsaved) {
        objects[nobjects] = saved[nobjects];
        objects[nobjects].data = malloc(saved[nobjects].len + 1);
        memcpy(objects[nobjects].data, saved[nobjects].data,
               saved[nobjects].len);
        nobjects++;
    }
}


static unsigned
make(const row_t *row, size_t memory, size_t *left)
{
    unsigned     status;
    reg_flow_t   f;
    tap_arena_t  arena;

    tap_arena_init(&arena, memory);
    status = run(&f, &arena, row->method, uri,
                 row->method == REG_PATCH ? "more" : "", "");
    *left = arena.failed ? 0 : 1;
    tap_arena_free(&arena);

    return status;
}


/* the blob is there for good when the client was told so */

static int
kept(const row_t *row, unsigned status)
{
    char         text[300], digest[100];
    unsigned     got;
    reg_flow_t   f;
    tap_arena_t  arena;

    if (status != 201) {
        return 1;
    }

    text_of(digest, bytes);
    (void) sprintf(text, "/v2/%s/blobs/%s",
                   row->method == REG_POST ? "c" : "a/b", digest);

    tap_arena_init(&arena, (size_t) -1);
    got = run(&f, &arena, REG_HEAD, text, "", "");
    tap_arena_free(&arena);

    return got == 200 && f.answer.length == (int64_t) strlen(bytes);
}


static int
retry(const row_t *row, unsigned first)
{
    size_t    left;
    unsigned  again;

    if (first < 500) {
        expire();
        return store_is_right() && kept(row, first);
    }

    if (!store_is_right()) {
        return 0;
    }

    again = make(row, (size_t) -1, &left);

    /* a PATCH is not repeated blindly: its place may be taken */

    if (again != row->status
        && !(row->method == REG_PATCH && again == 416)
        && !(row->method == REG_DELETE && again == 404))
    {
        printf("# %u, then %u\n", first, again);
        return 0;
    }

    expire();

    return store_is_right() && kept(row, again);
}


/* segments that no large object names */

static unsigned
has_orphans(void)
{
    unsigned  i, k;

    for (i = 0; i < nobjects; i++) {

        if (strncmp(objects[i].name, "segments/", 9) != 0
            || strstr(objects[i].name, REG_PATH_MARK))
        {
            continue;
        }

        for (k = 0; k < nobjects; k++) {
            if (objects[k].segments[0]
                && strncmp(objects[i].name, objects[k].segments,
                           strlen(objects[k].segments)) == 0)
            {
                break;
            }
        }

        if (k == nobjects) {
            return 1;
        }
    }

    return 0;
}


typedef enum { REFUSED, LOST, MEMORY } fault_t;


static void
test_fault(const row_t *row, fault_t fault)
{
    int       right, done;
    size_t    n, left;
    unsigned  status, orphans;

    static const char  *const names[] = {
        "each call refused", "each answer lost", "each allocation"
    };

    right = 1;
    orphans = 0;

    for (n = 0, done = 0; !done; n++) {
        restore();

        calls = 0;
        fail_call = fault == REFUSED ? (unsigned) n : NEVER;
        lost_call = fault == LOST ? (unsigned) n : NEVER;

        status = make(row, fault == MEMORY ? n : (size_t) -1, &left);

        done = fault == MEMORY ? left != 0 : calls <= n;
        fail_call = NEVER;
        lost_call = NEVER;
        orphans += has_orphans();

        if ((done && status != row->status) || !retry(row, status)) {
            printf("# %s, %zu: %u\n", row->name, n, status);
            right = 0;
            done |= (n > 5000);
        }
    }

    printf("# %s: %s, %zu\n", row->name, names[fault], n - 1);
    ok(right && n > 3, names[fault], (size_t) (row - rows));

    /* that of the large object itself, which may be written all the same */

    ok(fault != REFUSED || orphans <= 1, "segments that are left", orphans);
}


/* a store that copies the expiry, too: what would go away is not told 201 */

static void
test_expiring(void)
{
    size_t    i, left;
    unsigned  status;

    static const row_t  puts[] = {
        { "one part", 1, LONG, REG_PUT, 503 },
        { "several parts", 3, LONG, REG_PUT, 503 }
    };

    for (i = 0; i < 2; i++) {
        prepare(&puts[i]);

        copies_expire = 1;
        status = make(&puts[i], (size_t) -1, &left);
        copies_expire = 0;

        ok(status == 503 && !has_orphans(), "a copy that expires", status);

        expire();
        ok(nobjects == 0, "nothing names it", nobjects);
    }
}


/* a large object that does not show all of its segments yet */

static void
test_lagging(void)
{
    size_t    left;
    unsigned  status;

    prepare(&rows[0]);
    lagging = 5;
    status = make(&rows[0], (size_t) -1, &left);
    ok(status == 201 && lagging == 0 && kept(&rows[0], status),
       "it is waited for", status);

    prepare(&rows[0]);
    lagging = NEVER;
    status = make(&rows[0], (size_t) -1, &left);
    lagging = 0;
    ok(status == 503 && store_is_right(), "not for ever", status);
    ok(make(&rows[0], (size_t) -1, &left) == 201, "then it is there", 0);
}


int
main(void)
{
    size_t   i;
    fault_t  fault;

    page = OBJECTS_MAX;

    for (i = 0; i < ROWS; i++) {
        prepare(&rows[i]);
        save();

        for (fault = REFUSED; fault <= MEMORY; fault++) {
            if (fault < MEMORY || rows[i].parts < 17) {
                test_fault(&rows[i], fault);
            }
        }

        while (nsaved) {
            free(saved[--nsaved].data);
        }
    }

    test_expiring();
    test_lagging();
    clear();

    return tap_end();
}
