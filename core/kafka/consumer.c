/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pipeline's membership in its consumer group: life, end, and the control queue. See consumer.h
 * for what it is and member.h for its parts.
 *
 * DESIGN. librdkafka's control queue (rebalances, errors) and a queue of our own for replies
 * (commits, fetched offsets) each write an eventfd that the loop watches; callbacks run in the
 * loop, from rd_kafka_consumer_poll(). Callbacks that might free what others still walk over do not
 * act, they activate step_event. A timer of 100 ms is the safety net for each missed wake-up, and
 * the clock of all that is bounded.
 *
 * The end: unsubscribe; the revocation that follows is served as any other; when nothing is
 * assigned any more, close (leave the group). Each of these needs librdkafka to react; when it does
 * not in time, the consumer counts as stopped all the same, and the group takes us out by its
 * session.
 */
#include "kafka/consumer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "kafka/member.h"

#define TICK_MS       100
#define STOP_EXTRA_NS (8 * NS_PER_S)
#define DESTROY_MS    5000

struct member_part *member_find(const struct consumer *c, const char *topic, int32_t partition)
{
    for (size_t i = 0; i < c->pl->topic_count; i++)
        if (strcmp(c->pl->topics[i], topic) == 0)
            return partition >= 0 && partition < c->by_topic_count[i] ? c->by_topic[i][partition]
                                                                      : NULL;
    return NULL;
}

const char *member_topic(const struct member_part *part)
{
    return part->c->pl->topics[part->topic];
}

void member_step_soon(struct consumer *c)
{
    event_active(c->step_event, EV_TIMEOUT, 0);
}

/* ---- the end, step by step */

static void stop_step(struct consumer *c)
{
    rd_kafka_error_t *error;

    if (!c->stopping || c->stopped)
        return;
    if (clock_now_ns() > c->stop_deadline_ns) {
        log_event(LOG_WARN, "consumer.stop_timeout",
                  "the consumer did not leave its group in time; the group will notice",
                  LF_STR("pipeline", c->pl->name));
        rebalance_abandon(c);
        c->stopped = true;
        return;
    }
    if (!STAILQ_EMPTY(&c->rebalances))
        return;
    if (!c->unsubscribed) {
        c->unsubscribed = true;
        rd_kafka_unsubscribe(c->rk);
    }
    if (!TAILQ_EMPTY(&c->parts))
        return;
    if (!c->closing) {
        c->closing = true;
        error = rd_kafka_consumer_close_queue(c->rk, c->control);
        if (error) {
            log_event(LOG_WARN, "consumer.close", "the consumer could not be closed in order",
                      LF_STR("pipeline", c->pl->name),
                      LF_STR("text", rd_kafka_error_string(error)));
            rd_kafka_error_destroy(error);
            c->stopped = true;
        }
    } else if (rd_kafka_consumer_closed(c->rk)) {
        c->stopped = true;
        log_event(LOG_INFO, "consumer.left", "the consumer left its group",
                  LF_STR("pipeline", c->pl->name));
    }
}

static void on_step(evutil_socket_t fd, short what, void *data)
{
    struct consumer *c = data;

    (void)fd;
    (void)what;
    rebalance_step(c);
    stop_step(c);
}

/* ---- queues */

static void on_read(evutil_socket_t fd, short what, void *data)
{
    (void)fd;
    (void)what;
    reader_round(data);
}

static void on_error(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
    struct consumer *c = opaque;

    (void)rk;
    if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        client_link_down(&c->link, reason);
        return;
    }
    /* A single connection's trouble: its log line is there already, and others may serve. */
    log_event(err == RD_KAFKA_RESP_ERR__FATAL ? LOG_ERROR : LOG_DEBUG, "kafka.error",
              "librdkafka reports an error", LF_STR("pipeline", c->pl->name),
              LF_STR("error", rd_kafka_err2name((rd_kafka_resp_err_t)err)), LF_STR("text", reason));
}

