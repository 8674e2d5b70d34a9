/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/fetch.h"

#include <errno.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>

#define BODY_MAX (16 << 20)

struct answer {
    struct event_base *base;
    struct buf *body;
    int status; /* 0: none came */
};

static void on_answer(struct evhttp_request *req, void *data)
{
    struct answer *a = data;

    if (req && evhttp_request_get_response_code(req) != 0) {
        struct evbuffer *in = evhttp_request_get_input_buffer(req);
        size_t len = evbuffer_get_length(in);
        const unsigned char *bytes = evbuffer_pullup(in, -1);

        a->status = evhttp_request_get_response_code(req);
        if (len)
            buf_add(a->body, bytes, len);
    }
    event_base_loopbreak(a->base);
}

int fetch(const char *host, uint16_t port, const char *path, int timeout_ms, struct buf *body,
          int *ret_status)
{
    struct answer a = {event_base_new(), body, 0};
    struct evhttp_connection *conn =
        a.base ? evhttp_connection_base_new(a.base, NULL, host, port) : NULL;
    struct evhttp_request *req = conn ? evhttp_request_new(on_answer, &a) : NULL;
    struct timeval limit = {timeout_ms / 1000, timeout_ms % 1000 * 1000};
    int err = -ENOMEM;

    if (req) {
        evhttp_connection_set_timeout_tv(conn, &limit);
        evhttp_connection_set_max_body_size(conn, BODY_MAX);
        evhttp_add_header(evhttp_request_get_output_headers(req), "Host", host);
        evhttp_add_header(evhttp_request_get_output_headers(req), "Connection", "close");
        err = evhttp_make_request(conn, req, EVHTTP_REQ_GET, path) == 0 ? 0 : -EIO;
    }
    if (!err) {
        event_base_loopexit(a.base, &limit);
        event_base_dispatch(a.base);
        err = a.status ? 0 : -ECONNREFUSED;
        *ret_status = a.status;
    }
    if (conn)
        evhttp_connection_free(conn);
    if (a.base)
        event_base_free(a.base);
    return err;
}
