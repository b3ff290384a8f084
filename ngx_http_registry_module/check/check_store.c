/*
 * Requests to the storage, several at once by libcurl's multi interface.
 *
 * What failed for a reason that may pass is repeated; a storage that goes on
 * failing ends the run: nothing may be concluded from what it did not say.
 */

#define _GNU_SOURCE

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "check_store.h"
#include "core/reg_swift.h"
#include "check_auth.h"
#include "check_report.h"


#define WAIT         1000               /* milliseconds */
#define HEADER_MAX   65536              /* of one reply, 1xx included */


/* of one token; requests on their way may still have an older one */

typedef struct headers_s  headers_t;

struct headers_s {
    headers_t          *next;
    struct curl_slist  *get;
    struct curl_slist  *put;
};


struct check_store_s {
    CURLM              *multi;
    char               *url;            /* of the container */
    headers_t          *headers;
    unsigned            generation;

    check_request_t    *queue;
    check_request_t   **last;
    check_request_t    *delayed;
    long                queued;         /* delayed ones, too */
    long                running;
    CURL              **idle;
    size_t              nidle;
};


static void authenticate(check_t *c);
static void run(check_t *c, int block);
static void start(check_t *c, check_request_t *r);
static void options(check_t *c, check_request_t *r, CURL *easy);
static void finish(check_t *c, check_request_t *r, CURLcode code);
static int judge(check_t *c, check_request_t *r, CURLcode code);
static void again(check_t *c, check_request_t *r);
static void wake(check_t *c);
static size_t on_header(char *p, size_t size, size_t n, void *data);
static size_t on_body(char *p, size_t size, size_t n, void *data);
static const char *what(check_request_t *r);
static uint64_t now(void);


void
check_store_init(check_t *c)
{
    check_store_t  *s;

    s = calloc(1, sizeof(check_store_t));
    c->store = s;

    if (s == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        check_fatal(c, "libcurl cannot be used");
    }

    s->multi = curl_multi_init();
    s->idle = calloc((size_t) c->options.parallel, sizeof(CURL *));
    s->last = &s->queue;

    if (s->multi == NULL || s->idle == NULL) {
        check_fatal(c, "out of memory");
    }

    curl_multi_setopt(s->multi, CURLMOPT_MAXCONNECTS, c->options.parallel);

    authenticate(c);
}


void
check_store_free(check_t *c)
{
    headers_t      *h;
    check_store_t  *s;

    s = c->store;

    while (s->nidle) {
        curl_easy_cleanup(s->idle[--s->nidle]);
    }

    curl_multi_cleanup(s->multi);

    while (s->headers) {
        h = s->headers;
        s->headers = h->next;
        curl_slist_free_all(h->get);
        curl_slist_free_all(h->put);
        free(h);
    }

    free(s->idle);
    free(s->url);
    free(s);

    curl_global_cleanup();
}


static void
authenticate(check_t *c)
{
    char           *token, *url, *line;
    headers_t      *h;
    check_store_t  *s;

    s = c->store;

    check_auth(c, &token, &url);

    h = malloc(sizeof(headers_t));

    if (h == NULL || asprintf(&line, REG_SWIFT_TOKEN ": %s", token) < 0) {
        check_fatal(c, "out of memory");
    }

    h->get = curl_slist_append(NULL, line);
    h->put = curl_slist_append(NULL, line);
    h->put = curl_slist_append(h->put,
                               "Content-Type: application/octet-stream");
    h->put = curl_slist_append(h->put, "Expect:");

    free(line);
    free(token);
    free(s->url);

    h->next = s->headers;
    s->headers = h;
    s->url = url;
    s->generation++;
}


void
check_store_head_container(check_t *c)
{
    check_request_t  *r;

    r = check_request(c, REG_HEAD, NULL, NULL, NULL);

    check_wait_for(c, r);
    c->objects_total = r->objects;
    check_request_free(r);
}


check_request_t *
check_request(check_t *c, reg_method_t method, const reg_str_t *object,
    const char *query, check_done_pt done)
{
    reg_buf_t         b;
    check_pool_t      pool;
    check_request_t  *r;

    r = calloc(1, sizeof(check_request_t));
    if (r == NULL) {
        check_fatal(c, "out of memory");
    }

    r->method = method;
    r->done = done;
    r->body_max = 4096;

    check_pool_init(&pool);
    reg_buf_init(&b, &pool.arena, 512);

    if (object) {
        r->object = check_strdup(NULL, object);
        reg_buf_char(&b, '/');
        reg_buf_escape(&b, &c->options.prefix, 1);
        reg_buf_escape(&b, object, 1);
    }

    if (query) {
        reg_buf_char(&b, '?');
        reg_buf_text(&b, query);
    }

    /* the container's URL is put in front when it is sent */

    r->url = strndup((char *) b.data, b.len);
    if (r->url == NULL) {
        check_fatal(c, "out of memory");
    }

    check_pool_free(&pool);

    return r;
}


