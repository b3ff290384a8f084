
/*
 * The account of the storage that a location's configuration means, and where
 * in it the registry is.
 */

#include "ngx_http_registry_account.h"
#include "shared/ngx_http_registry_stat.h"
#include "storage/ngx_http_registry_token.h"
#include "storage/ngx_http_registry_token_fetch.h"
#include "ngx_http_registry_key.h"
#include "ngx_http_registry_secret.h"


static ngx_http_registry_account_t *ngx_http_registry_account_find(
    ngx_http_registry_main_conf_t *rmcf, ngx_str_t *identity);
static ngx_uint_t ngx_http_registry_account_equal(ngx_str_t *a, ngx_str_t *b);
static char *ngx_http_registry_account_same(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf, ngx_str_t *key);
static ngx_uint_t ngx_http_registry_account_is_keystone(
    ngx_http_registry_loc_conf_t *conf);
static char *ngx_http_registry_account_values(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf, ngx_uint_t keystone);
static u_char *ngx_http_registry_account_fields(u_char *p,
    ngx_str_t **fields, ngx_uint_t n);
static ngx_int_t ngx_http_registry_account_identify(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf, ngx_uint_t keystone,
    ngx_str_t *identity, ngx_str_t *salt);
static ngx_int_t ngx_http_registry_account_root(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf);
static char *ngx_http_registry_account_host(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf);
static char *ngx_http_registry_account_new(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf, ngx_uint_t keystone,
    ngx_str_t *identity, ngx_str_t *salt, ngx_str_t *key);


/* NGX_CONF_UNSET_UINT: by the URL, as registry:2 has it */

ngx_conf_enum_t  ngx_http_registry_auth_versions[] = {
    { ngx_string("1"), 1 },
    { ngx_string("3"), 3 },
    { ngx_null_string, 0 }
};


char *
ngx_http_registry_account(ngx_conf_t *cf, ngx_http_registry_loc_conf_t *conf)
{
    char                           *rc;
    ngx_str_t                       key, identity, salt;
    ngx_uint_t                      keystone;
    ngx_http_registry_main_conf_t  *rmcf;

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_registry_module);

    if (ngx_strncasecmp(conf->auth_url.data, (u_char *) "http://", 7) != 0
        && ngx_strncasecmp(conf->auth_url.data, (u_char *) "https://", 8)
           != 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry_auth_url\" must begin with \"http://\""
                           " or \"https://\", not \"%V\"", &conf->auth_url);
        return NGX_CONF_ERROR;
    }

    keystone = ngx_http_registry_account_is_keystone(conf);

    if (ngx_http_registry_account_values(cf, conf, keystone) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_registry_key_read(cf, "registry_auth_key_file",
                                   &conf->key_file, &key)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_registry_account_root(cf, conf) != NGX_OK
        || ngx_http_registry_account_identify(cf, conf, keystone, &identity,
                                              &salt)
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    conf->account = ngx_http_registry_account_find(rmcf, &identity);

    if (conf->account == NULL) {
        rc = ngx_http_registry_account_new(cf, conf, keystone, &identity,
                                           &salt, &key);
    } else {
        rc = ngx_http_registry_account_same(cf, conf, &key);
    }

    if (rc != NGX_CONF_OK
        || ngx_http_registry_account_host(cf, conf) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    return ngx_http_registry_secrets(cf, conf) == NGX_OK ? NGX_CONF_OK
                                                         : NGX_CONF_ERROR;
}


static ngx_http_registry_account_t *
ngx_http_registry_account_find(ngx_http_registry_main_conf_t *rmcf,
    ngx_str_t *identity)
{
    ngx_uint_t                     i;
    ngx_http_registry_account_t  **accounts;

    accounts = rmcf->accounts.elts;

    for (i = 0; i < rmcf->accounts.nelts; i++) {

        if (ngx_http_registry_account_equal(&accounts[i]->identity,
                                            identity))
        {
            return accounts[i];
        }
    }

    return NULL;
}


static ngx_uint_t
ngx_http_registry_account_equal(ngx_str_t *a, ngx_str_t *b)
{
    return a->len == b->len && ngx_memcmp(a->data, b->data, a->len) == 0;
}


/*
 * One key is sent, once for all locations of the account: what protects it
 * must not be that of whichever comes first.
 */

static char *
ngx_http_registry_account_same(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf, ngx_str_t *key)
{
    const char                   *what;
    ngx_http_registry_account_t  *account;

    account = conf->account;
    what = NULL;

    if (!ngx_http_registry_account_equal(&account->key, key)) {
        what = "registry_auth_key_file";

    } else if (ngx_strncasecmp(conf->auth_url.data, (u_char *) "https:", 6)
               != 0)
    {
        what = NULL;

    } else if (account->insecure == (unsigned) conf->ssl_verify) {
        what = "registry_ssl_verify";

    } else if (conf->ssl_verify
               && !ngx_http_registry_account_equal(&account->trusted,
                                                   &conf->ssl_trusted))
    {
        what = "registry_ssl_trusted_certificate";
    }

    if (what == NULL) {
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"%s\" differs between \"registry_pass\" in %V:%ui"
                       " and in %V:%ui, but user \"%V\" of \"%V\" has one"
                       " token for this storage: set it once for both, in"
                       " \"server\" or \"http\"", what, &account->file, account->line,
                       &conf->file, conf->line, &account->user,
                       &account->auth_url);

    return NGX_CONF_ERROR;
}


/* "/v3" in the path */

static ngx_uint_t
ngx_http_registry_account_is_keystone(ngx_http_registry_loc_conf_t *conf)
{
    u_char  *p, *last;

    if (conf->auth_version != NGX_CONF_UNSET_UINT) {
        return conf->auth_version == 3;
    }

    last = conf->auth_url.data + conf->auth_url.len;

    for (p = conf->auth_url.data + sizeof("https://") - 1;
         p + 3 <= last;
         p++)
    {
        if (p[0] == '/' && p[1] == 'v' && p[2] == '3'
            && (p + 3 == last || p[3] == '/'))
        {
            return 1;
        }
    }

    return 0;
}


static char *
ngx_http_registry_account_values(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf, ngx_uint_t keystone)
{
    ngx_str_t        value;
    ngx_uint_t       i;
    const char      *why;
    reg_keystone_t  *k;

    k = &conf->keystone;

    struct {
        const char  *name;
        reg_str_t   *value;
    } values[] = {
        { "registry_auth_user", &k->user },
        { "registry_auth_domain", &k->domain },
        { "registry_auth_project", &k->project },
        { "registry_auth_project_domain", &k->project_domain },
        { "registry_auth_application_credential", &k->credential },
        { "registry_auth_trust", &k->trust },
        { "registry_auth_region", &k->region }
    };

    k->user.len = conf->user.len;
    k->user.data = conf->user.data;

    for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {

        value.len = values[i].value->len;
        value.data = values[i].value->data;

        if (ngx_http_registry_token_printable(&value, ' ') != NGX_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%s\" has control characters",
                               values[i].name);
            return NGX_CONF_ERROR;
        }

        if (i > 0 && value.len && !keystone) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%s\" is for Keystone, but"
                               " \"registry_auth_url\" \"%V\" is not: its"
                               " URL ends with \"/v3\"", values[i].name,
                               &conf->auth_url);
            return NGX_CONF_ERROR;
        }
    }

    if (keystone) {
        why = reg_keystone_check(k);

        if (why) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s", why);
            return NGX_CONF_ERROR;
        }

    } else if (conf->user.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry_pass\" needs \"registry_auth_user\""
                           " too, for example \"registry_auth_user"
                           " account:user;\"");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/*
 * Each field behind its length: whatever is in them, no two lists of fields
 * make one text.
 */

