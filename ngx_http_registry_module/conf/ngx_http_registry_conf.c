/*
 * What directives take, and what a location must have.
 */

#include "ngx_http_registry_conf.h"
#include "core/reg_name.h"
#include "shared/ngx_http_registry_cache.h"
#include "shared/ngx_http_registry_stat.h"
#include "storage/ngx_http_registry_health.h"
#include "handlers/ngx_http_registry_handler.h"
#include "handlers/ngx_http_registry_redirect.h"
#include "handlers/ngx_http_registry_status.h"
#include "ngx_http_registry_key.h"


#define NGX_HTTP_REGISTRY_CACHE_SIZE_MIN  (1024 * 1024)


/* milliseconds */
#define NGX_HTTP_REGISTRY_HEALTH_INTERVAL  10000
#define NGX_HTTP_REGISTRY_HEALTH_MIN       100

#define NGX_HTTP_REGISTRY_HEALTH_THRESHOLD  3

/* characters, as those of registry_secret_file */
#define NGX_HTTP_REGISTRY_REDIRECT_KEY_MIN  32


char *
ngx_http_registry_set_pass(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_registry_loc_conf_t  *rlcf = conf;

    size_t                         skip;
    ngx_str_t                     *value;
    ngx_url_t                      u;
    ngx_http_core_loc_conf_t      *clcf;
    ngx_http_registry_srv_conf_t  *rscf;

    if (rlcf->upstream.upstream) {
        return "is duplicate";
    }

    value = cf->args->elts;

    skip = 0;

    if (ngx_strncasecmp(value[1].data, (u_char *) "http://", 7) == 0) {
        skip = 7;

    } else if (ngx_strncasecmp(value[1].data, (u_char *) "https://", 8)
               == 0)
    {
        skip = 8;
        rlcf->ssl = 1;
    }

    if (skip == 0 || value[1].len == skip) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry_pass\" wants \"http://\" or"
                           " \"https://\" and the name of an upstream{} block"
                           " or an address, not \"%V\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url.len = value[1].len - skip;
    u.url.data = value[1].data + skip;
    u.default_port = rlcf->ssl ? 443 : 80;
    u.uri_part = 1;
    u.no_resolve = 1;

    rlcf->upstream.upstream = ngx_http_upstream_add(cf, &u, 0);
    if (rlcf->upstream.upstream == NULL) {
        return NGX_CONF_ERROR;
    }

    if (u.uri.len > 1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry_pass\" takes no path, but \"%V\" was"
                           " given: the auth server tells it", &u.uri);
        return NGX_CONF_ERROR;
    }

    rlcf->host.data = u.url.data;
    rlcf->host.len = u.url.len - u.uri.len;
    rlcf->file = cf->conf_file->file.name;
    rlcf->line = cf->conf_file->line;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    clcf->handler = ngx_http_registry_handler;

    rscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_registry_module);
    rscf->registry = 1;

    if (clcf->name.len && clcf->name.data[clcf->name.len - 1] == '/') {
        clcf->auto_redirect = 1;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_registry_set_external_url(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_registry_loc_conf_t  *rlcf = conf;

    reg_str_t                          url;
    ngx_str_t                         *value;
    ngx_http_compile_complex_value_t   ccv;

    if (rlcf->external_url != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    rlcf->external_url = ngx_pcalloc(cf->pool,
                                     sizeof(ngx_http_complex_value_t));
    if (rlcf->external_url == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &value[1];
    ccv.complex_value = rlcf->external_url;

    if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    url.len = value[1].len;
    url.data = value[1].data;

    if (rlcf->external_url->lengths == NULL && !reg_url_valid(&url)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry_external_url\" is the URL that clients"
                           " use, up to the slash of \"/v2/\", for example"
                           " \"https://registry.example.com\", not \"%V\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* on, off, or a text with variables that is one of these for each request */

char *
ngx_http_registry_set_switch(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *p = conf;

    ngx_str_t                          *value;
    ngx_http_complex_value_t          **cv;
    ngx_http_compile_complex_value_t    ccv;

    cv = (ngx_http_complex_value_t **) (p + cmd->offset);

    if (*cv != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_http_script_variables_count(&value[1]) == 0
        && ngx_strcmp(value[1].data, "on") != 0
        && ngx_strcmp(value[1].data, "off") != 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" must be \"on\", \"off\" or a variable,"
                           " not \"%V\"", &cmd->name, &value[1]);
        return NGX_CONF_ERROR;
    }

    *cv = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (*cv == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &value[1];
    ccv.complex_value = *cv;

    return ngx_http_compile_complex_value(&ccv) == NGX_OK ? NGX_CONF_OK
                                                          : NGX_CONF_ERROR;
}


char *
ngx_http_registry_set_cache(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_registry_loc_conf_t  *rlcf = conf;

    u_char                        *p;
    ssize_t                        size;
    ngx_str_t                     *value, name, text;

    if (rlcf->cache_zone != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        rlcf->cache_zone = NULL;
        return NGX_CONF_OK;
    }

    p = NULL;

    if (ngx_strncmp(value[1].data, "zone=", 5) == 0) {
        name.data = value[1].data + 5;
        p = (u_char *) ngx_strchr(name.data, ':');
    }

    if (p == NULL || p == name.data) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry_cache\" wants \"off\" or"
                           " \"zone=NAME:SIZE\", for example"
                           " \"zone=registry:64m\", not \"%V\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    name.len = p - name.data;
    text.data = p + 1;
    text.len = value[1].data + value[1].len - text.data;

    size = ngx_parse_size(&text);

    if (size < (ssize_t) NGX_HTTP_REGISTRY_CACHE_SIZE_MIN) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry_cache\" zone \"%V\" has to have 1m"
                           " or more, not \"%V\"", &name, &text);
        return NGX_CONF_ERROR;
    }

    rlcf->cache_zone = ngx_http_registry_cache_zone(cf, &name, size);

    return rlcf->cache_zone ? NGX_CONF_OK : NGX_CONF_ERROR;
}


char *
ngx_http_registry_conf_check(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf, ngx_http_core_loc_conf_t *clcf)
{
    ngx_uint_t       i;

    struct {
        const char  *name;
        ngx_str_t   *value;
        const char  *example;
    } required[] = {
        { "registry_auth_url", &conf->auth_url,
          "http://rgw.example.com:7480/auth/v1.0" },
        { "registry_auth_key_file", &conf->key_file,
          "/etc/nginx/registry.key" },
        { "registry_container", &conf->container, "registry" }
    };

    for (i = 0; i < sizeof(required) / sizeof(required[0]); i++) {

        if (required[i].value->len == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"registry_pass\" needs \"%s\" too, for"
                               " example \"%s %s;\"", required[i].name,
                               required[i].name, required[i].example);
            return NGX_CONF_ERROR;
        }
    }

    if (ngx_strlchr(conf->container.data,
                    conf->container.data + conf->container.len, '/')
        || conf->container.len > NGX_HTTP_REGISTRY_NAME_MAX)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry_container\" is a container's name of"
                           " at most 255 bytes without \"/\", not \"%V\"",
                           &conf->container);
        return NGX_CONF_ERROR;
    }

    if (conf->container.len < 3 || conf->container.data[0] == '.') {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "\"registry_container\" \"%V\": RGW takes no name"
                           " that is shorter than 3 bytes or begins with"
                           " \".\"", &conf->container);
    }

    if (conf->part_size < NGX_HTTP_REGISTRY_PART_MIN
        || conf->part_size > NGX_HTTP_REGISTRY_PART_MAX)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry_part_size\" must be 1m to 5g: 5g is"
                           " what RGW takes in one PUT");
        return NGX_CONF_ERROR;
    }

    if (conf->upload_expires < 60) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry_upload_expires\" must be 60 seconds or"
                           " more: a push in progress would lose its parts");
        return NGX_CONF_ERROR;
    }

    if (conf->upload_authorize && clcf->satisfy != NGX_HTTP_SATISFY_ANY) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "\"registry_upload_authorize\" changes nothing"
                           " without \"satisfy any\"");
    }

    if (clcf->alias) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"alias\" has no meaning beside"
                           " \"registry_pass\": remove it");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_registry_set_health(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_registry_loc_conf_t  *rlcf = conf;

    ngx_str_t                     *value, s;
    ngx_int_t                      n;
    ngx_uint_t                     i;

    if (rlcf->health_interval != NGX_CONF_UNSET_MSEC) {
        return "is duplicate";
    }

    value = cf->args->elts;

    rlcf->health_interval = NGX_HTTP_REGISTRY_HEALTH_INTERVAL;
    rlcf->health_threshold = NGX_HTTP_REGISTRY_HEALTH_THRESHOLD;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        rlcf->health_interval = 0;
        return NGX_CONF_OK;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "interval=", 9) == 0) {
            s.data = value[i].data + 9;
            s.len = value[i].len - 9;
            n = ngx_parse_time(&s, 0);

            if (n == NGX_ERROR || n < NGX_HTTP_REGISTRY_HEALTH_MIN) {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "\"registry_health\" wants an interval of"
                                   " 100ms or more, not \"%V\"", &s);
                return NGX_CONF_ERROR;
            }

            rlcf->health_interval = n;
            continue;
        }

        if (ngx_strncmp(value[i].data, "threshold=", 10) == 0) {
            s.data = value[i].data + 10;
            s.len = value[i].len - 10;
            n = ngx_atoi(s.data, s.len);

            if (n == NGX_ERROR || n < 1) {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "\"registry_health\" wants a threshold of"
                                   " 1 or more, not \"%V\"", &s);
                return NGX_CONF_ERROR;
            }

            rlcf->health_threshold = n;
            continue;
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry_health\" wants \"off\", or"
                           " \"interval=TIME\" and \"threshold=NUMBER\", not"
                           " \"%V\"", &value[i]);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_registry_set_authorize(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_registry_loc_conf_t  *rlcf = conf;

    time_t                         seconds;
    ngx_str_t                     *value;

    if (rlcf->upload_authorize != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        rlcf->upload_authorize = 0;
        return NGX_CONF_OK;
    }

    seconds = ngx_parse_time(&value[1], 1);

    if (seconds == (time_t) NGX_ERROR || seconds < 1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry_upload_authorize\" wants \"off\" or a"
                           " time as \"1h\", not \"%V\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    rlcf->upload_authorize = seconds;

    return NGX_CONF_OK;
}


char *
ngx_http_registry_set_redirect(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_registry_loc_conf_t      *rlcf = conf;

    ngx_str_t                         *value;
    ngx_http_compile_complex_value_t   ccv;

    if (rlcf->redirect != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        rlcf->redirect = NULL;
        return NGX_CONF_OK;
    }

    if (ngx_http_script_variables_count(&value[1]) == 0
        && !ngx_http_registry_redirect_valid(&value[1]))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry_redirect\" is \"off\" or the URL of the"
                           " storage that clients reach, for example"
                           " \"https://rgw.example.com/swift/v1\", not"
                           " \"%V\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    rlcf->redirect = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (rlcf->redirect == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &value[1];
    ccv.complex_value = rlcf->redirect;

    return ngx_http_compile_complex_value(&ccv) == NGX_OK ? NGX_CONF_OK
                                                          : NGX_CONF_ERROR;
}


/* for merging: the key is needed, and read once */

char *
ngx_http_registry_redirect_init(ngx_conf_t *cf,
    ngx_http_registry_loc_conf_t *conf)
{
    if (conf->redirect == NULL) {
        return NGX_CONF_OK;
    }

    if (conf->redirect_key_file.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry_redirect\" needs"
                           " \"registry_redirect_key_file\", a file with the"
                           " temporary URL key of the storage account");
        return NGX_CONF_ERROR;
    }

    if (conf->redirect_expires < 1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry_redirect_expires\" must be a second or"
                           " more");
        return NGX_CONF_ERROR;
    }

    if (ngx_http_registry_key_read(cf, "registry_redirect_key_file",
                                   &conf->redirect_key_file,
                                   &conf->redirect_key)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    /* each client has what is signed, and may try guesses against it */

    if (conf->redirect_key.len < NGX_HTTP_REGISTRY_REDIRECT_KEY_MIN) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry_redirect_key_file\" \"%V\" is shorter"
                           " than %d characters: whoever finds the key writes"
                           " to the account; \"openssl rand -hex 32\" makes"
                           " one, X-Account-Meta-Temp-URL-Key is set to it in"
                           " the storage", &conf->redirect_key_file,
                           NGX_HTTP_REGISTRY_REDIRECT_KEY_MIN);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_registry_set_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_registry_loc_conf_t  *rlcf = conf;

    ngx_str_t                     *value;
    ngx_http_core_loc_conf_t      *clcf;

    if (rlcf->status) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "prometheus") == 0) {
        rlcf->status = NGX_HTTP_REGISTRY_PROMETHEUS;

    } else if (ngx_strcmp(value[1].data, "json") == 0) {
        rlcf->status = NGX_HTTP_REGISTRY_JSON;

    } else if (ngx_strcmp(value[1].data, "health") == 0) {
        rlcf->status = NGX_HTTP_REGISTRY_HEALTH;

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry_status\" is \"prometheus\","
                           " \"json\" or \"health\", not \"%V\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_registry_status_handler;

    return ngx_http_registry_stat_zone(cf) == NGX_OK ? NGX_CONF_OK
                                                     : NGX_CONF_ERROR;
}
