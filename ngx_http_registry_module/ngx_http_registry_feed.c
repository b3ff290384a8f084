/*
 * How a storage call takes the client's body: its output filter counts,
 * frames when the length is not known, and ends the call when its part is
 * full, in the middle of the body if need be.  What was read by then waits
 * for the call that makes the next part.
 */

#include "ngx_http_registry_module.h"


#define NGX_HTTP_REGISTRY_CHUNK  (sizeof("0000000000000000" CRLF) - 1)


static ngx_int_t ngx_http_registry_feed_filter(void *data, ngx_chain_t *in);


void
ngx_http_registry_feed_begin(ngx_http_request_t *sr,
    ngx_http_registry_call_t *rc, off_t *length)
{
    off_t         size, part;
    ngx_chain_t  *cl;

    part = rc->ctx->flow->part_size;

    sr->upstream->output.output_filter = ngx_http_registry_feed_filter;
    sr->upstream->output.filter_ctx = sr;

    if (!sr->reading_body) {

        for (size = 0, cl = sr->request_body->bufs; cl; cl = cl->next) {
            size += ngx_buf_size(cl->buf);
        }

    } else if (!sr->headers_in.chunked
               && sr->headers_in.content_length_n >= 0)
    {
        /*
         * nginx sets content_length_n of a chunked body to what came so far:
         * it is the length only of a body that is not chunked.
         */

        size = sr->headers_in.content_length_n - rc->ctx->fed;

    } else {
        rc->framed = 1;
        rc->left = part;
        *length = -1;

        return;
    }

    rc->final = (size <= part);
    rc->left = ngx_min(size, part);
    *length = rc->left;
}


/* the rest of the chain is for the next part; links are the caller's */

