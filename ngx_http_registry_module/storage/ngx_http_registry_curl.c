
/*
 * libcurl's sockets and timer on nginx's events.
 */

#include "ngx_http_registry_curl.h"

#include <signal.h>
#include <curl/curl.h>
#include <openssl/crypto.h>


#define NGX_HTTP_REGISTRY_CURL_HEADERS  65536
#define NGX_HTTP_REGISTRY_CURL_CONNECT  5000    /* milliseconds */


static ngx_int_t ngx_http_registry_curl_options(ngx_http_registry_curl_t *curl,
    CURL *easy);
static struct curl_slist *ngx_http_registry_curl_connect(
    ngx_str_t *address);
static void ngx_http_registry_curl_drive(ngx_http_registry_curl_t *curl,
    curl_socket_t s, int mask);
static void ngx_http_registry_curl_complete(ngx_http_registry_curl_t *curl,
    CURLcode code);
static int ngx_http_registry_curl_on_socket(CURL *easy, curl_socket_t s,
    int what, void *data, void *socket_data);
static ngx_uint_t ngx_http_registry_curl_flags(ngx_connection_t *c);
static ngx_int_t ngx_http_registry_curl_watch(ngx_event_t *ev,
    ngx_int_t event, ngx_uint_t wanted);
static void ngx_http_registry_curl_free_connection(ngx_connection_t *c,
    ngx_uint_t flags);
static int ngx_http_registry_curl_on_timer(CURLM *multi, long ms, void *data);
static void ngx_http_registry_curl_timer_handler(ngx_event_t *ev);
static void ngx_http_registry_curl_socket_handler(ngx_event_t *ev);
static size_t ngx_http_registry_curl_on_header(char *p, size_t size, size_t n,
    void *data);
static size_t ngx_http_registry_curl_on_body(char *p, size_t size, size_t n,
    void *data);


static ngx_uint_t  ngx_http_registry_curl_ready;


ngx_http_registry_curl_t *
ngx_http_registry_curl_create(void)
{
    ngx_http_registry_curl_t  *curl;

    /* in a worker, as TLS engines and threads do not survive a fork */

    if (!ngx_http_registry_curl_ready) {
        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
            ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                          "registry: curl_global_init() failed");
            return NULL;
        }

        ngx_http_registry_curl_ready = 1;
    }

    curl = ngx_calloc(sizeof(ngx_http_registry_curl_t), ngx_cycle->log);
    if (curl == NULL) {
        return NULL;
    }

    ngx_queue_init(&curl->connections);

    curl->timer.handler = ngx_http_registry_curl_timer_handler;
    curl->timer.data = curl;
    curl->timer.log = ngx_cycle->log;
    curl->timer.cancelable = 1;

    return curl;
}


ngx_int_t
ngx_http_registry_curl_header(ngx_http_registry_curl_t *curl, char *name,
    ngx_str_t *value)
{
    size_t              size;
    u_char             *line;
    struct curl_slist  *headers;

    size = ngx_strlen(name) + 2 + value->len + 1;

    line = ngx_alloc(size, ngx_cycle->log);
    if (line == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(line, "%s: %V%Z", name, value);

    headers = curl_slist_append(curl->headers, (char *) line);

    OPENSSL_cleanse(line, size);
    ngx_free(line);

    if (headers == NULL) {
        return NGX_ERROR;
    }

    curl->headers = headers;

    return NGX_OK;
}


ngx_int_t
ngx_http_registry_curl_start(ngx_http_registry_curl_t *curl)
{
    CURLM      *multi;
    ngx_str_t   json = ngx_string("application/json");

    curl->multi = curl_multi_init();
    curl->easy = curl_easy_init();

    if (curl->multi == NULL || curl->easy == NULL) {
        return NGX_ERROR;
    }

    if (curl->body.data
        && (ngx_http_registry_curl_header(curl, "Content-Type", &json)
            != NGX_OK
            || ngx_http_registry_curl_header(curl, "Accept", &json)
               != NGX_OK))
    {
        return NGX_ERROR;
    }

    if (ngx_http_registry_curl_options(curl, curl->easy) != NGX_OK) {
        return NGX_ERROR;
    }

    multi = curl->multi;

    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION,
                      ngx_http_registry_curl_on_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, curl);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION,
                      ngx_http_registry_curl_on_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, curl);

    return curl_multi_add_handle(multi, curl->easy) == CURLM_OK ? NGX_OK
                                                                : NGX_ERROR;
}


/* the URL's host and port, whatever they are, are to be had there */