static u_char *
ngx_http_registry_account_fields(u_char *p, ngx_str_t **fields, ngx_uint_t n)
{
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {
        p = ngx_sprintf(p, "%uz:%V,", fields[i]->len, fields[i]);
    }

    return p;
}


/*
 * conf->container_id: all that tells one place of a registry from another;
 * what is kept, or signed, for one is nothing to another.  It begins with what
 * makes a token another one, *identity, and this with *salt, of which all nodes
 * make the secret that signs.
 */

static ngx_int_t
ngx_http_registry_account_identify(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf, ngx_uint_t keystone,
    ngx_str_t *identity, ngx_str_t *salt)
{
    u_char      *p;
    size_t       len;
    ngx_str_t    version, scheme, scope[7], *fields[13];
    ngx_uint_t   i, n, nsalt, ntoken;
    reg_str_t   *values[] = {
        &conf->keystone.domain, &conf->keystone.project,
        &conf->keystone.project_domain, &conf->keystone.credential,
        &conf->keystone.trust, &conf->keystone.region,
        &conf->keystone.interface
    };

    version.len = 1;
    version.data = (u_char *) (keystone ? "3" : "1");
    scheme.len = conf->ssl ? 5 : 4;
    scheme.data = (u_char *) "https";

    n = 0;
    fields[n++] = &version;
    fields[n++] = &conf->auth_url;
    fields[n++] = &conf->user;

    for (i = 0; keystone && i < sizeof(values) / sizeof(values[0]); i++) {
        scope[i].len = values[i]->len;
        scope[i].data = values[i]->data;
        fields[n++] = &scope[i];
    }

    nsalt = n;

    /* a storage that refuses tokens spoils none of another's */

    fields[n++] = &scheme;
    fields[n++] = &conf->host;
    ntoken = n;
    fields[n++] = &conf->root;

    for (i = 0, len = 0; i < n; i++) {
        len += NGX_SIZE_T_LEN + fields[i]->len + 2;
    }

    p = ngx_pnalloc(cf->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    salt->data = p;
    p = ngx_http_registry_account_fields(p, fields, nsalt);
    salt->len = p - salt->data;

    identity->data = salt->data;
    p = ngx_http_registry_account_fields(p, fields + nsalt, ntoken - nsalt);
    identity->len = p - identity->data;

    conf->container_id.data = identity->data;
    p = ngx_http_registry_account_fields(p, fields + ntoken, n - ntoken);
    conf->container_id.len = p - conf->container_id.data;

    return NGX_OK;
}


/* "container" or "container/prefix" */

static ngx_int_t
ngx_http_registry_account_root(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf)
{
    u_char     *p;
    ngx_str_t  *prefix;

    /* conf->prefix is merged into locations within: it is left as it is */

    prefix = &conf->prefix_slash;
    *prefix = conf->prefix;

    /* as registry:2 does */

    while (prefix->len && prefix->data[0] == '/') {
        prefix->data++;
        prefix->len--;
    }

    if (prefix->len > NGX_HTTP_REGISTRY_NAME_MAX
        || ngx_http_registry_token_printable(prefix, ' ') != NGX_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry_prefix\" is longer than %d bytes or"
                           " has control characters",
                           NGX_HTTP_REGISTRY_NAME_MAX);
        return NGX_ERROR;
    }

    p = ngx_pnalloc(cf->pool, conf->container.len + prefix->len + 2);
    if (p == NULL) {
        return NGX_ERROR;
    }

    conf->root.data = p;

    p = ngx_cpymem(p, conf->container.data, conf->container.len);

    if (prefix->len) {
        *p++ = '/';
        p = ngx_cpymem(p, prefix->data, prefix->len);
    }

    conf->root.len = p - conf->root.data;

    if (prefix->len) {
        *p++ = '/';
        prefix->data = p - prefix->len - 1;
        prefix->len++;
    }

    return NGX_OK;
}