/* the token of another type's headers is that of now: repairs are few */

void
check_request_put(check_t *c, check_request_t *r, const reg_str_t *body,
    const char *type)
{
    char               *line;
    struct curl_slist  *headers;

    r->put = (unsigned char *) check_strdup(NULL, body);
    r->put_len = body->len;

    if (type == NULL) {
        return;
    }

    if (asprintf(&line, "Content-Type: %s", type) < 0) {
        check_fatal(c, "out of memory");
    }

    headers = curl_slist_append(NULL, c->store->headers->get->data);
    headers = curl_slist_append(headers, line);
    r->put_headers = curl_slist_append(headers, "Expect:");

    free(line);
}


void
check_request_free(check_request_t *r)
{
    curl_slist_free_all(r->put_headers);
    free(r->object_manifest);
    free(r->object);
    free(r->body);
    free(r->put);
    free(r->url);
    free(r);
}


void
check_send(check_t *c, check_request_t *r)
{
    check_store_t  *s;

    s = c->store;

    r->next = NULL;
    *s->last = r;
    s->last = &r->next;
    s->queued++;
}


void
check_throttle(check_t *c)
{
    run(c, 0);

    while (c->store->queued > c->options.parallel) {
        run(c, 1);
    }
}


void
check_wait(check_t *c)
{
    while (c->store->queued || c->store->running) {
        run(c, 1);
    }
}


void
check_wait_for(check_t *c, check_request_t *r)
{
    if (!r->keep) {
        r->keep = 1;
        check_send(c, r);
    }

    while (!r->complete) {
        run(c, 1);
    }
}


static void
run(check_t *c, int block)
{
    int               left, still;
    CURL             *easy;
    CURLMsg          *m;
    CURLcode          code;
    check_store_t    *s;
    check_request_t  *r;

    s = c->store;

    wake(c);

    while (s->queue && s->running < c->options.parallel) {
        r = s->queue;
        s->queue = r->next;

        if (s->queue == NULL) {
            s->last = &s->queue;
        }

        s->queued--;
        start(c, r);
    }

    if (s->running || s->queued) {

        if (curl_multi_perform(s->multi, &still) != CURLM_OK) {
            check_fatal(c, "libcurl failed");
        }

        if (block && still == s->running) {
            curl_multi_poll(s->multi, NULL, 0, s->delayed ? 50 : WAIT, NULL);
        }
    }

    while ((m = curl_multi_info_read(s->multi, &left)) != NULL) {

        if (m->msg != CURLMSG_DONE) {
            continue;
        }

        easy = m->easy_handle;
        code = m->data.result;

        curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **) &r);
        finish(c, r, code);
    }

    check_progress(c);
}


static void
start(check_t *c, check_request_t *r)
{
    CURL           *easy;
    check_store_t  *s;

    s = c->store;

    easy = s->nidle ? s->idle[--s->nidle] : curl_easy_init();
    if (easy == NULL) {
        check_fatal(c, "out of memory");
    }

    r->easy = easy;
    r->generation = s->generation;
    r->status = 0;
    r->body_len = 0;
    r->header_len = 0;
    r->error[0] = '\0';

    if (r->hash) {
        reg_hash_init(r->hash, r->hash->alg);
    }

    options(c, r, easy);

    if (curl_multi_add_handle(s->multi, easy) != CURLM_OK) {
        check_fatal(c, "libcurl failed");
    }

    s->running++;
    c->requests++;
}


static void
options(check_t *c, check_request_t *r, CURL *easy)
{
    char           *url;
    check_store_t  *s;

    s = c->store;

    if (asprintf(&url, "%s%s", s->url, r->url) < 0) {
        check_fatal(c, "out of memory");
    }

    check_curl_options(c, easy);

    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, r);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER,
                     r->method != REG_PUT ? s->headers->get
                     : r->put_headers ? r->put_headers : s->headers->put);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, r->error);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, c->options.timeout);
    curl_easy_setopt(easy, CURLOPT_FILETIME, 1L);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, r);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, r);

    free(url);

    if (r->method == REG_HEAD) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);

    } else if (r->method == REG_PUT) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long) r->put_len);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, r->put);
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "PUT");

    } else if (r->method == REG_DELETE) {
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "DELETE");
    }
}


static void
finish(check_t *c, check_request_t *r, CURLcode code)
{
    long            status, filetime;
    curl_off_t      length;
    check_store_t  *s;

    s = c->store;

    status = 0;
    filetime = -1;
    length = -1;

    if (code == CURLE_OK) {
        curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(r->easy, CURLINFO_FILETIME, &filetime);
        curl_easy_getinfo(r->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T,
                          &length);
    }

    curl_multi_remove_handle(s->multi, r->easy);
    s->idle[s->nidle++] = r->easy;
    s->running--;

    r->easy = NULL;
    r->status = (unsigned) status;
    r->length = length;
    r->modified = filetime > 0 ? filetime : 0;

    if (!judge(c, r, code)) {
        again(c, r);
        return;
    }

    r->complete = 1;

    if (r->done) {
        r->done(c, r);
    }

    if (!r->keep) {
        check_request_free(r);
    }
}


