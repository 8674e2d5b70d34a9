/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/admin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>

#include "admin/metrics.h"
#include "admin/status.h"
#include "base/log.h"
#include "base/xalloc.h"

#define HEADERS_MAX 8192
#define BODY_MAX 65536
#define IDLE_S 10
#define REQUEST_S 10 /* absolute: libevent's own timeout starts anew with each byte */
#define CONNECTIONS_MAX 64

/* One connection, to end it when its time is over. Holds a reference, because libevent does not tell of
 * the end of a connection that never made a whole request. */
struct connection {
    struct bufferevent *bev; /* NULL: the place is free */
    struct event *timer;
};

struct admin {
    struct event_base *base;
    const struct engine *engine;
    struct evhttp *http;
    uint16_t port;
    struct connection connections[CONNECTIONS_MAX];
    size_t next_victim;
};

struct route {
    const char *path;
    void (*answer)(struct admin *a, struct evhttp_request *req);
};

/* ---- Answers ---- */

static void reply(struct evhttp_request *req, int code, const char *type, struct buf *body)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(req);
    struct evbuffer *out = evbuffer_new();

    evhttp_add_header(headers, "Content-Type", type);
    evhttp_add_header(headers, "Cache-Control", "no-store");
    evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
    if (out)
        evbuffer_add(out, buf_text(body), body->len);
    evhttp_send_reply(req, code, NULL, out);
    if (out)
        evbuffer_free(out);
    buf_done(body);
}

/* RFC 9457. */
static void problem(struct evhttp_request *req, int code, const char *title)
{
    struct buf b = BUF_INIT;

    buf_printf(&b, "{\"type\":\"about:blank\",\"status\":%d,\"title\":", code);
    buf_json_str(&b, title, strlen(title));
    buf_str(&b, "}\n");
    reply(req, code, "application/problem+json", &b);
}

static void answer_livez(struct admin *a, struct evhttp_request *req)
{
    struct buf b = BUF_INIT;

    (void)a;
    buf_str(&b, "ok\n");
    reply(req, 200, "text/plain; charset=utf-8", &b);
}

static void answer_readyz(struct admin *a, struct evhttp_request *req)
{
    const char *reason = engine_not_ready_reason(a->engine);
    struct buf b = BUF_INIT;

    buf_printf(&b, "%s\n", reason[0] ? reason : "ok");
    reply(req, reason[0] ? 503 : 200, "text/plain; charset=utf-8", &b);
}

static void answer_metrics(struct admin *a, struct evhttp_request *req)
{
    struct buf b = BUF_INIT;

    metrics_render(a->engine, &b);
    reply(req, 200, "text/plain; version=0.0.4; charset=utf-8", &b);
}

static void answer_status(struct admin *a, struct evhttp_request *req)
{
    struct buf b = BUF_INIT;

    status_render(a->engine, &b);
    reply(req, 200, "application/json", &b);
}

static void answer_version(struct admin *a, struct evhttp_request *req)
{
    struct buf b = BUF_INIT;

    (void)a;
    buf_printf(&b, "{\"quern\":\"%s\"}\n", QUERN_VERSION);
    reply(req, 200, "application/json", &b);
}

static void answer_endpoints(struct admin *a, struct evhttp_request *req);

static const struct route routes[] = {
    {"/livez", answer_livez},     {"/readyz", answer_readyz},
    {"/metrics", answer_metrics}, {"/api/v1/status", answer_status},
    {"/version", answer_version}, {"/api/v1/endpoints", answer_endpoints},
};
#define ROUTE_COUNT (sizeof routes / sizeof routes[0])

static void answer_endpoints(struct admin *a, struct evhttp_request *req)
{
    struct buf b = BUF_INIT;

    (void)a;
    buf_char(&b, '[');
    for (size_t i = 0; i < ROUTE_COUNT; i++)
        buf_printf(&b, "%s\"%s\"", i ? "," : "", routes[i].path);
    buf_str(&b, "]\n");
    reply(req, 200, "application/json", &b);
}

/* ---- Connections ---- */

static void free_place(struct connection *c)
{
    if (c->bev)
        bufferevent_decref(c->bev);
    c->bev = NULL;
    event_del(c->timer);
}

