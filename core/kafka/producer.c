/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's one producer.
 *
 * DESIGN. Delivery reports arrive on librdkafka's main queue, which writes an eventfd in the loop;
 * so do its errors. What an answer needs (fn, data) rides as the message's opaque, taken from a
 * free list: in the steady state nothing is allocated here. The queue is bounded by count and bytes
 * and never waited for: a full one is -EAGAIN.
 *
 * A fatal error (the idempotent producer lost its sequence, it was fenced) ends a handle, not the
 * engine: what is outstanding is answered with its error, the handle is replaced by a new one. The
 * callers send again; that can make duplicates, which at-least-once allows, and it is logged.
 *
 * Invariant: outstanding == accepted by producer_send() and not yet answered.
 */
#include "kafka/producer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "kafka/client.h"

#define TICK_MS       100
#define DESTROY_MS    5000
#define PURGE_MS      2000
#define REPLACE_NS    NS_PER_S /* a handle lives at least that long */
#define ACKS_PER_SLAB 256

struct ack {
    SLIST_ENTRY(ack) link;
    producer_ack_fn fn;
    void *data;
};

struct ack_slab {
    SLIST_ENTRY(ack_slab) link;
    struct ack acks[ACKS_PER_SLAB];
};

struct producer {
    struct event_base *base;
    const struct settings *settings;
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue; /* its main queue */
    char **topics;           /* prepared ones, and their handles while rk lives */
    rd_kafka_topic_t **topic_handles;
    size_t topic_count;
    int fd;
    struct event *event, *tick_event;
    SLIST_HEAD(, ack) free_acks;
    SLIST_HEAD(, ack_slab) slabs;
    bool fatal; /* the handle is dead and waits to be replaced */
    bool ending;
    int64_t born_ns, next_link_ns;
    struct client_link link;
    struct producer_stats stats;
};

static struct ack *ack_new(struct producer *p, producer_ack_fn fn, void *data)
{
    struct ack *ack = SLIST_FIRST(&p->free_acks);

    if (!ack) {
        struct ack_slab *slab = xcalloc(1, sizeof *slab);

        SLIST_INSERT_HEAD(&p->slabs, slab, link);
        for (size_t i = 0; i < ACKS_PER_SLAB; i++)
            SLIST_INSERT_HEAD(&p->free_acks, &slab->acks[i], link);
        ack = SLIST_FIRST(&p->free_acks);
    }
    SLIST_REMOVE_HEAD(&p->free_acks, link);
    ack->fn = fn;
    ack->data = data;
    return ack;
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *msg, void *opaque)
{
    struct producer *p = opaque;
    struct ack *ack = msg->_private;
    producer_ack_fn fn = ack->fn;
    void *data = ack->data;

    (void)rk;
    SLIST_INSERT_HEAD(&p->free_acks, ack, link);
    p->stats.outstanding--;
    if (msg->err) {
        p->stats.failed++;
        log_event(LOG_WARN, "produce.failed", "a record was not delivered",
                  LF_STR("topic", msg->rkt ? rd_kafka_topic_name(msg->rkt) : NULL),
                  LF_STR("error", rd_kafka_err2name(msg->err)),
                  LF_STR("text", rd_kafka_err2str(msg->err)));
    } else {
        p->stats.acked++;
        client_link_up(&p->link);
    }
    if (fn)
        fn(data, msg->err);
}

static void on_error(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
    struct producer *p = opaque;
    char text[512];

    if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        client_link_down(&p->link, reason);
    } else if (err == RD_KAFKA_RESP_ERR__FATAL) {
        rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(rk, text, sizeof text);

        p->fatal = true;
        log_event(LOG_ERROR, "producer.fatal", "the producer lost its state and is replaced",
                  LF_STR("error", rd_kafka_err2name(fatal)), LF_STR("text", text));
    } else {
        log_event(LOG_DEBUG, "kafka.error", "librdkafka reports an error",
                  LF_STR("error", rd_kafka_err2name((rd_kafka_resp_err_t)err)),
                  LF_STR("text", reason));
    }
}

static int on_stats(rd_kafka_t *rk, char *json, size_t len, void *opaque)
{
    struct producer *p = opaque;

    (void)rk;
    client_link_stats(&p->link, json, len);
    return 0;
}

