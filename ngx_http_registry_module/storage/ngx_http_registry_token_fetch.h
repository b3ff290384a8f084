
/*
 * One request for a token.  Used by ngx_http_registry_token.c alone.
 */

#ifndef _NGX_HTTP_REGISTRY_TOKEN_FETCH_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_TOKEN_FETCH_H_INCLUDED_


#include "ngx_http_registry_token.h"


#define NGX_HTTP_REGISTRY_TOKEN_MAX       4096
#define NGX_HTTP_REGISTRY_TOKEN_PATH_MAX  1024

/* milliseconds a fetch lasts at most */
#define NGX_HTTP_REGISTRY_TOKEN_TOTAL     10000


/* checked, and valid within the call it is given to */
typedef struct {
    ngx_str_t  token;
    ngx_str_t  storage;
    time_t     life;       /* seconds, any value */
} ngx_http_registry_token_answer_t;


/* answer is NULL when the fetch failed: why was logged */
typedef void (*ngx_http_registry_token_done_pt)(
    ngx_http_registry_account_t *account,
    ngx_http_registry_token_answer_t *answer);


/* NGX_ERROR: not started, why was logged; done is never called from within */
ngx_int_t ngx_http_registry_token_fetch(ngx_http_registry_account_t *account,
    ngx_http_registry_token_done_pt done);

/* ends the fetch under way without calling done */
void ngx_http_registry_token_fetch_end(ngx_http_registry_account_t *account);

/* the path of a http or https URL; NGX_ERROR if it is another or has a user */
ngx_int_t ngx_http_registry_token_fetch_path(u_char *url, size_t len,
    ngx_str_t *path);

/* NGX_OK: no byte below from, no DEL */
ngx_int_t ngx_http_registry_token_printable(ngx_str_t *s, u_char from);


#endif /* _NGX_HTTP_REGISTRY_TOKEN_FETCH_H_INCLUDED_ */
