
/*
 * GET auth_url with X-Auth-User and X-Auth-Key: Swift's TempAuth v1.  All
 * that libcurl is used for is here.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <signal.h>
#include <curl/curl.h>
#include <openssl/crypto.h>

#include "ngx_http_registry_token_fetch.h"


#define NGX_HTTP_REGISTRY_TOKEN_URL_MAX   2048
#define NGX_HTTP_REGISTRY_TOKEN_HEADERS   65536
#define NGX_HTTP_REGISTRY_TOKEN_BODY      65536
#define NGX_HTTP_REGISTRY_TOKEN_CONNECT   5000    /* milliseconds */
#define NGX_HTTP_REGISTRY_TOKEN_LIFE      3600    /* seconds, when not told */


struct ngx_http_registry_token_fetch_s {
    ngx_http_registry_account_t      *account;
    ngx_http_registry_token_done_pt   done;

    CURLM                            *multi;
    CURL                             *easy;
    struct curl_slist                *headers;
    ngx_event_t                       timer;
    ngx_queue_t                       connections;

    size_t                            header_bytes;
    size_t                            body_bytes;
    time_t                            life;
    size_t                            token_len;
    size_t                            url_len;
    char                             *why;         /* it was given up */

    u_char                            token[NGX_HTTP_REGISTRY_TOKEN_MAX];
    u_char                            url[NGX_HTTP_REGISTRY_TOKEN_URL_MAX];
    char                              error[CURL_ERROR_SIZE];
};


static ngx_int_t ngx_http_registry_token_setup(
    ngx_http_registry_account_t *account,
    ngx_http_registry_token_fetch_t *fetch);
static ngx_int_t ngx_http_registry_token_header(
    ngx_http_registry_token_fetch_t *fetch, char *name, ngx_str_t *value);
static void ngx_http_registry_token_drive(
    ngx_http_registry_token_fetch_t *fetch, curl_socket_t s, int mask);
static void ngx_http_registry_token_complete(
    ngx_http_registry_token_fetch_t *fetch, CURLcode code);
static char *ngx_http_registry_token_judge(
    ngx_http_registry_token_fetch_t *fetch,
    ngx_http_registry_token_answer_t *answer);
static void ngx_http_registry_token_log(ngx_http_registry_token_fetch_t *fetch,
    CURLcode code, long status, char *why);
static void ngx_http_registry_token_free(
    ngx_http_registry_token_fetch_t *fetch);
static int ngx_http_registry_token_on_socket(CURL *easy, curl_socket_t s,
    int what, void *data, void *socket_data);
static ngx_int_t ngx_http_registry_token_watch(ngx_event_t *ev,
    ngx_int_t event, ngx_uint_t wanted);
static int ngx_http_registry_token_on_timer(CURLM *multi, long ms, void *data);
static size_t ngx_http_registry_token_on_header(char *p, size_t size, size_t n,
    void *data);
static size_t ngx_http_registry_token_on_body(char *p, size_t size, size_t n,
    void *data);
static size_t ngx_http_registry_token_field(char *name, char *p, size_t len,
    u_char *buf, size_t size);
static void ngx_http_registry_token_timer_handler(ngx_event_t *ev);
static void ngx_http_registry_token_socket_handler(ngx_event_t *ev);
static void ngx_http_registry_token_free_connection(ngx_connection_t *c,
    ngx_uint_t flags);


static ngx_uint_t  ngx_http_registry_token_curl;