static ngx_int_t
ngx_http_registry_feed_cut(ngx_http_request_t *sr,
    ngx_http_registry_call_t *rc, ngx_chain_t *in)
{
    ngx_chain_t       *cl, **ll;
    ngx_connection_t  *c;

    for (ll = &rc->rest; in; in = in->next) {

        cl = ngx_alloc_chain_link(sr->pool);
        if (cl == NULL) {
            return NGX_ERROR;
        }

        cl->buf = in->buf;
        cl->next = NULL;
        *ll = cl;
        ll = &cl->next;
    }

    rc->cut = 1;
    rc->more = sr->reading_body;
    sr->reading_body = 0;

    /* the client is not waited for while the part is completed */

    c = sr->connection;

    if (c->read->timer_set) {
        ngx_del_timer(c->read);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_registry_feed_add(ngx_http_request_t *sr, ngx_chain_t ***ll,
    ngx_buf_t *b)
{
    ngx_chain_t  *cl;

    cl = ngx_alloc_chain_link(sr->pool);
    if (cl == NULL) {
        return NGX_ERROR;
    }

    cl->buf = b;
    cl->next = NULL;
    **ll = cl;
    *ll = &cl->next;

    return NGX_OK;
}


/*
 * What of "in" belongs to this part goes to *ll; *last is set when the body
 * ends in it.
 */

static ngx_int_t
ngx_http_registry_feed_take(ngx_http_request_t *sr,
    ngx_http_registry_call_t *rc, ngx_chain_t *in, ngx_chain_t ***ll,
    ngx_uint_t *last)
{
    off_t       size;
    ngx_buf_t  *b, *head;

    for ( /* void */ ; in; in = in->next) {

        b = in->buf;
        size = ngx_buf_size(b);

        if (size > rc->left) {

            if (rc->final) {
                ngx_log_error(NGX_LOG_ALERT, sr->connection->log, 0,
                              "registry: more body than was announced");
                return NGX_ERROR;
            }

            if (rc->left) {
                head = ngx_calloc_buf(sr->pool);
                if (head == NULL) {
                    return NGX_ERROR;
                }

                head->memory = 1;
                head->pos = b->pos;
                head->last = b->pos + rc->left;

                /* "b" keeps its memory from being read into: it has a rest */

                b->pos = head->last;
                rc->sent += rc->left;
                rc->left = 0;

                if (ngx_http_registry_feed_add(sr, ll, head) != NGX_OK) {
                    return NGX_ERROR;
                }
            }

            return ngx_http_registry_feed_cut(sr, rc, in);
        }

        *last |= b->last_buf;

        if (size == 0) {
            continue;
        }

        rc->sent += size;
        rc->left -= size;

        if (ngx_http_registry_feed_add(sr, ll, b) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (rc->left == 0 && !rc->final && !rc->cut && !*last) {
        return ngx_http_registry_feed_cut(sr, rc, NULL);
    }

    return NGX_OK;
}


/* a buffer with a piece of framing; they are used again */

static ngx_chain_t *
ngx_http_registry_feed_text(ngx_http_request_t *sr,
    ngx_http_registry_call_t *rc, u_char *text, size_t len)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    cl = ngx_chain_get_free_buf(sr->pool, &rc->free);
    if (cl == NULL) {
        return NULL;
    }

    b = cl->buf;

    if (b->start == NULL) {
        b->start = ngx_palloc(sr->pool, NGX_HTTP_REGISTRY_CHUNK);
        if (b->start == NULL) {
            return NULL;
        }

        b->end = b->start + NGX_HTTP_REGISTRY_CHUNK;
    }

    b->tag = (ngx_buf_tag_t) &ngx_http_registry_feed_filter;
    b->temporary = 1;
    b->pos = b->start;
    b->last = ngx_cpymem(b->start, text, len);
    cl->next = NULL;

    return cl;
}


/* chunked framing around what stands from *first to *ll */

static ngx_int_t
ngx_http_registry_feed_frame(ngx_http_request_t *sr,
    ngx_http_registry_call_t *rc, ngx_chain_t **first, ngx_chain_t **ll,
    ngx_uint_t last)
{
    off_t         size;
    u_char        text[NGX_HTTP_REGISTRY_CHUNK + 1], *p;
    ngx_chain_t  *cl;

    for (size = 0, cl = *first; cl; cl = cl->next) {
        size += ngx_buf_size(cl->buf);
    }

    if (size == 0 && !last) {
        return NGX_OK;
    }

    p = text;

    if (size) {
        p = ngx_cpymem(p, CRLF, 2);
    }

    if (last) {
        p = ngx_cpymem(p, "0" CRLF CRLF, 5);
    }

    *ll = ngx_http_registry_feed_text(sr, rc, text, p - text);
    if (*ll == NULL) {
        return NGX_ERROR;
    }

    if (size) {
        p = ngx_sprintf(text, "%xO" CRLF, size);

        cl = ngx_http_registry_feed_text(sr, rc, text, p - text);
        if (cl == NULL) {
            return NGX_ERROR;
        }

        cl->next = *first;
        *first = cl;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_registry_feed_filter(void *data, ngx_chain_t *in)
{
    ngx_http_request_t        *sr = data;

    ngx_int_t                  rv;
    ngx_uint_t                 last, was_cut;
    ngx_chain_t               *out, **ll, **first;
    ngx_http_registry_call_t  *rc;

    rc = ngx_http_get_module_ctx(sr, ngx_http_registry_module);

    out = NULL;
    ll = &out;
    last = 0;
    was_cut = rc->cut;

    /* the first buffer is the request's header */

    if (in && !rc->header_out) {
        rc->header_out = 1;

        if (ngx_http_registry_feed_add(sr, &ll, in->buf) != NGX_OK) {
            return NGX_ERROR;
        }

        in = in->next;
    }

    first = ll;

    if (in) {

        if (ngx_http_registry_feed_take(sr, rc, in, &ll, &last) != NGX_OK) {
            return NGX_ERROR;
        }

        if (rc->framed
            && ngx_http_registry_feed_frame(sr, rc, first, ll,
                                            last || rc->cut != was_cut)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    rv = ngx_chain_writer(&sr->upstream->writer, out);

    ngx_chain_update_chains(sr->pool, &rc->free, &rc->busy, &out,
                            (ngx_buf_tag_t) &ngx_http_registry_feed_filter);

    return rv;
}


void
ngx_http_registry_feed_end(ngx_http_request_t *sr,
    ngx_http_registry_call_t *rc)
{
    reg_flow_t               *f;
    ngx_http_request_t       *r;
    ngx_http_registry_ctx_t  *ctx;

    r = sr->main;
    ctx = rc->ctx;
    f = ctx->flow;

    f->fed = rc->sent;
    f->cut = rc->cut;

    ctx->fed += rc->sent;
    ctx->feeding = 0;
    ctx->feeder = NULL;

    /* for $request_length: the body was counted at the subrequest */

    r->request_length += sr->request_length;
    r->read_event_handler = ngx_http_block_reading;

    if (rc->cut) {
        r->reading_body = rc->more;
        r->request_body->bufs = rc->rest;

        return;
    }

    /* what is refused was read to its end, which nginx was not told */

    r->reading_body = sr->reading_body && !f->refused;
}