static int on_stats(rd_kafka_t *rk, char *json, size_t len, void *opaque)
{
    struct consumer *c = opaque;

    (void)rk;
    client_link_stats(&c->link, json, len);
    return 0;
}

static void drain_fd(int fd)
{
    uint64_t count;

    if (read(fd, &count, sizeof count) < 0 && errno != EAGAIN)
        log_event(LOG_ERROR, "kafka.eventfd", "an eventfd cannot be read", LF_INT("errno", errno));
}

static void serve_control(struct consumer *c)
{
    rd_kafka_message_t *rec;

    while (!c->stopped && (rec = rd_kafka_consumer_poll(c->rk, 0))) {
        if (!rec->err) {
            reader_stray(c, rec);
            continue;
        }
        log_event(LOG_WARN, "kafka.error", "the consumer reports an error",
                  LF_STR("pipeline", c->pl->name), LF_STR("error", rd_kafka_err2name(rec->err)),
                  LF_STR("text", rd_kafka_message_errstr(rec)));
        rd_kafka_message_destroy(rec);
    }
}

static void serve_replies(struct consumer *c)
{
    rd_kafka_event_t *event;

    while ((event = rd_kafka_queue_poll(c->replies, 0))) {
        switch (rd_kafka_event_type(event)) {
        case RD_KAFKA_EVENT_OFFSET_COMMIT:
            commit_reply(c, event);
            break;
        case RD_KAFKA_EVENT_LISTCONSUMERGROUPOFFSETS_RESULT:
            rebalance_offsets(c, event);
            break;
        default: /* librdkafka's numbers, not ours */
            log_event(LOG_DEBUG, "kafka.event", "an event nobody asked for",
                      LF_STR("name", rd_kafka_event_name(event)));
            break;
        }
        rd_kafka_event_destroy(event);
    }
}

static void on_control(evutil_socket_t fd, short what, void *data)
{
    struct consumer *c = data;

    (void)what;
    drain_fd(fd);
    serve_control(c);
    stop_step(c);
}

static void on_reply(evutil_socket_t fd, short what, void *data)
{
    (void)what;
    drain_fd(fd);
    serve_replies(data);
}

static void on_tick(evutil_socket_t fd, short what, void *data)
{
    struct consumer *c = data;
    int64_t now = clock_now_ns();

    (void)fd;
    (void)what;
    if (c->stopped)
        return;
    serve_control(c);
    serve_replies(c);
    reader_sweep(c);
    rebalance_step(c);
    commit_tick(c, now);
    stop_step(c);
    if (now >= c->next_link_ns) {
        c->next_link_ns = now + NS_PER_S;
        client_link_tick(&c->link);
    }
}

/* ---- life */

static rd_kafka_conf_t *consumer_conf(struct consumer *c, char *error, size_t error_size)
{
    const struct settings_kafka *kafka = &c->settings->kafka;
    rd_kafka_conf_t *conf = client_conf(kafka, "consumer", error, error_size);
    bool embedded = kafka->embedded;
    const struct {
        const char *name, *value;
        bool must; /* whatever the settings say */
    } ours[] = {
        {"group.id", c->pl->group, true},
        {"enable.auto.commit", "false", true},
        {"enable.auto.offset.store", "false", true},
        {"enable.partition.eof", "false", true},
        {"allow.auto.create.topics", "false", true},
        {"auto.offset.reset", "earliest", true},
        {"partition.assignment.strategy",
         client_cooperative() && !embedded ? "cooperative-sticky" : "range", embedded},
        {"session.timeout.ms", embedded ? "6000" : "45000", false},
        {"heartbeat.interval.ms", embedded ? "1000" : "3000", false},
        {"fetch.wait.max.ms", embedded ? "10" : "500", false},
        {"queued.min.messages", "1000000", false},
        {"queued.max.messages.kbytes", "65536", false},
        {"fetch.message.max.bytes", "1048576", false},
    };

    if (!conf)
        return NULL;
    if (!client_passed_through(kafka, "fetch.queue.backoff.ms"))
        client_try_set(conf, "fetch.queue.backoff.ms", "20");
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        if (!ours[i].must && client_passed_through(kafka, ours[i].name))
            continue;
        if (!client_set(conf, ours[i].name, ours[i].value, error, error_size)) {
            rd_kafka_conf_destroy(conf);
            return NULL;
        }
    }
    rd_kafka_conf_set_opaque(conf, c);
    rd_kafka_conf_set_rebalance_cb(conf, rebalance_event);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_stats_cb(conf, on_stats);
    return conf;
}

