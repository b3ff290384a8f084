/*
 * The secrets that sign the state of uploads.  Clients are given what is
 * signed and can try guesses of the secret against it, without being seen: so
 * whatever it is made of has to be too long to be guessed.
 */

#include "ngx_http_registry_secret.h"
#include "core/reg_session.h"
#include "storage/ngx_http_registry_token.h"
#include "ngx_http_registry_key.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>


#define NGX_HTTP_REGISTRY_SECRET_MIN    32       /* characters */
#define NGX_HTTP_REGISTRY_SECRETS_MAX   8
#define NGX_HTTP_REGISTRY_SECRET_MAGIC  0x52534331

/* scrypt: 16 MiB, and some 0.1 s of one processor for each account */
#define NGX_HTTP_REGISTRY_SECRET_N      16384
#define NGX_HTTP_REGISTRY_SECRET_R      8
#define NGX_HTTP_REGISTRY_SECRET_P      1
#define NGX_HTTP_REGISTRY_SECRET_MEM    (32 * 1024 * 1024)

/* before what is hashed; neither begins as the other does */
#define NGX_HTTP_REGISTRY_SECRET_STATE  "registry state of "
#define NGX_HTTP_REGISTRY_SECRET_1      "registry upload state "


typedef struct {
    ngx_uint_t    magic;
    u_char        random[REG_SESSION_SECRET];
} ngx_http_registry_secret_shared_t;


static ngx_int_t ngx_http_registry_secret_lines(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf);
static ngx_uint_t ngx_http_registry_secret_elsewhere(
    ngx_http_registry_main_conf_t *rmcf, ngx_http_registry_loc_conf_t *conf,
    u_char *former);
static ngx_int_t ngx_http_registry_secret_of_key(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf);
static ngx_int_t ngx_http_registry_secret_random(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf);
static ngx_int_t ngx_http_registry_secret_zone_init(ngx_shm_zone_t *zone,
    void *data);
static ngx_int_t ngx_http_registry_secret_add(
    ngx_http_registry_loc_conf_t *conf, u_char *source, size_t len);
static ngx_int_t ngx_http_registry_secret_hash(u_char *secret,
    u_char *source, size_t len, const char *label, ngx_str_t *of);


/* its address tells our zone from those of others */
static ngx_uint_t  ngx_http_registry_secret_tag;


ngx_int_t
ngx_http_registry_secrets(ngx_conf_t *cf, ngx_http_registry_loc_conf_t *conf)
{
    ngx_http_registry_loc_conf_t   **location;
    ngx_http_registry_main_conf_t   *rmcf;

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_registry_module);

    location = ngx_array_push(&rmcf->locations);

    conf->secrets = ngx_pcalloc(cf->pool, 2 * NGX_HTTP_REGISTRY_SECRETS_MAX
                                          * REG_SESSION_SECRET);
    if (location == NULL || conf->secrets == NULL) {
        return NGX_ERROR;
    }

    *location = conf;

    if (conf->secret_file.len) {
        return ngx_http_registry_secret_lines(cf, conf);
    }

    return ngx_http_registry_secret_of_key(cf, conf);
}