ngx_int_t
ngx_http_registry_token_fetch_printable(ngx_str_t *s, u_char from)
{
    size_t  i;

    for (i = 0; i < s->len; i++) {
        if (s->data[i] < from || s->data[i] == 0x7f) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_registry_token_fetch_path(u_char *url, size_t len, ngx_str_t *path)
{
    u_char  *p, *last, *host;

    p = url;
    last = url + len;

    if (len > 7 && ngx_strncasecmp(p, (u_char *) "http://", 7) == 0) {
        p += 7;

    } else if (len > 8 && ngx_strncasecmp(p, (u_char *) "https://", 8) == 0) {
        p += 8;

    } else {
        return NGX_ERROR;
    }

    for (host = p; p < last && *p != '/'; p++) {
        if (*p <= ' ' || *p >= 0x7f || ngx_strchr("@?#\\", *p) != NULL) {
            return NGX_ERROR;
        }
    }

    if (p == host) {
        return NGX_ERROR;
    }

    path->data = p;
    path->len = last - p;

    return NGX_OK;
}


ngx_int_t
ngx_http_registry_token_fetch(ngx_http_registry_account_t *account,
    ngx_http_registry_token_done_pt done)
{
    ngx_http_registry_token_fetch_t  *fetch;

    if (account->key.len == 0
        || ngx_http_registry_token_fetch_printable(&account->key, ' ')
           != NGX_OK)
    {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "registry: the key of user \"%V\" for auth server "
                      "\"%V\" is empty or has control characters, check "
                      "registry_auth_key_file",
                      &account->user, &account->auth_url);
        return NGX_ERROR;
    }

    /* in a worker, as TLS engines and threads do not survive a fork */

    if (!ngx_http_registry_token_curl) {
        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
            ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                          "registry: curl_global_init() failed");
            return NGX_ERROR;
        }

        ngx_http_registry_token_curl = 1;
    }

    fetch = ngx_calloc(sizeof(ngx_http_registry_token_fetch_t),
                       ngx_cycle->log);
    if (fetch == NULL) {
        return NGX_ERROR;
    }

    ngx_queue_init(&fetch->connections);

    fetch->account = account;
    fetch->done = done;

    fetch->timer.handler = ngx_http_registry_token_timer_handler;
    fetch->timer.data = fetch;
    fetch->timer.log = ngx_cycle->log;
    fetch->timer.cancelable = 1;

    account->fetch = fetch;

    if (ngx_http_registry_token_setup(account, fetch) != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "registry: a request to auth server \"%V\" could not "
                      "be made, out of memory or libcurl lacks a protocol",
                      &account->auth_url);

        ngx_http_registry_token_fetch_end(account);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_registry_token_setup(ngx_http_registry_account_t *account,
    ngx_http_registry_token_fetch_t *fetch)
{
    CURL   *easy;
    CURLM  *multi;

    multi = curl_multi_init();
    fetch->multi = multi;

    easy = curl_easy_init();
    fetch->easy = easy;

    if (multi == NULL || easy == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_registry_token_header(fetch, "X-Auth-User", &account->user)
        != NGX_OK
        || ngx_http_registry_token_header(fetch, "X-Auth-Key", &account->key)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

#define ngx_http_registry_token_set(option, value)                            \
    if (curl_easy_setopt(easy, option, value) != CURLE_OK) {                  \
        return NGX_ERROR;                                                     \
    }

    ngx_http_registry_token_set(CURLOPT_URL, (char *) account->auth_url.data);
    ngx_http_registry_token_set(CURLOPT_HTTPHEADER, fetch->headers);
    ngx_http_registry_token_set(CURLOPT_ERRORBUFFER, fetch->error);
    ngx_http_registry_token_set(CURLOPT_NOSIGNAL, 1L);
    ngx_http_registry_token_set(CURLOPT_HTTP_VERSION,
                                (long) CURL_HTTP_VERSION_1_1);

    /* the key goes to no other host, and none but it is sent */

#if (LIBCURL_VERSION_NUM >= 0x075500)
    ngx_http_registry_token_set(CURLOPT_PROTOCOLS_STR, "http,https");
#else
    ngx_http_registry_token_set(CURLOPT_PROTOCOLS,
                                (long) (CURLPROTO_HTTP|CURLPROTO_HTTPS));
#endif
    ngx_http_registry_token_set(CURLOPT_FOLLOWLOCATION, 0L);
    ngx_http_registry_token_set(CURLOPT_PROXY, "");
    ngx_http_registry_token_set(CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
    ngx_http_registry_token_set(CURLOPT_SSL_VERIFYPEER,
                                account->insecure ? 0L : 1L);
    ngx_http_registry_token_set(CURLOPT_SSL_VERIFYHOST,
                                account->insecure ? 0L : 2L);

    if (account->trusted.len) {
        ngx_http_registry_token_set(CURLOPT_CAINFO,
                                    (char *) account->trusted.data);
    }

    ngx_http_registry_token_set(CURLOPT_FRESH_CONNECT, 1L);
    ngx_http_registry_token_set(CURLOPT_FORBID_REUSE, 1L);

    ngx_http_registry_token_set(CURLOPT_CONNECTTIMEOUT_MS,
                                (long) NGX_HTTP_REGISTRY_TOKEN_CONNECT);
    ngx_http_registry_token_set(CURLOPT_TIMEOUT_MS,
                                (long) NGX_HTTP_REGISTRY_TOKEN_TOTAL);

#if (LIBCURL_VERSION_NUM >= 0x075700)
    /* else ending a fetch would wait for a name server that hangs */
    ngx_http_registry_token_set(CURLOPT_QUICK_EXIT, 1L);
#endif

    ngx_http_registry_token_set(CURLOPT_HEADERFUNCTION,
                                ngx_http_registry_token_on_header);
    ngx_http_registry_token_set(CURLOPT_HEADERDATA, fetch);
    ngx_http_registry_token_set(CURLOPT_WRITEFUNCTION,
                                ngx_http_registry_token_on_body);
    ngx_http_registry_token_set(CURLOPT_WRITEDATA, fetch);

#undef ngx_http_registry_token_set

    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION,
                      ngx_http_registry_token_on_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, fetch);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION,
                      ngx_http_registry_token_on_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, fetch);

    return curl_multi_add_handle(multi, easy) == CURLM_OK ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_registry_token_header(ngx_http_registry_token_fetch_t *fetch,
    char *name, ngx_str_t *value)
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

    headers = curl_slist_append(fetch->headers, (char *) line);

    OPENSSL_cleanse(line, size);
    ngx_free(line);

    if (headers == NULL) {
        return NGX_ERROR;
    }

    fetch->headers = headers;

    return NGX_OK;
}