static struct curl_slist *
ngx_http_registry_curl_connect(ngx_str_t *address)
{
    u_char             *text;
    struct curl_slist  *list;

    text = ngx_alloc(sizeof("::") + address->len, ngx_cycle->log);
    if (text == NULL) {
        return NULL;
    }

    ngx_sprintf(text, "::%V%Z", address);
    list = curl_slist_append(NULL, (char *) text);
    ngx_free(text);

    return list;
}


static ngx_int_t
ngx_http_registry_curl_options(ngx_http_registry_curl_t *curl, CURL *easy)
{
#define ngx_http_registry_curl_set(option, value)                             \
    if (curl_easy_setopt(easy, option, value) != CURLE_OK) {                  \
        return NGX_ERROR;                                                     \
    }

    ngx_http_registry_curl_set(CURLOPT_URL, (char *) curl->url.data);
    ngx_http_registry_curl_set(CURLOPT_HTTPHEADER,
                               (struct curl_slist *) curl->headers);
    ngx_http_registry_curl_set(CURLOPT_ERRORBUFFER, curl->text);
    ngx_http_registry_curl_set(CURLOPT_NOSIGNAL, 1L);
    ngx_http_registry_curl_set(CURLOPT_HTTP_VERSION,
                               (long) CURL_HTTP_VERSION_1_1);

    if (curl->body.data) {
        ngx_http_registry_curl_set(CURLOPT_POSTFIELDSIZE,
                                   (long) curl->body.len);
        ngx_http_registry_curl_set(CURLOPT_POSTFIELDS,
                                   (char *) curl->body.data);
    }

    if (curl->head) {
        ngx_http_registry_curl_set(CURLOPT_NOBODY, 1L);
    }

    if (curl->connect.len > 5
        && ngx_strncmp(curl->connect.data, "unix:", 5) == 0)
    {
        ngx_http_registry_curl_set(CURLOPT_UNIX_SOCKET_PATH,
                                   (char *) curl->connect.data + 5);

    } else if (curl->connect.len) {
        curl->connect_to = ngx_http_registry_curl_connect(&curl->connect);

        if (curl->connect_to == NULL) {
            return NGX_ERROR;
        }

        ngx_http_registry_curl_set(CURLOPT_CONNECT_TO,
                                   (struct curl_slist *) curl->connect_to);
    }

    /* what is secret goes to no other host, and none but it is sent */

#if (LIBCURL_VERSION_NUM >= 0x075500)
    ngx_http_registry_curl_set(CURLOPT_PROTOCOLS_STR, "http,https");
#else
    ngx_http_registry_curl_set(CURLOPT_PROTOCOLS,
                               (long) (CURLPROTO_HTTP|CURLPROTO_HTTPS));
#endif
    ngx_http_registry_curl_set(CURLOPT_FOLLOWLOCATION, 0L);
    ngx_http_registry_curl_set(CURLOPT_PROXY, "");
    ngx_http_registry_curl_set(CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
    ngx_http_registry_curl_set(CURLOPT_SSL_VERIFYPEER,
                               curl->insecure ? 0L : 1L);
    ngx_http_registry_curl_set(CURLOPT_SSL_VERIFYHOST,
                               curl->insecure ? 0L : 2L);

    if (curl->trusted.len) {
        ngx_http_registry_curl_set(CURLOPT_CAINFO,
                                   (char *) curl->trusted.data);
    }

    ngx_http_registry_curl_set(CURLOPT_FRESH_CONNECT, 1L);
    ngx_http_registry_curl_set(CURLOPT_FORBID_REUSE, 1L);

    ngx_http_registry_curl_set(CURLOPT_CONNECTTIMEOUT_MS,
                               (long) NGX_HTTP_REGISTRY_CURL_CONNECT);
    ngx_http_registry_curl_set(CURLOPT_TIMEOUT_MS, (long) curl->timeout);

#if (LIBCURL_VERSION_NUM >= 0x075700)
    /* else ending a request would wait for a name server that hangs */
    ngx_http_registry_curl_set(CURLOPT_QUICK_EXIT, 1L);
#endif

    ngx_http_registry_curl_set(CURLOPT_HEADERFUNCTION,
                               ngx_http_registry_curl_on_header);
    ngx_http_registry_curl_set(CURLOPT_HEADERDATA, curl);
    ngx_http_registry_curl_set(CURLOPT_WRITEFUNCTION,
                               ngx_http_registry_curl_on_body);
    ngx_http_registry_curl_set(CURLOPT_WRITEDATA, curl);

#undef ngx_http_registry_curl_set

    return NGX_OK;
}


/* curl may be gone on return */

static void
ngx_http_registry_curl_drive(ngx_http_registry_curl_t *curl, curl_socket_t s,
    int mask)
{
    int        n;
    CURLMsg   *msg;
    sigset_t   all, old;
    CURLMcode  rc;

    /*
     * libcurl may start a thread for a name: without a mask to inherit, it
     * would catch the signals that have to interrupt the event loop
     */

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);

    rc = curl_multi_socket_action(curl->multi, s, mask, &n);

    pthread_sigmask(SIG_SETMASK, &old, NULL);

    if (rc != CURLM_OK && curl->why == NULL) {
        curl->why = "libcurl failed";
    }

    if (curl->why) {
        ngx_http_registry_curl_complete(curl, CURLE_OK);
        return;
    }

    while ((msg = curl_multi_info_read(curl->multi, &n)) != NULL) {
        if (msg->msg == CURLMSG_DONE) {
            ngx_http_registry_curl_complete(curl, msg->data.result);
            return;
        }
    }
}


