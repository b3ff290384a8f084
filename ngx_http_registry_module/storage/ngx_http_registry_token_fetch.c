
/*
 * What is sent for a token, and what is made of the answer: Swift's TempAuth
 * v1 (GET with X-Auth-User and X-Auth-Key), and Keystone v3.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <openssl/crypto.h>

#include "ngx_http_registry_token_fetch.h"
#include "core/reg_swift.h"
#include "ngx_http_registry_curl.h"


#define NGX_HTTP_REGISTRY_TOKEN_URL_MAX   2048
#define NGX_HTTP_REGISTRY_TOKEN_BODY      65536
#define NGX_HTTP_REGISTRY_TOKEN_CATALOG   (1024 * 1024)
#define NGX_HTTP_REGISTRY_TOKEN_LIFE      3600    /* seconds, when not told */


struct ngx_http_registry_token_fetch_s {
    ngx_http_registry_account_t      *account;
    ngx_http_registry_token_done_pt   done;
    ngx_http_registry_curl_t         *curl;
    ngx_pool_t                       *pool;
    ngx_str_t                         sent;     /* has the secret in it */

    time_t                            life;
    size_t                            token_len;
    ngx_str_t                         url;      /* of the storage */

    u_char                            token[NGX_HTTP_REGISTRY_TOKEN_MAX];
    u_char                            buf[NGX_HTTP_REGISTRY_TOKEN_URL_MAX];
};


static ngx_int_t ngx_http_registry_token_ask(
    ngx_http_registry_account_t *account,
    ngx_http_registry_token_fetch_t *fetch);
static ngx_int_t ngx_http_registry_token_ask_keystone(
    ngx_http_registry_account_t *account,
    ngx_http_registry_token_fetch_t *fetch);
static void ngx_http_registry_token_header(void *data, u_char *p, size_t len);
static void ngx_http_registry_token_complete(void *data);
static char *ngx_http_registry_token_read_keystone(
    ngx_http_registry_token_fetch_t *fetch);
static char *ngx_http_registry_token_judge(
    ngx_http_registry_token_fetch_t *fetch,
    ngx_http_registry_token_answer_t *answer);
static void ngx_http_registry_token_log(ngx_http_registry_token_fetch_t *fetch,
    char *why);
static void *ngx_http_registry_token_alloc(void *ctx, size_t size);
static void ngx_http_registry_token_free(
    ngx_http_registry_token_fetch_t *fetch);


ngx_int_t
ngx_http_registry_token_printable(ngx_str_t *s, u_char from)
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
    ngx_int_t                         rc;
    ngx_http_registry_curl_t         *curl;
    ngx_http_registry_token_fetch_t  *fetch;

    if (account->key.len == 0
        || ngx_http_registry_token_printable(&account->key, ' ')
           != NGX_OK)
    {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "registry: the key of user \"%V\" for auth server "
                      "\"%V\" is empty or has control characters, check "
                      "registry_auth_key_file",
                      &account->user, &account->auth_url);
        return NGX_ERROR;
    }

    fetch = ngx_calloc(sizeof(ngx_http_registry_token_fetch_t),
                       ngx_cycle->log);
    if (fetch == NULL) {
        return NGX_ERROR;
    }

    fetch->account = account;
    fetch->done = done;
    fetch->life = NGX_HTTP_REGISTRY_TOKEN_LIFE;

    account->fetch = fetch;

    fetch->pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, ngx_cycle->log);
    fetch->curl = ngx_http_registry_curl_create();

    rc = NGX_ERROR;

    if (fetch->pool && fetch->curl) {

        curl = fetch->curl;
        curl->data = fetch;
        curl->header = ngx_http_registry_token_header;
        curl->done = ngx_http_registry_token_complete;
        curl->timeout = NGX_HTTP_REGISTRY_TOKEN_TOTAL;
        curl->trusted = account->trusted;
        curl->insecure = account->insecure;

        rc = account->keystone
             ? ngx_http_registry_token_ask_keystone(account, fetch)
             : ngx_http_registry_token_ask(account, fetch);

        if (rc == NGX_OK) {
            rc = ngx_http_registry_curl_start(curl);
        }
    }

    if (rc != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "registry: a request to auth server \"%V\" could not "
                      "be made, out of memory or libcurl lacks a protocol",
                      &account->auth_url);

        ngx_http_registry_token_fetch_end(account);
    }

    return rc;
}