static ngx_int_t
ngx_http_registry_secret_lines(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf)
{
    size_t       len;
    u_char      *p, *last, *end;
    ngx_str_t    file;
    ngx_uint_t   line;
    const char  *why;

    if (ngx_http_registry_key_read(cf, "registry_secret_file",
                                   &conf->secret_file, &file)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    conf->former = ngx_palloc(cf->pool, NGX_HTTP_REGISTRY_SECRETS_MAX
                                        * REG_SESSION_SECRET);
    if (conf->former == NULL) {
        return NGX_ERROR;
    }

    p = file.data;
    last = file.data + file.len;

    for (line = 1; p < last; line++) {

        end = ngx_strlchr(p, last, LF);
        if (end == NULL) {
            end = last;
        }

        len = end - p;

        if (len && p[len - 1] == CR) {
            len--;
        }

        why = len < NGX_HTTP_REGISTRY_SECRET_MIN
              ? "is shorter than 32 characters: \"openssl rand -hex 32\""
                " makes one"
              : conf->nsecrets == NGX_HTTP_REGISTRY_SECRETS_MAX
              ? "is the ninth: more than 8 secrets are too many" : NULL;

        if (why) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"registry_secret_file\" \"%V\": line %ui %s",
                               &conf->secret_file, line, why);
            return NGX_ERROR;
        }

        if (ngx_http_registry_secret_hash(conf->former + conf->nsecrets
                                                         * REG_SESSION_SECRET,
                                          p, len, NGX_HTTP_REGISTRY_SECRET_1,
                                          &conf->root)
            != NGX_OK
            || ngx_http_registry_secret_add(conf, p, len) != NGX_OK)
        {
            return NGX_ERROR;
        }

        conf->nformer = conf->nsecrets;
        p = end + 1;
    }

    ngx_explicit_memzero(file.data, file.len);

    return NGX_OK;
}


/*
 * Up to 0.1.0 a secret was of its line and "container[/prefix]" only, as if
 * that were the place.  Uploads that were begun so go on where no other place
 * is known that they could be of.  Of the storage's key none is taken: whoever
 * has guessed it could still sign.
 */

ngx_int_t
ngx_http_registry_secrets_former(ngx_conf_t *cf)
{
    u_char                          *former;
    ngx_uint_t                       i, j;
    ngx_http_registry_loc_conf_t   **locations, *conf;
    ngx_http_registry_main_conf_t   *rmcf;

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_registry_module);
    locations = rmcf->locations.elts;

    for (i = 0; i < rmcf->locations.nelts; i++) {

        conf = locations[i];

        for (j = 0; j < conf->nformer; j++) {

            former = conf->former + j * REG_SESSION_SECRET;

            if (ngx_http_registry_secret_elsewhere(rmcf, conf, former)) {
                continue;
            }

            ngx_memcpy(conf->secrets + conf->nsecrets * REG_SESSION_SECRET,
                       former, REG_SESSION_SECRET);
            conf->nsecrets++;
        }
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_registry_secret_elsewhere(ngx_http_registry_main_conf_t *rmcf,
    ngx_http_registry_loc_conf_t *conf, u_char *former)
{
    ngx_uint_t                      i, j;
    ngx_http_registry_loc_conf_t  **locations, *other;

    locations = rmcf->locations.elts;

    for (i = 0; i < rmcf->locations.nelts; i++) {

        other = locations[i];

        if (other->nformer == 0
            || (other->container_id.len == conf->container_id.len
                && ngx_memcmp(other->container_id.data,
                              conf->container_id.data,
                              conf->container_id.len)
                   == 0))
        {
            continue;
        }

        for (j = 0; j < other->nformer; j++) {
            if (ngx_memcmp(other->former + j * REG_SESSION_SECRET, former,
                           REG_SESSION_SECRET)
                == 0)
            {
                return 1;
            }
        }
    }

    return 0;
}


/* all nodes with the same key agree, if it is none that people think of */

static ngx_int_t
ngx_http_registry_secret_of_key(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf)
{
    ngx_http_registry_account_t  *account;

    account = conf->account;

    if (account->secret.data) {
        return ngx_http_registry_secret_add(conf, account->secret.data,
                                            account->secret.len);
    }

    if (account->key.len < NGX_HTTP_REGISTRY_SECRET_MIN) {

        if (!account->weak && !conf->single_node) {
            account->weak = 1;
            ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                               "the key in \"registry_auth_key_file\" \"%V\""
                               " is shorter than 32 characters: uploads are"
                               " signed by a random secret of this node; if"
                               " there are others, set \"registry_secret_file\""
                               " for all, else \"registry_single_node on\"",
                               &conf->key_file);
        }

        return ngx_http_registry_secret_random(cf, conf);
    }

#if !defined(OPENSSL_NO_SCRYPT) && !defined(LIBRESSL_VERSION_NUMBER)

    account->secret.len = REG_SESSION_SECRET;
    account->secret.data = ngx_pnalloc(cf->pool, REG_SESSION_SECRET);

    if (account->secret.data == NULL) {
        return NGX_ERROR;
    }

    if (EVP_PBE_scrypt((char *) account->key.data, account->key.len,
                       account->salt.data, account->salt.len,
                       NGX_HTTP_REGISTRY_SECRET_N, NGX_HTTP_REGISTRY_SECRET_R,
                       NGX_HTTP_REGISTRY_SECRET_P,
                       NGX_HTTP_REGISTRY_SECRET_MEM, account->secret.data,
                       account->secret.len)
        == 1)
    {
        return ngx_http_registry_secret_add(conf, account->secret.data,
                                            account->secret.len);
    }

    ngx_conf_log_error(NGX_LOG_WARN, cf, 0, "EVP_PBE_scrypt() failed");
    account->secret.data = NULL;

#endif

    return ngx_http_registry_secret_random(cf, conf);
}