static void
ngx_http_registry_curl_complete(ngx_http_registry_curl_t *curl, CURLcode code)
{
    char  *p;
    long   status;

    status = 0;
    curl_easy_getinfo(curl->easy, CURLINFO_RESPONSE_CODE, &status);
    curl->status = status;

    if (code != CURLE_OK) {

        /* parts of it may come from the other side */

        for (p = curl->text; *p; p++) {
            if (*p < ' ' || *p == 0x7f) {
                *p = '?';
            }
        }

        curl->error = curl->text[0] ? curl->text
                                    : (char *) curl_easy_strerror(code);
    }

    curl->done(curl->data);
}


void
ngx_http_registry_curl_free(ngx_http_registry_curl_t *curl)
{
    ngx_queue_t        *q;
    ngx_connection_t   *c;
    struct curl_slist  *h;

    /* the callbacks are still called from these */

    if (curl->multi && curl->easy) {
        curl_multi_remove_handle(curl->multi, curl->easy);
    }

    curl_easy_cleanup(curl->easy);
    curl_multi_cleanup(curl->multi);

    /* what libcurl closed without a word, the kernel forgot by itself */

    while (!ngx_queue_empty(&curl->connections)) {
        q = ngx_queue_head(&curl->connections);
        c = ngx_queue_data(q, ngx_connection_t, queue);
        ngx_http_registry_curl_free_connection(c, NGX_CLOSE_EVENT);
    }

    if (curl->timer.timer_set) {
        ngx_del_timer(&curl->timer);
    }

    for (h = curl->headers; h; h = h->next) {
        OPENSSL_cleanse(h->data, ngx_strlen(h->data));
    }

    curl_slist_free_all(curl->headers);
    curl_slist_free_all(curl->connect_to);

    if (curl->reply.data) {
        OPENSSL_cleanse(curl->reply.data, curl->reply.len);
        ngx_free(curl->reply.data);
    }

    OPENSSL_cleanse(curl, sizeof(ngx_http_registry_curl_t));
    ngx_free(curl);
}


/*
 * The events are level-triggered whatever the event method, as libcurl does
 * not read or write until EAGAIN.  The sockets are libcurl's to close.
 */

static int
ngx_http_registry_curl_on_socket(CURL *easy, curl_socket_t s, int what,
    void *data, void *socket_data)
{
    ngx_http_registry_curl_t *curl = data;

    ngx_connection_t *c = socket_data;

    if (what == CURL_POLL_REMOVE) {
        if (c) {
            curl_multi_assign(curl->multi, s, NULL);
            ngx_http_registry_curl_free_connection(c,
                                           ngx_http_registry_curl_flags(c));
        }

        return 0;
    }

    if (c == NULL) {
        c = ngx_get_connection(s, ngx_cycle->log);
        if (c == NULL) {
            curl->why = "no free worker_connections";
            return 0;
        }

        c->data = curl;
        c->read->handler = ngx_http_registry_curl_socket_handler;
        c->read->log = ngx_cycle->log;
        c->write->handler = ngx_http_registry_curl_socket_handler;
        c->write->log = ngx_cycle->log;

        /* a worker that exits meanwhile does not report an open socket */
        c->read->resolver = 1;

        ngx_queue_insert_tail(&curl->connections, &c->queue);
        curl_multi_assign(curl->multi, s, c);
    }

    if (ngx_http_registry_curl_watch(c->read, NGX_READ_EVENT,
                                     what & CURL_POLL_IN)
        != NGX_OK
        || ngx_http_registry_curl_watch(c->write, NGX_WRITE_EVENT,
                                        what & CURL_POLL_OUT)
           != NGX_OK)
    {
        curl->why = "its socket could not be watched";
    }

    return 0;
}


/* libcurl may have closed it already: then the kernel has forgotten it */

