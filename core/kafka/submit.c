/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Produces a few records and waits: see submit.h.
 *
 * A handle of its own with the engine's guarantees (idempotent, acks=all, the same partitioner), so
 * that what `quern produce` sends lands where the engine's own records would.
 */
#include "kafka/submit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/xalloc.h"
#include "kafka/client.h"

struct submit {
    rd_kafka_t *rk;
    int64_t deadline_ns;
    submit_fn fn;
    void *data;
};

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *msg, void *opaque)
{
    struct submit *sub = opaque;

    (void)rk;
    sub->fn(sub->data, msg->partition, msg->offset, msg->err ? rd_kafka_err2str(msg->err) : NULL);
}

static int left_ms(const struct submit *sub)
{
    int64_t left = (sub->deadline_ns - clock_now_ns()) / NS_PER_MS;

    return left > 0 ? (int)left : 0;
}

struct submit *submit_new(const struct settings_kafka *kafka, int timeout_ms, submit_fn fn,
                          void *data, char *error, size_t error_size)
{
    rd_kafka_conf_t *conf = client_conf(kafka, "producer", error, error_size);
    struct submit *sub;
    char text[256];

    if (!conf)
        return NULL;
    client_try_set(conf, "statistics.interval.ms", "0");
    if (!client_set(conf, "enable.idempotence", "true", error, error_size) ||
        !client_set(conf, "partitioner", "murmur2_random", error, error_size)) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    sub = xcalloc(1, sizeof *sub);
    sub->fn = fn;
    sub->data = data;
    sub->deadline_ns = clock_now_ns() + timeout_ms * NS_PER_MS;
    rd_kafka_conf_set_opaque(conf, sub);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    sub->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (sub->rk)
        return sub;
    rd_kafka_conf_destroy(conf);
    snprintf(error, error_size, "librdkafka makes no producer: %s", text);
    free(sub);
    return NULL;
}

static int submit_error(rd_kafka_resp_err_t err)
{
    if (err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
        return -EMSGSIZE;
    if (err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
        return -EACCES;
    if (err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC || err == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION ||
        err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        return -ENOENT;
    return -EIO;
}

int submit_record(struct submit *sub, const char *topic, const void *key, size_t key_len,
                  const void *value, size_t value_len, const struct submit_header *headers,
                  size_t header_count)
{
    rd_kafka_headers_t *list = rd_kafka_headers_new(header_count);
    rd_kafka_resp_err_t err;

    for (size_t i = 0; i < header_count; i++)
        rd_kafka_header_add(list, headers[i].name, -1, headers[i].value, -1);
    for (;;) {
        err = rd_kafka_producev(sub->rk, RD_KAFKA_VTYPE_TOPIC, topic, RD_KAFKA_VTYPE_MSGFLAGS,
                                RD_KAFKA_MSG_F_COPY, RD_KAFKA_VTYPE_KEY, key, key_len,
                                RD_KAFKA_VTYPE_VALUE, value, value_len, RD_KAFKA_VTYPE_HEADERS,
                                list, RD_KAFKA_VTYPE_END);
        if (err != RD_KAFKA_RESP_ERR__QUEUE_FULL || left_ms(sub) == 0)
            break;
        rd_kafka_poll(sub->rk, left_ms(sub) < 100 ? left_ms(sub) : 100);
    }
    if (!err)
        return 0;
    rd_kafka_headers_destroy(list);
    return err == RD_KAFKA_RESP_ERR__QUEUE_FULL ? -ETIMEDOUT : submit_error(err);
}

int submit_wait(struct submit *sub)
{
    return rd_kafka_flush(sub->rk, left_ms(sub)) ? -ETIMEDOUT : 0;
}

void submit_free(struct submit *sub)
{
    if (!sub)
        return;
    rd_kafka_purge(sub->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_flush(sub->rk, 500);
    client_destroy(sub->rk, "submit", 3000);
    free(sub);
}