static void on_deadline(evutil_socket_t fd, short what, void *data)
{
    struct connection *c = data;

    (void)fd, (void)what;
    /* libevent sees the end of the stream and frees what is its own. */
    (void)shutdown(bufferevent_getfd(c->bev), SHUT_RDWR);
    free_place(c);
}

static struct connection *find_place(struct admin *a, const struct bufferevent *bev)
{
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        if (a->connections[i].bev == bev)
            return &a->connections[i];
    return NULL;
}

static void on_close(struct evhttp_connection *evcon, void *data)
{
    struct connection *c = find_place(data, evhttp_connection_get_bufferevent(evcon));

    if (c)
        free_place(c);
}

/* Each connection lives for REQUEST_S at most, kept alive or not: pollers connect again. When all
 * places are taken one of them gives way, so that a health check always gets through. */
static struct bufferevent *on_accept(struct event_base *base, void *data)
{
    struct admin *a = data;
    struct connection *c = find_place(a, NULL);

    if (!c) {
        c = &a->connections[a->next_victim++ % CONNECTIONS_MAX];
        on_deadline(-1, 0, c);
    }
    c->bev = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
    if (!c->bev)
        return NULL;
    bufferevent_incref(c->bev);
    event_add(c->timer, &(struct timeval){REQUEST_S, 0});
    return c->bev;
}

static void on_request(struct evhttp_request *req, void *data)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(req);
    const char *path = uri ? evhttp_uri_get_path(uri) : NULL;
    struct evhttp_connection *evcon = evhttp_request_get_connection(req);

    if (evcon)
        evhttp_connection_set_closecb(evcon, on_close, data);
    for (size_t i = 0; path && i < ROUTE_COUNT; i++)
        if (strcmp(path, routes[i].path) == 0) {
            routes[i].answer(data, req);
            return;
        }
    problem(req, 404, "no such page; /api/v1/endpoints lists them");
}

static int bind_to(struct admin *a, const struct settings_admin *s, char *error, size_t size)
{
    struct evhttp_bound_socket *socket =
        evhttp_bind_socket_with_handle(a->http, s->host, s->port);
    struct sockaddr_storage addr;
    socklen_t len = sizeof addr;

    if (!socket) {
        snprintf(error, size, "cannot listen on %s:%u: %s", s->host, s->port, strerror(errno));
        return -errno;
    }
    if (getsockname(evhttp_bound_socket_get_fd(socket), (struct sockaddr *)&addr, &len) != 0) {
        snprintf(error, size, "%s", strerror(errno));
        return -errno;
    }
    a->port = ntohs(addr.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&addr)->sin6_port
                                               : ((struct sockaddr_in *)&addr)->sin_port);
    return 0;
}

struct admin *admin_new(struct event_base *base, const struct engine *engine,
                        const struct settings_admin *settings, char *error, size_t error_size)
{
    struct admin *a = xcalloc(1, sizeof *a);

    a->base = base;
    a->engine = engine;
    a->http = evhttp_new(base);
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        a->connections[i].timer = evtimer_new(base, on_deadline, &a->connections[i]);
    if (!a->http) {
        snprintf(error, error_size, "out of memory");
        admin_free(a);
        return NULL;
    }
    evhttp_set_max_headers_size(a->http, HEADERS_MAX);
    evhttp_set_max_body_size(a->http, BODY_MAX);
    evhttp_set_timeout(a->http, IDLE_S);
    evhttp_set_allowed_methods(a->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
    evhttp_set_gencb(a->http, on_request, a);
    evhttp_set_bevcb(a->http, on_accept, a);
    if (bind_to(a, settings, error, error_size) != 0) {
        admin_free(a);
        return NULL;
    }
    return a;
}

uint16_t admin_port(const struct admin *a)
{
    return a->port;
}

void admin_free(struct admin *a)
{
    if (!a)
        return;
    if (a->http)
        evhttp_free(a->http);
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        if (a->connections[i].bev)
            bufferevent_decref(a->connections[i].bev);
        if (a->connections[i].timer)
            event_free(a->connections[i].timer);
    }
    free(a);
}