static bool producer_conf_set(rd_kafka_conf_t *conf, const struct settings_kafka *kafka,
                              char *error, size_t error_size)
{
    static const struct {
        const char *name, *value;
        bool must;
    } ours[] = {
        {"enable.idempotence", "true", true},
        {"acks", "all", true},
        {"partitioner", "murmur2_random", true},
        {"linger.ms", "5", false},
        {"queue.buffering.max.messages", "100000", false},
        {"queue.buffering.max.kbytes", "65536", false},
    };

    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        if (!ours[i].must && client_passed_through(kafka, ours[i].name))
            continue;
        if (!client_set(conf, ours[i].name, ours[i].value, error, error_size))
            return false;
    }
    if (!client_passed_through(kafka, "compression.codec"))
        client_try_set(conf, "compression.codec", "lz4");
    return true;
}

/* A handle of its own, its main queue and the descriptor it writes. */
static bool open_handle(struct producer *p, char *error, size_t error_size)
{
    static const uint64_t one = 1;
    rd_kafka_conf_t *conf = client_conf(&p->settings->kafka, "producer", error, error_size);
    char text[256];

    if (!conf)
        return false;
    if (!producer_conf_set(conf, &p->settings->kafka, error, error_size)) {
        rd_kafka_conf_destroy(conf);
        return false;
    }
    rd_kafka_conf_set_opaque(conf, p);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_stats_cb(conf, on_stats);
    p->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (!p->rk) {
        rd_kafka_conf_destroy(conf);
        snprintf(error, error_size, "librdkafka makes no producer: %s", text);
        return false;
    }
    p->born_ns = clock_now_ns();
    p->queue = rd_kafka_queue_get_main(p->rk);
    rd_kafka_queue_io_event_enable(p->queue, p->fd, &one, sizeof one);
    return true;
}

static void open_topic(struct producer *p, size_t i)
{
    /* Holding a handle makes librdkafka ask for the topic's leaders, and keep asking. */
    p->topic_handles[i] = rd_kafka_topic_new(p->rk, p->topics[i], NULL);
}

void producer_prepare(struct producer *p, const char *topic)
{
    size_t i = p->topic_count++;

    p->topics = xreallocarray(p->topics, p->topic_count, sizeof(char *));
    p->topic_handles = xreallocarray(p->topic_handles, p->topic_count, sizeof(rd_kafka_topic_t *));
    p->topics[i] = xstrdup(topic);
    p->topic_handles[i] = NULL;
    if (p->rk)
        open_topic(p, i);
}

static void close_topics(struct producer *p)
{
    for (size_t i = 0; i < p->topic_count; i++) {
        if (p->topic_handles[i])
            rd_kafka_topic_destroy(p->topic_handles[i]);
        p->topic_handles[i] = NULL;
    }
}