/*
 * RGW with "rgw dns name" takes a Host that is none of its names for a bucket,
 * and who balances load may look at it: the name of an upstream {} block is a
 * host's only by chance.  What signs, and tells places apart, knows only
 * registry_pass, as ever.
 */

static char *
ngx_http_registry_account_host(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf)
{
    ngx_str_t  *host, *url, path;

    host = &conf->host_told;
    url = &conf->account->auth_url;

    if (conf->host_set.len) {
        *host = conf->host_set;

        if (ngx_http_registry_token_printable(host, '!') == NGX_OK
            && ngx_strlchr(host->data, host->data + host->len, '/') == NULL)
        {
            return NGX_CONF_OK;
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry_host\" is what the storage is told as"
                           " Host, for example \"rgw.example.com\", not"
                           " \"%V\"", host);
        return NGX_CONF_ERROR;
    }

    *host = conf->host;

    if (ngx_strncmp(host->data, "unix:", 5) != 0
        && (!(conf->upstream.upstream->flags & NGX_HTTP_UPSTREAM_CREATE)
            || ngx_strlchr(host->data, host->data + host->len, '.')))
    {
        return NGX_CONF_OK;
    }

    if (conf->ssl_name.len) {
        *host = conf->ssl_name;
        return NGX_CONF_OK;
    }

    if (conf->account->keystone == NULL) {

        (void) ngx_http_registry_token_fetch_path(url->data, url->len, &path);

        host->data = (u_char *) ngx_strstr(url->data, "//") + 2;
        host->len = path.data - host->data;
        return NGX_CONF_OK;
    }

    if (!conf->account->nameless) {
        conf->account->nameless = 1;
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "neither \"registry_pass\" with \"%V\" nor"
                           " Keystone's \"registry_auth_url\" has the name of"
                           " the storage's host, which is told \"Host: %V\":"
                           " set \"registry_host\"", host, host);
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_registry_account_new(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf, ngx_uint_t keystone,
    ngx_str_t *identity, ngx_str_t *salt, ngx_str_t *key)
{
    u_char                          *p;
    reg_keystone_t                  *k;
    ngx_http_registry_account_t     *account, **accounts;
    ngx_http_registry_main_conf_t   *rmcf;

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_registry_module);
    k = &conf->keystone;

    account = ngx_pcalloc(cf->pool, sizeof(ngx_http_registry_account_t));
    accounts = ngx_array_push(&rmcf->accounts);
    p = ngx_pnalloc(cf->pool, conf->auth_url.len + 1);

    if (account == NULL || accounts == NULL || p == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_cpystrn(p, conf->auth_url.data, conf->auth_url.len + 1);

    account->identity = *identity;
    account->salt = *salt;
    account->auth_url.data = p;
    account->auth_url.len = conf->auth_url.len;
    account->user = conf->user;
    account->key = *key;
    account->trusted = conf->ssl_trusted;
    account->insecure = !conf->ssl_verify;
    account->file = conf->file;
    account->line = conf->line;

    if (keystone) {
        account->keystone = k;

        if (conf->user.len == 0) {
            account->user.len = k->credential.len;
            account->user.data = k->credential.data;
        }
    }

    *accounts = account;
    conf->account = account;

    if (ngx_http_registry_stat_zone(cf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return ngx_http_registry_token_zone(cf, account);
}