/* 0: once more */

static int
judge(check_t *c, check_request_t *r, CURLcode code)
{
    reg_str_t  body;

    if (r->overflow) {
        check_fatal(c, "%s: the reply is longer than %zu bytes", what(r),
                    r->body_max);
    }

    if (code != CURLE_OK || r->status >= 500 || r->status == 429
        || r->status == 408)
    {
        if (++r->tries < CHECK_TRIES) {
            return 0;
        }

        if (r->hash) {
            r->broken = 1;
            return 1;
        }

        if (code != CURLE_OK) {
            check_fatal(c, "%s: %s (tried %d times)", what(r),
                        r->error[0] ? r->error : curl_easy_strerror(code),
                        CHECK_TRIES);
        }

        check_fatal(c, "%s: the storage answered %u (tried %d times)",
                    what(r), r->status, CHECK_TRIES);
    }

    if (r->status == 401) {

        if (++r->tries == CHECK_TRIES) {
            check_fatal(c, "%s: the storage refuses a fresh token", what(r));
        }

        if (r->generation == c->store->generation) {
            authenticate(c);
        }

        return 0;
    }

    if (r->status == 404) {

        body.data = r->body;
        body.len = r->body_len;

        if (r->object == NULL || reg_swift_no_container(&body)) {
            check_fatal(c, "there is no container \"%s\" at %s",
                        c->options.container, c->store->url);
        }

        return 1;
    }

    if (r->status < 200 || r->status > 299) {
        check_fatal(c, "%s: the storage answered %u", what(r), r->status);
    }

    return 1;
}


static void
again(check_t *c, check_request_t *r)
{
    check_store_t  *s;

    s = c->store;

    r->not_before = now() + (r->status == 401 ? 0 : CHECK_BACKOFF << r->tries);
    r->next = s->delayed;
    s->delayed = r;
    s->queued++;
}


static void
wake(check_t *c)
{
    uint64_t           t;
    check_store_t     *s;
    check_request_t   *r, **p;

    s = c->store;

    if (s->delayed == NULL) {
        return;
    }

    t = now();

    for (p = &s->delayed; *p != NULL; /* void */) {
        r = *p;

        if (r->not_before > t) {
            p = &r->next;
            continue;
        }

        *p = r->next;
        s->queued--;
        check_send(c, r);
    }
}


static size_t
on_header(char *p, size_t size, size_t n, void *data)
{
    char             *value;
    check_request_t  *r = data;

    n *= size;
    r->header_len += n;

    if (r->header_len > HEADER_MAX) {
        return 0;
    }

    if (n > 5 && memcmp(p, "HTTP/", 5) == 0) {
        free(r->object_manifest);
        r->object_manifest = NULL;
        r->expires = 0;
        r->objects = -1;
        return n;
    }

    value = check_curl_field(p, n, REG_SWIFT_MANIFEST);
    if (value) {
        free(r->object_manifest);
        r->object_manifest = value;
        return n;
    }

    value = check_curl_field(p, n, REG_SWIFT_EXPIRES_AT);
    if (value) {
        r->expires = 1;
        free(value);
        return n;
    }

    value = check_curl_field(p, n, REG_SWIFT_OBJECTS);
    if (value) {
        r->objects = reg_atoi64((unsigned char *) value, strlen(value));
        free(value);
    }

    return n;
}


static size_t
on_body(char *p, size_t size, size_t n, void *data)
{
    long              status;
    size_t            room, total;
    unsigned char    *body;
    check_request_t  *r = data;

    n *= size;
    total = n;

    curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);

    if (r->hash && status < 300) {
        reg_hash_update(r->hash, p, n);
        return n;
    }

    if (n > r->body_max - r->body_len) {
        r->overflow = (status < 300);
        n = r->body_max - r->body_len;
    }

    /* in steps of a power of two */

    for (room = 1024; room < r->body_len + n; room *= 2) { /* void */ }

    body = realloc(r->body, room);
    if (body == NULL) {
        return 0;
    }

    if (n) {
        memcpy(body + r->body_len, p, n);
    }

    r->body = body;
    r->body_len += n;

    return r->overflow ? 0 : total;
}


static const char *
what(check_request_t *r)
{
    static char  text[1200];

    snprintf(text, sizeof(text), "%s %s", reg_swift_method(r->method),
             r->object ? r->object : "container");

    return text;
}


static uint64_t
now(void)
{
    struct timespec  t;

    clock_gettime(CLOCK_MONOTONIC, &t);

    return (uint64_t) t.tv_sec * 1000 + (uint64_t) t.tv_nsec / 1000000;
}