/* fetch may be gone on return */

static void
ngx_http_registry_token_drive(ngx_http_registry_token_fetch_t *fetch,
    curl_socket_t s, int mask)
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

    rc = curl_multi_socket_action(fetch->multi, s, mask, &n);

    pthread_sigmask(SIG_SETMASK, &old, NULL);

    if (rc != CURLM_OK && fetch->why == NULL) {
        fetch->why = "libcurl failed";
    }

    if (fetch->why) {
        ngx_http_registry_token_complete(fetch, CURLE_OK);
        return;
    }

    while ((msg = curl_multi_info_read(fetch->multi, &n)) != NULL) {
        if (msg->msg == CURLMSG_DONE) {
            ngx_http_registry_token_complete(fetch, msg->data.result);
            return;
        }
    }
}


static void
ngx_http_registry_token_complete(ngx_http_registry_token_fetch_t *fetch,
    CURLcode code)
{
    char                              *why;
    long                               status;
    ngx_http_registry_token_answer_t   answer;

    status = 0;
    why = fetch->why;

    curl_easy_getinfo(fetch->easy, CURLINFO_RESPONSE_CODE, &status);

    if (why == NULL && code == CURLE_OK && status >= 200 && status < 300) {
        why = ngx_http_registry_token_judge(fetch, &answer);

        if (why == NULL) {
            fetch->account->fetch = NULL;
            fetch->done(fetch->account, &answer);
            ngx_http_registry_token_free(fetch);
            return;
        }
    }

    ngx_http_registry_token_log(fetch, code, status, why);

    fetch->account->fetch = NULL;
    fetch->done(fetch->account, NULL);
    ngx_http_registry_token_free(fetch);
}


/* NULL, or what is wrong with the answer */

static char *
ngx_http_registry_token_judge(ngx_http_registry_token_fetch_t *fetch,
    ngx_http_registry_token_answer_t *answer)
{
    size_t      i;
    u_char      ch, *p;
    ngx_str_t  *path;

    if (fetch->token_len == 0) {
        return "no X-Auth-Token, or one of 4 KB or more";
    }

    for (i = 0; i < fetch->token_len; i++) {
        if (fetch->token[i] <= ' ' || fetch->token[i] >= 0x7f) {
            return "an X-Auth-Token with blanks or control characters";
        }
    }

    if (fetch->url_len == 0) {
        return "no X-Storage-Url, or one of 2 KB or more";
    }

    path = &answer->storage;

    if (ngx_http_registry_token_fetch_path(fetch->url, fetch->url_len, path)
        != NGX_OK)
    {
        return "an X-Storage-Url that is not http or https or names a user";
    }

    while (path->len && path->data[path->len - 1] == '/') {
        path->len--;
    }

    if (path->len == 0 || path->len > NGX_HTTP_REGISTRY_TOKEN_PATH_MAX) {
        return "an X-Storage-Url without a path or with a long one";
    }

    p = path->data;

    for (i = 0; i < path->len; i++) {
        ch = p[i];

        if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')
              || (ch >= '0' && ch <= '9')
              || (ch && ngx_strchr("/-_.~:@$+=,", ch) != NULL)))
        {
            return "an X-Storage-Url with unsafe characters";
        }

        /* "//", "/." and so "/.." */

        if (ch == '/' && i + 1 < path->len
            && (p[i + 1] == '/' || p[i + 1] == '.'))
        {
            return "an X-Storage-Url with an empty or a dot segment";
        }
    }

    answer->token.data = fetch->token;
    answer->token.len = fetch->token_len;
    answer->life = fetch->life;

    return NULL;
}