/* Ends the handle: all that is outstanding on it is answered. */
static void close_handle(struct producer *p, int flush_ms)
{
    if (!p->rk)
        return;
    if (flush_ms > 0)
        rd_kafka_flush(p->rk, flush_ms);
    if (p->stats.outstanding > 0) {
        rd_kafka_purge(p->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_flush(p->rk, PURGE_MS);
    }
    rd_kafka_queue_io_event_enable(p->queue, -1, NULL, 0);
    rd_kafka_queue_destroy(p->queue);
    close_topics(p);
    client_destroy(p->rk, "producer", DESTROY_MS);
    p->queue = NULL;
    p->rk = NULL;
}

static void replace_handle(struct producer *p)
{
    char error[256];

    if (clock_now_ns() - p->born_ns < REPLACE_NS)
        return;
    close_handle(p, 0);
    if (!open_handle(p, error, sizeof error)) {
        p->born_ns = clock_now_ns();
        log_event(LOG_ERROR, "producer.dead", "no new producer can be made", LF_STR("text", error));
        return;
    }
    p->fatal = false;
    for (size_t i = 0; i < p->topic_count; i++)
        open_topic(p, i);
    log_event(LOG_WARN, "producer.replaced", "a new producer took over",
              LF_STR("brokers", p->settings->kafka.brokers));
}

static void serve(struct producer *p)
{
    if (p->rk)
        rd_kafka_poll(p->rk, 0);
    if (p->fatal && !p->ending)
        replace_handle(p);
}

static void on_wake(evutil_socket_t fd, short what, void *data)
{
    uint64_t count;

    (void)what;
    if (read(fd, &count, sizeof count) < 0 && errno != EAGAIN)
        log_event(LOG_ERROR, "kafka.eventfd", "an eventfd cannot be read", LF_INT("errno", errno));
    serve(data);
}

static void on_tick(evutil_socket_t fd, short what, void *data)
{
    struct producer *p = data;
    int64_t now = clock_now_ns();

    (void)fd;
    (void)what;
    serve(p);
    if (now >= p->next_link_ns) {
        p->next_link_ns = now + NS_PER_S;
        client_link_tick(&p->link);
    }
}

struct producer *producer_new(struct event_base *base, const struct settings *settings, char *error,
                              size_t error_size)
{
    struct producer *p = xcalloc(1, sizeof *p);
    struct timeval tick = {.tv_usec = TICK_MS * 1000};

    p->base = base;
    p->settings = settings;
    SLIST_INIT(&p->free_acks);
    SLIST_INIT(&p->slabs);
    client_link_init(&p->link, "producer", NULL, settings->kafka.brokers);
    p->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (p->fd >= 0) {
        p->event = event_new(base, p->fd, EV_READ | EV_PERSIST, on_wake, p);
        p->tick_event = event_new(base, -1, EV_PERSIST, on_tick, p);
    }
    if (!p->event || !p->tick_event || event_add(p->event, NULL) != 0 ||
        event_add(p->tick_event, &tick) != 0) {
        snprintf(error, error_size, "the event loop has no room for the producer");
        producer_free(p, 0);
        return NULL;
    }
    if (!open_handle(p, error, error_size)) {
        producer_free(p, 0);
        return NULL;
    }
    return p;
}

static int send_error(struct producer *p, rd_kafka_resp_err_t err, const char *topic)
{
    if (err == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        p->stats.queue_full++;
        return -EAGAIN;
    }
    if (err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
        return -EMSGSIZE;
    log_event(LOG_WARN, "produce.refused", "a record cannot be produced", LF_STR("topic", topic),
              LF_STR("error", rd_kafka_err2name(err)), LF_STR("text", rd_kafka_err2str(err)));
    if (err == RD_KAFKA_RESP_ERR__FATAL) {
        p->fatal = true;
        return -EIO;
    }
    if (err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
        return -EACCES;
    /* The topic or its partition; or what the broker said of it when it was asked last. */
    return -ENOENT;
}

int producer_send(struct producer *p, const char *topic, int32_t partition, const void *key,
                  size_t key_len, const void *value, size_t value_len, rd_kafka_headers_t *headers,
                  producer_ack_fn fn, void *data)
{
    struct ack *ack;
    rd_kafka_resp_err_t err;

    if (!p->rk)
        return -EIO;
    if (p->fatal)
        return -EAGAIN; /* until it is replaced */
    ack = ack_new(p, fn, data);
    /* The bare tags: the macros around them are GNU expressions. */
    err = rd_kafka_producev(p->rk, RD_KAFKA_VTYPE_TOPIC, topic, RD_KAFKA_VTYPE_PARTITION, partition,
                            RD_KAFKA_VTYPE_MSGFLAGS, RD_KAFKA_MSG_F_COPY, RD_KAFKA_VTYPE_KEY, key,
                            key_len, RD_KAFKA_VTYPE_VALUE, value, value_len, RD_KAFKA_VTYPE_HEADERS,
                            headers, RD_KAFKA_VTYPE_OPAQUE, (void *)ack, RD_KAFKA_VTYPE_END);
    if (err) {
        SLIST_INSERT_HEAD(&p->free_acks, ack, link);
        return send_error(p, err, topic);
    }
    p->stats.sent++;
    p->stats.outstanding++;
    p->stats.bytes += key_len + value_len;
    return 0;
}

void producer_free(struct producer *p, int timeout_ms)
{
    struct ack_slab *slab;

    if (!p)
        return;
    p->ending = true;
    close_handle(p, p->fatal ? 0 : timeout_ms);
    if (p->event)
        event_free(p->event);
    if (p->tick_event)
        event_free(p->tick_event);
    if (p->fd >= 0)
        close(p->fd);
    while ((slab = SLIST_FIRST(&p->slabs))) {
        SLIST_REMOVE_HEAD(&p->slabs, link);
        free(slab);
    }
    for (size_t k = 0; k < p->topic_count; k++)
        free(p->topics[k]);
    free(p->topics);
    free(p->topic_handles);
    free(p);
}

const struct producer_stats *producer_stats(const struct producer *p)
{
    ((struct producer *)(uintptr_t)p)->stats.connected = p->link.connected;
    return &p->stats;
}

rd_kafka_t *producer_handle(struct producer *p)
{
    return p->rk;
}