/* it is there when shared memory is: zone_init() adds it */

static ngx_int_t
ngx_http_registry_secret_random(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf)
{
    ngx_str_t        name = ngx_string("registry_secret");
    ngx_shm_zone_t  *zone;

    zone = ngx_shared_memory_add(cf, &name, 8 * ngx_pagesize,
                                 &ngx_http_registry_secret_tag);
    if (zone == NULL) {
        return NGX_ERROR;
    }

    zone->init = ngx_http_registry_secret_zone_init;
    zone->data = ngx_http_conf_get_module_main_conf(cf,
                                                    ngx_http_registry_module);

    return NGX_OK;
}


static ngx_int_t
ngx_http_registry_secret_zone_init(ngx_shm_zone_t *zone, void *data)
{
    ngx_uint_t                           i;
    ngx_slab_pool_t                     *slab;
    ngx_http_registry_loc_conf_t       **locations;
    ngx_http_registry_main_conf_t       *rmcf;
    ngx_http_registry_secret_shared_t   *sh;

    rmcf = zone->data;
    slab = (ngx_slab_pool_t *) zone->shm.addr;
    sh = data ? data : slab->data;

    if (sh == NULL || sh->magic != NGX_HTTP_REGISTRY_SECRET_MAGIC) {

        sh = ngx_slab_calloc(slab, sizeof(ngx_http_registry_secret_shared_t));

        if (sh == NULL || RAND_bytes(sh->random, sizeof(sh->random)) != 1) {
            return NGX_ERROR;
        }

        sh->magic = NGX_HTTP_REGISTRY_SECRET_MAGIC;
        slab->data = sh;
    }

    zone->data = sh;
    locations = rmcf->locations.elts;

    for (i = 0; i < rmcf->locations.nelts; i++) {

        if (locations[i]->nsecrets == 0
            && ngx_http_registry_secret_add(locations[i], sh->random,
                                            sizeof(sh->random))
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/*
 * What is signed for one place is void in another, though one file is for
 * both: an upload is not continued, nor authorised, elsewhere.
 */

static ngx_int_t
ngx_http_registry_secret_add(ngx_http_registry_loc_conf_t *conf,
    u_char *source, size_t len)
{
    u_char  *secret;

    secret = conf->secrets + conf->nsecrets * REG_SESSION_SECRET;

    if (ngx_http_registry_secret_hash(secret, source, len,
                                      NGX_HTTP_REGISTRY_SECRET_STATE,
                                      &conf->container_id)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    conf->nsecrets++;

    return NGX_OK;
}


static ngx_int_t
ngx_http_registry_secret_hash(u_char *secret, u_char *source, size_t len,
    const char *label, ngx_str_t *of)
{
    u_char     *p, *text;
    unsigned    size;

    text = ngx_alloc(ngx_strlen(label) + of->len, ngx_cycle->log);
    if (text == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(text, label, ngx_strlen(label));
    p = ngx_cpymem(p, of->data, of->len);

    p = HMAC(EVP_sha256(), source, (int) len, text, p - text, secret, &size);

    ngx_free(text);

    return p ? NGX_OK : NGX_ERROR;
}
