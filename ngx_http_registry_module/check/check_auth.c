/* A token of the storage: TempAuth v1. */

#define _GNU_SOURCE

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "check_auth.h"
#include "core/reg_swift.h"
#include "check_report.h"


#define REPLY_MAX  65536


typedef struct {
    char           *token;
    char           *storage_url;
    size_t          bytes;
} auth_t;


static CURLcode ask(check_t *c, auth_t *auth, long *status, char *error);
static void check_answer(check_t *c, const auth_t *auth);
static int printable(const char *text, char least);
static size_t origin(const char *url);
static char *container_url(check_t *c, const char *storage);
static size_t on_header(char *p, size_t size, size_t n, void *data);
static size_t on_body(char *p, size_t size, size_t n, void *data);


void
check_auth(check_t *c, char **token, char **url)
{
    int          i;
    long         status;
    char         error[CURL_ERROR_SIZE];
    auth_t       auth;
    CURLcode     code;
    const char  *storage;

    for (i = 1; ; i++) {

        code = ask(c, &auth, &status, error);

        if (code == CURLE_OK && status >= 200 && status < 300) {
            break;
        }

        free(auth.token);
        free(auth.storage_url);

        if (code == CURLE_OK && (status == 401 || status == 403)) {
            check_fatal(c, "%s refused user \"%s\": check user and key",
                        c->options.auth_url, c->options.user);
        }

        if (i == CHECK_TRIES) {
            if (code != CURLE_OK) {
                check_fatal(c, "no token from %s: %s", c->options.auth_url,
                            error[0] ? error : curl_easy_strerror(code));
            }

            check_fatal(c, "no token from %s: it answered %ld",
                        c->options.auth_url, status);
        }

        nanosleep(&(struct timespec) { 0, CHECK_BACKOFF * 1000000L }, NULL);
    }

    check_answer(c, &auth);

    storage = c->options.storage_url ? c->options.storage_url
                                     : auth.storage_url;

    *token = auth.token;
    *url = container_url(c, storage);

    free(auth.storage_url);
}


/*
 * The token goes where the auth server sends it only if that is the auth
 * server's own host; any other has to be named by who runs this.
 */

static void
check_answer(check_t *c, const auth_t *auth)
{
    size_t       n, own;
    const char  *path;

    if (auth->token == NULL
        || (auth->storage_url == NULL && c->options.storage_url == NULL))
    {
        check_fatal(c, "%s answered no X-Auth-Token or no X-Storage-Url; is it"
                    " an address of TempAuth v1?", c->options.auth_url);
    }

    if (!printable(auth->token, '!')) {
        check_fatal(c, "%s answered a token that is none",
                    c->options.auth_url);
    }

    if (c->options.storage_url) {
        return;
    }

    n = origin(auth->storage_url);
    path = auth->storage_url + n;

    if (n == 0 || !printable(auth->storage_url, '!')
        || strpbrk(path, "?#\\") || strstr(path, "//")
        || strstr(path, "/."))
    {
        check_fatal(c, "%s answered a storage URL that is none",
                    c->options.auth_url);
    }

    own = origin(c->options.auth_url);

    if (n != own
        || strncasecmp(auth->storage_url, c->options.auth_url, n) != 0)
    {
        check_fatal(c, "%s sends to another host: if the token may go to"
                    " \"%s\", tell so by --storage-url", c->options.auth_url,
                    auth->storage_url);
    }
}


static int
printable(const char *text, char least)
{
    if (*text == '\0') {
        return 0;
    }

    while (*text >= least && *text < 0x7f) {
        text++;
    }

    return *text == '\0';
}


/* how long scheme, host and port of the URL are; 0: it is none */

static size_t
origin(const char *url)
{
    size_t  scheme, host;

    scheme = strncasecmp(url, "https://", 8) == 0 ? 8
             : strncasecmp(url, "http://", 7) == 0 ? 7 : 0;

    host = strcspn(url + scheme, "/?#@\\");

    if (scheme == 0 || host == 0
        || (url[scheme + host] != '/' && url[scheme + host] != '\0'))
    {
        return 0;
    }

    return scheme + host;
}


static char *
container_url(check_t *c, const char *storage)
{
    char    *escaped, *url;
    size_t   len;

    len = strlen(storage);
    escaped = curl_easy_escape(NULL, c->options.container, 0);

    if (escaped == NULL
        || asprintf(&url, "%.*s/%s",
                    (int) (len - (len && storage[len - 1] == '/')), storage,
                    escaped) < 0)
    {
        check_fatal(c, "out of memory");
    }

    curl_free(escaped);

    return url;
}


static CURLcode
ask(check_t *c, auth_t *auth, long *status, char *error)
{
    int                 i;
    char               *line;
    CURL               *easy;
    CURLcode            code;
    struct curl_slist  *headers;

    const char *const   fields[][2] = {
        { REG_SWIFT_USER, c->options.user }, { REG_SWIFT_KEY, c->options.key }
    };

    memset(auth, 0, sizeof(auth_t));
    error[0] = '\0';
    *status = 0;
    headers = NULL;

    for (i = 0; i < 2; i++) {
        if (asprintf(&line, "%s: %s", fields[i][0], fields[i][1]) < 0) {
            check_fatal(c, "out of memory");
        }

        headers = curl_slist_append(headers, line);
        free(line);
    }

    easy = curl_easy_init();
    if (easy == NULL || headers == NULL) {
        check_fatal(c, "out of memory");
    }

    check_curl_options(c, easy);
    curl_easy_setopt(easy, CURLOPT_URL, c->options.auth_url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT, c->options.timeout);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, auth);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, auth);

    code = curl_easy_perform(easy);

    if (code == CURLE_OK) {
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, status);
    }

    curl_easy_cleanup(easy);
    curl_slist_free_all(headers);

    return code;
}


static size_t
on_header(char *p, size_t size, size_t n, void *data)
{
    char    *value;
    auth_t  *auth = data;

    n *= size;
    auth->bytes += n;

    if (auth->bytes > REPLY_MAX) {
        return 0;
    }

    value = check_curl_field(p, n, REG_SWIFT_TOKEN);
    if (value) {
        free(auth->token);
        auth->token = value;
    }

    value = check_curl_field(p, n, REG_SWIFT_STORAGE_URL);
    if (value) {
        free(auth->storage_url);
        auth->storage_url = value;
    }

    return n;
}


static size_t
on_body(char *p, size_t size, size_t n, void *data)
{
    auth_t  *auth = data;

    (void) p;

    auth->bytes += size * n;

    return auth->bytes > REPLY_MAX ? 0 : size * n;
}


void
check_curl_options(check_t *c, CURL *easy)
{
    curl_easy_reset(easy);

#if (LIBCURL_VERSION_NUM >= 0x075500)
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS,
                     (long) (CURLPROTO_HTTP|CURLPROTO_HTTPS));
#endif
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                     (long) CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT,
                     c->options.timeout < 10 ? c->options.timeout : 10L);

    if (c->options.ca_file) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, c->options.ca_file);
    }
}


char *
check_curl_field(const char *p, size_t len, const char *name)
{
    size_t  n;

    n = strlen(name);

    if (len <= n || p[n] != ':' || strncasecmp(p, name, n) != 0) {
        return NULL;
    }

    for (p += n + 1, len -= n + 1; len && (*p == ' ' || *p == '\t'); p++) {
        len--;
    }

    while (len && (p[len - 1] == '\r' || p[len - 1] == '\n'
                   || p[len - 1] == ' '))
    {
        len--;
    }

    return strndup(p, len);
}
