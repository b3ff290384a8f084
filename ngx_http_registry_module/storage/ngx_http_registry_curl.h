
/*
 * One HTTP request beside those of clients, by libcurl's multi interface on
 * nginx's event loop.  curl.c is the only file that knows libcurl.
 */

#ifndef _NGX_HTTP_REGISTRY_CURL_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_CURL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>


#define NGX_HTTP_REGISTRY_CURL_ERROR  256       /* CURL_ERROR_SIZE */


typedef struct {

    /* set by who asks, before start(); they live until free() */

    ngx_str_t      url;             /* zero-terminated, http or https */
    ngx_str_t      body;            /* a POST of JSON if it has data */
    ngx_str_t      trusted;         /* certificates; zero-terminated */
    ngx_str_t      connect;         /* zero-terminated "host:port" or
                                       "unix:path"; empty: that of the URL */
    unsigned       insecure:1;
    unsigned       head:1;          /* the method */
    ngx_msec_t     timeout;         /* of the whole */
    size_t         reply_max;       /* bytes of the reply's body */
    void          *data;

    /* each line of the reply's header, the status line, too; may be NULL */
    void         (*header)(void *data, u_char *p, size_t len);

    /* called once, never from within start(); it is to call free() */
    void         (*done)(void *data);

    /* what came of it, in done() */

    ngx_uint_t     status;          /* 0: no answer */
    ngx_str_t      reply;
    char          *error;           /* NULL, or what broke it */
    char          *why;             /* NULL, or why it was given up here */

    /* private */

    void          *multi;
    void          *easy;
    void          *headers;
    void          *connect_to;
    ngx_event_t    timer;
    ngx_queue_t    connections;
    size_t         header_bytes;
    size_t         reply_size;
    char           text[NGX_HTTP_REGISTRY_CURL_ERROR];
} ngx_http_registry_curl_t;


/* zeroed; NULL when there is no memory or libcurl does not start */
ngx_http_registry_curl_t *ngx_http_registry_curl_create(void);

ngx_int_t ngx_http_registry_curl_header(ngx_http_registry_curl_t *c,
    char *name, ngx_str_t *value);
ngx_int_t ngx_http_registry_curl_start(ngx_http_registry_curl_t *c);

/* at any time, without done() being called; wipes what was sent and read */
void ngx_http_registry_curl_free(ngx_http_registry_curl_t *c);

/*
 * The value of a header line, its blanks cut; NGX_DECLINED: it is of another
 * field, or does not fit into the buffer.
 */
ngx_int_t ngx_http_registry_curl_field(char *name, u_char *p, size_t len,
    u_char *buf, size_t size, size_t *value_len);


#endif /* _NGX_HTTP_REGISTRY_CURL_H_INCLUDED_ */