static bool make_events(struct consumer *c)
{
    static const uint64_t one = 1;
    struct timeval tick = {.tv_usec = TICK_MS * 1000};

    c->control_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    c->reply_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (c->control_fd < 0 || c->reply_fd < 0)
        return false;
    c->control_event = event_new(c->base, c->control_fd, EV_READ | EV_PERSIST, on_control, c);
    c->reply_event = event_new(c->base, c->reply_fd, EV_READ | EV_PERSIST, on_reply, c);
    c->step_event = event_new(c->base, -1, 0, on_step, c);
    c->read_event = event_new(c->base, -1, 0, on_read, c);
    c->tick_event = event_new(c->base, -1, EV_PERSIST, on_tick, c);
    if (!c->control_event || !c->reply_event || !c->step_event || !c->read_event ||
        !c->tick_event || event_add(c->control_event, NULL) != 0 ||
        event_add(c->reply_event, NULL) != 0 || event_add(c->tick_event, &tick) != 0)
        return false;
    rd_kafka_poll_set_consumer(c->rk);
    c->control = rd_kafka_queue_get_consumer(c->rk);
    c->replies = rd_kafka_queue_new(c->rk);
    rd_kafka_queue_io_event_enable(c->control, c->control_fd, &one, sizeof one);
    rd_kafka_queue_io_event_enable(c->replies, c->reply_fd, &one, sizeof one);
    return true;
}

static bool subscribe(struct consumer *c, char *error, size_t error_size)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)c->pl->topic_count);
    rd_kafka_resp_err_t err;

    for (size_t i = 0; i < c->pl->topic_count; i++)
        rd_kafka_topic_partition_list_add(list, c->pl->topics[i], RD_KAFKA_PARTITION_UA);
    err = rd_kafka_subscribe(c->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (err)
        snprintf(error, error_size, "cannot subscribe: %s", rd_kafka_err2str(err));
    return !err;
}

static struct consumer *consumer_alloc(struct event_base *base, const struct settings *settings,
                                       const struct settings_pipeline *pl, int64_t drain_ms,
                                       const struct consumer_ops *ops, void *data)
{
    struct consumer *c = xcalloc(1, sizeof *c);

    c->base = base;
    c->settings = settings;
    c->pl = pl;
    c->drain_ms = drain_ms;
    c->ops = ops;
    c->data = data;
    c->control_fd = c->reply_fd = -1;
    TAILQ_INIT(&c->parts);
    TAILQ_INIT(&c->active);
    TAILQ_INIT(&c->starved);
    TAILQ_INIT(&c->dirty);
    STAILQ_INIT(&c->rebalances);
    c->by_topic = xcalloc(pl->topic_count, sizeof *c->by_topic);
    c->by_topic_count = xcalloc(pl->topic_count, sizeof *c->by_topic_count);
    client_link_init(&c->link, "consumer", pl->name, settings->kafka.brokers);
    return c;
}