static ngx_int_t
ngx_http_registry_token_ask(ngx_http_registry_account_t *account,
    ngx_http_registry_token_fetch_t *fetch)
{
    ngx_http_registry_curl_t  *curl;

    curl = fetch->curl;
    curl->url = account->auth_url;
    curl->reply_max = NGX_HTTP_REGISTRY_TOKEN_BODY;

    if (ngx_http_registry_curl_header(curl, REG_SWIFT_USER, &account->user)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_registry_curl_header(curl, REG_SWIFT_KEY, &account->key);
}


static ngx_int_t
ngx_http_registry_token_ask_keystone(ngx_http_registry_account_t *account,
    ngx_http_registry_token_fetch_t *fetch)
{
    u_char                    *p;
    size_t                     len;
    reg_str_t                  body, secret;
    reg_arena_t                arena;
    ngx_http_registry_curl_t  *curl;

    static u_char  tokens[] = "/auth/tokens";

    curl = fetch->curl;
    curl->reply_max = NGX_HTTP_REGISTRY_TOKEN_CATALOG;

    /* with "/auth/tokens" or without */

    len = account->auth_url.len;

    while (len && account->auth_url.data[len - 1] == '/') {
        len--;
    }

    if (len > sizeof(tokens) - 1
        && ngx_memcmp(account->auth_url.data + len - (sizeof(tokens) - 1),
                      tokens, sizeof(tokens) - 1) == 0)
    {
        len -= sizeof(tokens) - 1;
    }

    curl->url.data = ngx_pnalloc(fetch->pool, len + sizeof(tokens));
    if (curl->url.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(curl->url.data, account->auth_url.data, len);
    ngx_memcpy(p, tokens, sizeof(tokens));
    curl->url.len = len + sizeof(tokens) - 1;

    arena.alloc = ngx_http_registry_token_alloc;
    arena.ctx = fetch->pool;

    secret.len = account->key.len;
    secret.data = account->key.data;

    body = reg_keystone_request(&arena, account->keystone, &secret);
    if (body.data == NULL) {
        return NGX_ERROR;
    }

    fetch->sent.len = body.len;
    fetch->sent.data = body.data;
    curl->body = fetch->sent;

    return NGX_OK;
}


static void *
ngx_http_registry_token_alloc(void *ctx, size_t size)
{
    return ngx_palloc(ctx, size);
}


static void
ngx_http_registry_token_header(void *data, u_char *p, size_t len)
{
    ngx_http_registry_token_fetch_t *fetch = data;

    size_t  n;
    time_t  life;
    u_char  text[NGX_TIME_T_LEN];

    /* the last of several answers counts, as after "100 Continue" */

    if (len > 5 && ngx_strncmp(p, "HTTP/", 5) == 0) {
        fetch->token_len = 0;
        fetch->url.len = 0;
        fetch->life = NGX_HTTP_REGISTRY_TOKEN_LIFE;
        return;
    }

    (void) ngx_http_registry_curl_field(fetch->account->keystone
                                        ? "X-Subject-Token" : REG_SWIFT_TOKEN,
                                        p, len, fetch->token,
                                        sizeof(fetch->token),
                                        &fetch->token_len);

    if (fetch->account->keystone) {
        return;
    }

    fetch->url.data = fetch->buf;

    (void) ngx_http_registry_curl_field(REG_SWIFT_STORAGE_URL, p, len,
                                        fetch->buf, sizeof(fetch->buf),
                                        &fetch->url.len);

    if (ngx_http_registry_curl_field("X-Auth-Token-Expires", p, len, text,
                                     sizeof(text), &n)
        == NGX_OK)
    {
        life = ngx_atotm(text, n);
        fetch->life = (life == (time_t) NGX_ERROR)
                      ? NGX_HTTP_REGISTRY_TOKEN_LIFE : life;
    }
}


static void
ngx_http_registry_token_complete(void *data)
{
    ngx_http_registry_token_fetch_t *fetch = data;

    char                              *why;
    ngx_uint_t                         good;
    ngx_http_registry_curl_t          *curl;
    ngx_http_registry_account_t       *account;
    ngx_http_registry_token_answer_t   answer;

    curl = fetch->curl;
    account = fetch->account;
    why = curl->why;
    good = 0;

    if (why == NULL && curl->error == NULL
        && curl->status >= 200 && curl->status < 300)
    {
        why = account->keystone ? ngx_http_registry_token_read_keystone(fetch)
                                : NULL;
        if (why == NULL) {
            why = ngx_http_registry_token_judge(fetch, &answer);
        }

        good = (why == NULL);
    }

    if (!good) {
        ngx_http_registry_token_log(fetch, why);
    }

    /* done() may begin the next one */

    account->fetch = NULL;
    fetch->done(account, good ? &answer : NULL);

    ngx_http_registry_token_free(fetch);
}


/* NULL, or what is wrong with the answer */

static char *
ngx_http_registry_token_read_keystone(ngx_http_registry_token_fetch_t *fetch)
{
    reg_rc_t               rc;
    reg_str_t              json;
    const char            *why;
    reg_arena_t            arena;
    reg_keystone_token_t   token;

    arena.alloc = ngx_http_registry_token_alloc;
    arena.ctx = fetch->pool;

    json.len = fetch->curl->reply.len;
    json.data = fetch->curl->reply.data;

    rc = reg_keystone_read(&arena, &json, fetch->account->keystone, &token,
                           &why);

    if (rc != REG_OK) {
        return rc == REG_BAD ? (char *) why : "no memory to read it";
    }

    fetch->url.len = token.url.len;
    fetch->url.data = token.url.data;

    /* by its own clock, which may differ from ours */

    fetch->life = token.expires
                  - (token.issued < 0 ? (int64_t) ngx_time() : token.issued);

    return NULL;
}


static char *
ngx_http_registry_token_judge(ngx_http_registry_token_fetch_t *fetch,
    ngx_http_registry_token_answer_t *answer)
{
    size_t      i;
    u_char      ch, *p;
    ngx_str_t  *path;

    if (fetch->token_len == 0) {
        return fetch->account->keystone
               ? "no X-Subject-Token, or one of 4 KB or more"
               : "no X-Auth-Token, or one of 4 KB or more";
    }

    for (i = 0; i < fetch->token_len; i++) {
        if (fetch->token[i] <= ' ' || fetch->token[i] >= 0x7f) {
            return "a token with blanks or control characters";
        }
    }

    if (fetch->url.len == 0) {
        return "no X-Storage-Url, or one of 2 KB or more";
    }

    path = &answer->storage;

    if (ngx_http_registry_token_fetch_path(fetch->url.data, fetch->url.len,
                                           path)
        != NGX_OK)
    {
        return "a storage URL that is not http or https or names a user";
    }

    while (path->len && path->data[path->len - 1] == '/') {
        path->len--;
    }

    if (path->len == 0 || path->len > NGX_HTTP_REGISTRY_TOKEN_PATH_MAX) {
        return "a storage URL without a path or with a long one";
    }

    p = path->data;

    for (i = 0; i < path->len; i++) {
        ch = p[i];

        if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')
              || (ch >= '0' && ch <= '9')
              || (ch && ngx_strchr("/-_.~:@$+=,", ch) != NULL)))
        {
            return "a storage URL with unsafe characters";
        }

        /* "//", "/." and so "/.." */

        if (ch == '/' && i + 1 < path->len
            && (p[i + 1] == '/' || p[i + 1] == '.'))
        {
            return "a storage URL with an empty or a dot segment";
        }
    }

    answer->token.data = fetch->token;
    answer->token.len = fetch->token_len;
    answer->life = fetch->life;

    return NULL;
}