static void
ngx_http_registry_token_log(ngx_http_registry_token_fetch_t *fetch,
    CURLcode code, long status, char *why)
{
    char                         *p;
    ngx_http_registry_account_t  *account;

    account = fetch->account;

    if (why) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "registry: auth server \"%V\" gave user \"%V\" no "
                      "token: status %l and %s, check registry_auth_url",
                      &account->auth_url, &account->user, status, why);

    } else if (code != CURLE_OK) {

        /* parts of it may come from the other side */

        for (p = fetch->error; *p; p++) {
            if (*p < ' ' || *p == 0x7f) {
                *p = '?';
            }
        }

        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "registry: auth server \"%V\" gave user \"%V\" no "
                      "token: status %l and \"%s\", check registry_auth_url "
                      "and that the server is up",
                      &account->auth_url, &account->user, status,
                      fetch->error[0] ? fetch->error
                                      : curl_easy_strerror(code));

    } else if (status == 401 || status == 403) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "registry: auth server \"%V\" refused user \"%V\" with "
                      "status %l, check registry_auth_user and the key in "
                      "registry_auth_key_file",
                      &account->auth_url, &account->user, status);

    } else {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "registry: auth server \"%V\" answered user \"%V\" with "
                      "status %l, check registry_auth_url and the log of "
                      "that server",
                      &account->auth_url, &account->user, status);
    }
}


void
ngx_http_registry_token_fetch_end(ngx_http_registry_account_t *account)
{
    ngx_http_registry_token_fetch_t  *fetch;

    fetch = account->fetch;

    if (fetch) {
        account->fetch = NULL;
        ngx_http_registry_token_free(fetch);
    }
}


static void
ngx_http_registry_token_free(ngx_http_registry_token_fetch_t *fetch)
{
    ngx_queue_t        *q;
    ngx_connection_t   *c;
    struct curl_slist  *h;

    /* the callbacks are still called from these */

    if (fetch->multi && fetch->easy) {
        curl_multi_remove_handle(fetch->multi, fetch->easy);
    }

    curl_easy_cleanup(fetch->easy);
    curl_multi_cleanup(fetch->multi);

    /* what libcurl closed without a word, the kernel forgot by itself */

    while (!ngx_queue_empty(&fetch->connections)) {
        q = ngx_queue_head(&fetch->connections);
        c = ngx_queue_data(q, ngx_connection_t, queue);
        ngx_http_registry_token_free_connection(c, NGX_CLOSE_EVENT);
    }

    if (fetch->timer.timer_set) {
        ngx_del_timer(&fetch->timer);
    }

    for (h = fetch->headers; h; h = h->next) {
        OPENSSL_cleanse(h->data, ngx_strlen(h->data));
    }

    curl_slist_free_all(fetch->headers);

    OPENSSL_cleanse(fetch, sizeof(ngx_http_registry_token_fetch_t));
    ngx_free(fetch);
}


/*
 * The events are level-triggered whatever the event method, as libcurl does
 * not read or write until EAGAIN.  The sockets are libcurl's to close.
 */

static int
ngx_http_registry_token_on_socket(CURL *easy, curl_socket_t s, int what,
    void *data, void *socket_data)
{
    ngx_http_registry_token_fetch_t *fetch = data;

    ngx_connection_t *c = socket_data;

    if (what == CURL_POLL_REMOVE) {
        if (c) {
            curl_multi_assign(fetch->multi, s, NULL);
            ngx_http_registry_token_free_connection(c, 0);
        }

        return 0;
    }

    if (c == NULL) {
        c = ngx_get_connection(s, ngx_cycle->log);
        if (c == NULL) {
            fetch->why = "no free worker_connections";
            return 0;
        }

        c->data = fetch;
        c->read->handler = ngx_http_registry_token_socket_handler;
        c->read->log = ngx_cycle->log;
        c->write->handler = ngx_http_registry_token_socket_handler;
        c->write->log = ngx_cycle->log;

        /* a worker that exits meanwhile does not report an open socket */
        c->read->resolver = 1;

        ngx_queue_insert_tail(&fetch->connections, &c->queue);
        curl_multi_assign(fetch->multi, s, c);
    }

    if (ngx_http_registry_token_watch(c->read, NGX_READ_EVENT,
                                      what & CURL_POLL_IN)
        != NGX_OK
        || ngx_http_registry_token_watch(c->write, NGX_WRITE_EVENT,
                                         what & CURL_POLL_OUT)
           != NGX_OK)
    {
        fetch->why = "its socket could not be watched";
    }

    return 0;
}