static ngx_uint_t
ngx_http_registry_curl_flags(ngx_connection_t *c)
{
    return fcntl(c->fd, F_GETFD) == -1 ? NGX_CLOSE_EVENT : 0;
}


static ngx_int_t
ngx_http_registry_curl_watch(ngx_event_t *ev, ngx_int_t event,
    ngx_uint_t wanted)
{
    if (wanted && !ev->active) {
        return ngx_add_event(ev, event, NGX_LEVEL_EVENT);
    }

    if (!wanted && ev->active) {
        return ngx_del_event(ev, event, ngx_http_registry_curl_flags(ev->data));
    }

    return NGX_OK;
}


static void
ngx_http_registry_curl_free_connection(ngx_connection_t *c, ngx_uint_t flags)
{
    if (c->read->active) {
        ngx_del_event(c->read, NGX_READ_EVENT, flags);
    }

    if (c->write->active) {
        ngx_del_event(c->write, NGX_WRITE_EVENT, flags);
    }

    if (c->read->posted) {
        ngx_delete_posted_event(c->read);
    }

    if (c->write->posted) {
        ngx_delete_posted_event(c->write);
    }

    /* an event already taken from the kernel is known as stale by these */

    c->read->closed = 1;
    c->write->closed = 1;

    ngx_queue_remove(&c->queue);
    ngx_free_connection(c);

    c->fd = (ngx_socket_t) -1;
}


static int
ngx_http_registry_curl_on_timer(CURLM *multi, long ms, void *data)
{
    ngx_http_registry_curl_t *curl = data;

    /* a timer that is set would not be moved by less than 300 ms */
    if (curl->timer.timer_set) {
        ngx_del_timer(&curl->timer);
    }

    if (ms >= 0) {
        ngx_add_timer(&curl->timer, (ngx_msec_t) ngx_max(ms, 1));
    }

    return 0;
}


static void
ngx_http_registry_curl_timer_handler(ngx_event_t *ev)
{
    ngx_http_registry_curl_drive(ev->data, CURL_SOCKET_TIMEOUT, 0);
}


static void
ngx_http_registry_curl_socket_handler(ngx_event_t *ev)
{
    ngx_connection_t *c = ev->data;

    ngx_http_registry_curl_drive(c->data, c->fd,
                                 ev->write ? CURL_CSELECT_OUT
                                           : CURL_CSELECT_IN);
}


static size_t
ngx_http_registry_curl_on_header(char *p, size_t size, size_t n, void *data)
{
    ngx_http_registry_curl_t *curl = data;

    size *= n;
    curl->header_bytes += size;

    if (curl->header_bytes > NGX_HTTP_REGISTRY_CURL_HEADERS) {
        curl->why = "a header of more than 64 KB";
        return 0;
    }

    if (curl->header) {
        curl->header(curl->data, (u_char *) p, size);
    }

    return size;
}


static size_t
ngx_http_registry_curl_on_body(char *p, size_t size, size_t n, void *data)
{
    ngx_http_registry_curl_t *curl = data;

    size_t   room;
    u_char  *bytes;

    size *= n;

    if (size > curl->reply_max - curl->reply.len) {
        curl->why = "a body that is too long";
        return 0;
    }

    if (size > curl->reply_size - curl->reply.len) {

        room = ngx_max(2 * curl->reply_size, curl->reply.len + size);

        bytes = ngx_alloc(room, ngx_cycle->log);
        if (bytes == NULL) {
            curl->why = "no memory for its body";
            return 0;
        }

        if (curl->reply.data) {
            ngx_memcpy(bytes, curl->reply.data, curl->reply.len);
            OPENSSL_cleanse(curl->reply.data, curl->reply.len);
            ngx_free(curl->reply.data);
        }

        curl->reply.data = bytes;
        curl->reply_size = room;
    }

    ngx_memcpy(curl->reply.data + curl->reply.len, p, size);
    curl->reply.len += size;

    return size;
}


ngx_int_t
ngx_http_registry_curl_field(char *name, u_char *p, size_t len, u_char *buf,
    size_t size, size_t *value_len)
{
    size_t   n;
    u_char  *last;

    n = ngx_strlen(name);

    if (len <= n || p[n] != ':'
        || ngx_strncasecmp(p, (u_char *) name, n) != 0)
    {
        return NGX_DECLINED;
    }

    last = p + len;
    p += n + 1;

    while (p < last && (*p == ' ' || *p == '\t')) {
        p++;
    }

    while (last > p && ngx_strchr(" \t\r\n", last[-1]) != NULL) {
        last--;
    }

    n = last - p;

    if (n == 0 || n >= size) {
        return NGX_DECLINED;
    }

    ngx_memcpy(buf, p, n);
    *value_len = n;

    return NGX_OK;
}