struct consumer *consumer_new(struct event_base *base, const struct settings *settings,
                              const struct settings_pipeline *pl, int64_t drain_ms,
                              const struct consumer_ops *ops, void *data, char *error,
                              size_t error_size)
{
    struct consumer *c = consumer_alloc(base, settings, pl, drain_ms, ops, data);
    rd_kafka_conf_t *conf = consumer_conf(c, error, error_size);
    char text[256];

    if (!conf)
        goto fail;
    c->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    if (!c->rk) {
        rd_kafka_conf_destroy(conf);
        snprintf(error, error_size, "librdkafka makes no consumer: %s", text);
        goto fail;
    }
    if (!make_events(c)) {
        snprintf(error, error_size, "the event loop has no room for a consumer");
        goto fail;
    }
    if (!subscribe(c, error, error_size))
        goto fail;
    return c;
fail:
    consumer_free(c);
    return NULL;
}

void consumer_drained(struct consumer *c)
{
    if (c->step == REBALANCE_DRAIN)
        member_step_soon(c);
}

void consumer_commit(struct consumer *c)
{
    if (c->stopped || c->step == REBALANCE_DRAIN || c->step == REBALANCE_COMMIT)
        return;
    if (c->commit_in_flight)
        c->commit_again = true;
    else
        commit_send(c);
}

void consumer_stop(struct consumer *c)
{
    if (c->stopping)
        return;
    c->stopping = true;
    c->stop_deadline_ns = clock_now_ns() + c->drain_ms * NS_PER_MS + STOP_EXTRA_NS;
    member_step_soon(c);
}

bool consumer_stopped(const struct consumer *c)
{
    return c->stopped;
}

static void free_event(struct event *event)
{
    if (event)
        event_free(event);
}

void consumer_free(struct consumer *c)
{
    if (!c)
        return;
    rebalance_abandon(c);
    if (c->control)
        rd_kafka_queue_io_event_enable(c->control, -1, NULL, 0);
    if (c->replies)
        rd_kafka_queue_io_event_enable(c->replies, -1, NULL, 0);
    free_event(c->control_event);
    free_event(c->reply_event);
    free_event(c->step_event);
    free_event(c->read_event);
    free_event(c->tick_event);
    if (c->control)
        rd_kafka_queue_destroy(c->control);
    if (c->replies)
        rd_kafka_queue_destroy(c->replies);
    client_destroy(c->rk, "consumer", DESTROY_MS);
    if (c->control_fd >= 0)
        close(c->control_fd);
    if (c->reply_fd >= 0)
        close(c->reply_fd);
    for (size_t i = 0; i < c->pl->topic_count; i++)
        free(c->by_topic[i]);
    free(c->by_topic);
    free(c->by_topic_count);
    free(c);
}

/* ---- what others may ask */

const struct consumer_stats *consumer_stats(const struct consumer *c)
{
    struct consumer *own = (struct consumer *)(uintptr_t)c;

    own->stats.connected = c->link.connected;
    if (c->stopped)
        own->stats.state = "left";
    else if (c->stopping)
        own->stats.state = "leaving";
    else if (!STAILQ_EMPTY(&c->rebalances))
        own->stats.state = "rebalancing";
    else if (c->stats.joined)
        own->stats.state = "steady";
    else
        own->stats.state = c->link.connected ? "joining" : "connecting";
    return &c->stats;
}

size_t consumer_partitions(const struct consumer *c, struct partition_status *ret, size_t max)
{
    const struct member_part *part;
    size_t count = 0;

    TAILQ_FOREACH(part, &c->parts, link)
    {
        int64_t low = -1, high = -1;

        if (count == max)
            break;
        if (rd_kafka_get_watermark_offsets(c->rk, member_topic(part), part->partition, &low,
                                           &high) ||
            high < 0)
            high = -1;
        ret[count++] = (struct partition_status){
            .topic = part->topic,
            .partition = part->partition,
            .committed = part->committed,
            .position = part->position >= 0 ? part->position : -1,
            /* The cached mark may lag behind what was read: never a negative lag. */
            .high_watermark = high >= 0 && high < part->position ? part->position : high,
        };
    }
    return count;
}