static ngx_int_t
ngx_http_registry_token_watch(ngx_event_t *ev, ngx_int_t event,
    ngx_uint_t wanted)
{
    if (wanted && !ev->active) {
        return ngx_add_event(ev, event, NGX_LEVEL_EVENT);
    }

    if (!wanted && ev->active) {
        return ngx_del_event(ev, event, 0);
    }

    return NGX_OK;
}


static void
ngx_http_registry_token_free_connection(ngx_connection_t *c, ngx_uint_t flags)
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
ngx_http_registry_token_on_timer(CURLM *multi, long ms, void *data)
{
    ngx_http_registry_token_fetch_t *fetch = data;

    /* a timer that is set would not be moved by less than 300 ms */
    if (fetch->timer.timer_set) {
        ngx_del_timer(&fetch->timer);
    }

    if (ms >= 0) {
        ngx_add_timer(&fetch->timer, (ngx_msec_t) ngx_max(ms, 1));
    }

    return 0;
}


static void
ngx_http_registry_token_timer_handler(ngx_event_t *ev)
{
    ngx_http_registry_token_drive(ev->data, CURL_SOCKET_TIMEOUT, 0);
}


static void
ngx_http_registry_token_socket_handler(ngx_event_t *ev)
{
    ngx_connection_t *c = ev->data;

    ngx_http_registry_token_drive(c->data, c->fd,
                                  ev->write ? CURL_CSELECT_OUT
                                            : CURL_CSELECT_IN);
}


static size_t
ngx_http_registry_token_on_header(char *p, size_t size, size_t n, void *data)
{
    ngx_http_registry_token_fetch_t *fetch = data;

    size_t  len;
    u_char  life[NGX_TIME_T_LEN];

    len = size * n;
    fetch->header_bytes += len;

    if (fetch->header_bytes > NGX_HTTP_REGISTRY_TOKEN_HEADERS) {
        fetch->why = "a header of more than 64 KB";
        return 0;
    }

    /* the last of several answers counts, as after "100 Continue" */

    if (len > 5 && ngx_strncmp(p, "HTTP/", 5) == 0) {
        fetch->token_len = 0;
        fetch->url_len = 0;
        fetch->life = NGX_HTTP_REGISTRY_TOKEN_LIFE;
        return len;
    }

    size = ngx_http_registry_token_field("X-Auth-Token:", p, len, fetch->token,
                                         sizeof(fetch->token));
    if (size) {
        fetch->token_len = size;
        return len;
    }

    size = ngx_http_registry_token_field("X-Storage-Url:", p, len, fetch->url,
                                         sizeof(fetch->url));
    if (size) {
        fetch->url_len = size;
        return len;
    }

    size = ngx_http_registry_token_field("X-Auth-Token-Expires:", p, len, life,
                                         sizeof(life));
    if (size) {
        fetch->life = ngx_atotm(life, size);

        if (fetch->life == (time_t) NGX_ERROR) {
            fetch->life = NGX_HTTP_REGISTRY_TOKEN_LIFE;
        }
    }

    return len;
}


/* the length of the value, 0 if it is another field or does not fit */

static size_t
ngx_http_registry_token_field(char *name, char *p, size_t len, u_char *buf,
    size_t size)
{
    size_t   n;
    u_char  *value, *last;

    n = ngx_strlen(name);

    if (len <= n || ngx_strncasecmp((u_char *) p, (u_char *) name, n) != 0) {
        return 0;
    }

    value = (u_char *) p + n;
    last = (u_char *) p + len;

    while (value < last && (*value == ' ' || *value == '\t')) {
        value++;
    }

    while (last > value && ngx_strchr(" \t\r\n", last[-1]) != NULL) {
        last--;
    }

    n = last - value;

    if (n >= size) {
        return 0;
    }

    ngx_memcpy(buf, value, n);

    return n;
}


static size_t
ngx_http_registry_token_on_body(char *p, size_t size, size_t n, void *data)
{
    ngx_http_registry_token_fetch_t *fetch = data;

    fetch->body_bytes += size * n;

    if (fetch->body_bytes > NGX_HTTP_REGISTRY_TOKEN_BODY) {
        fetch->why = "a body of more than 64 KB";
        return 0;
    }

    return size * n;
}