static void
ngx_http_registry_token_log(ngx_http_registry_token_fetch_t *fetch, char *why)
{
    char                         *check;
    ngx_uint_t                    status;
    ngx_http_registry_account_t  *account;

    account = fetch->account;
    status = fetch->curl->status;

    if (why) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "registry: auth server \"%V\" gave user \"%V\" no "
                      "token: status %ui and %s, check registry_auth_url",
                      &account->auth_url, &account->user, status, why);
        return;
    }

    if (fetch->curl->error) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "registry: auth server \"%V\" gave user \"%V\" no "
                      "token: status %ui and \"%s\", check registry_auth_url "
                      "and that the server is up",
                      &account->auth_url, &account->user, status,
                      fetch->curl->error);
        return;
    }

    if (status == 401 || status == 403) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "registry: auth server \"%V\" refused user \"%V\" with "
                      "status %ui, check registry_auth_user%s and the key in "
                      "registry_auth_key_file",
                      &account->auth_url, &account->user, status,
                      account->keystone ? ", registry_auth_domain,"
                                          " registry_auth_project" : "");
        return;
    }

    check = status == 300 || (status == 404 && account->keystone)
            ? " (Keystone's ends with \"/v3\")" : "";

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "registry: auth server \"%V\" answered user \"%V\" with "
                  "status %ui, check registry_auth_url%s and the log of "
                  "that server",
                  &account->auth_url, &account->user, status, check);
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
    if (fetch->curl) {
        ngx_http_registry_curl_free(fetch->curl);
    }

    if (fetch->pool) {
        OPENSSL_cleanse(fetch->sent.data, fetch->sent.len);
        ngx_destroy_pool(fetch->pool);
    }

    OPENSSL_cleanse(fetch, sizeof(ngx_http_registry_token_fetch_t));
    ngx_free(fetch);
}
