/*
 * A client that leaves while its request runs.
 *
 * Over HTTP/2 a reset stream, or a closed connection, is an error of the
 * stream's connection, by which nginx terminates the request as soon as one of
 * its subrequests ends; over HTTP/3 a closed connection terminates it at once.
 * Either would break a write off between any two of its calls.  So such an
 * error is taken from the connection where nginx tells it, by an event, and
 * put back at the end.
 */

#include "ngx_http_registry_leave.h"


static void ngx_http_registry_leave_event(ngx_event_t *ev);


void
ngx_http_registry_leave_hold(ngx_http_request_t *r)
{
    ngx_connection_t         *c;
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
    c = r->connection;

    ctx->client_event = c->read->handler;

    c->read->handler = ngx_http_registry_leave_event;
    c->write->handler = ngx_http_registry_leave_event;
}


ngx_uint_t
ngx_http_registry_leave_left(ngx_http_request_t *r)
{
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);

    return ctx->left || r->connection->error;
}


void
ngx_http_registry_leave_release(ngx_http_request_t *r)
{
    ngx_connection_t         *c;
    ngx_http_registry_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_registry_module);
    c = r->connection;

    if (ctx->client_event == NULL) {
        return;
    }

    c->read->handler = ctx->client_event;
    c->write->handler = ctx->client_event;
    ctx->client_event = NULL;

    if (ctx->left) {
        c->error = 1;
    }
}


static void
ngx_http_registry_leave_event(ngx_event_t *ev)
{
    ngx_connection_t         *c;
    ngx_http_request_t       *r;
    ngx_http_registry_ctx_t  *ctx;

    c = ev->data;
    r = c->data;

    ctx = ngx_http_get_module_ctx(r->main, ngx_http_registry_module);

    if (c->error || c->close) {
        ctx->left = 1;
        c->error = 0;
        c->close = 0;
    }

    ctx->client_event(ev);
}
