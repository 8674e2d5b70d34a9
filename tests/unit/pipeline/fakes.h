/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The neighbours of the pipeline room, faked at link time: a consumer, a pool and a producer that do
 * nothing but remember, so that a test plays Kafka and the workers by hand, step by step, with the real
 * pipeline code between them. librdkafka's message calls are faked as well: records are plain structs.
 */
#ifndef QUERN_TEST_PIPELINE_FAKES_H
#define QUERN_TEST_PIPELINE_FAKES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <event2/event.h>

#include "kafka/consumer.h"
#include "kafka/producer.h"
#include "pipeline/body.h"
#include "pipeline/life.h"

#define FAKE_MAX 4096

struct fake_submit {
    void *job;
    int64_t offset;
    uint32_t attempt;
    bool alone;
};

struct fake_send {
    char topic[64];
    char value[128];
    size_t value_len;
    bool has_value;
    producer_ack_fn fn;
    void *data;
    char cause[32], code[64]; /* headers quern-cause, quern-code */
};

struct fakes {
    const struct consumer_ops *consumer;
    const struct pool_ops *pool;
    void *data; /* the pipeline */
    struct fake_submit submits[FAKE_MAX];
    size_t submit_count;
    size_t pool_room; /* submits that are taken before -EAGAIN */
    struct fake_send sends[FAKE_MAX];
    size_t send_count;
    int send_error; /* what producer_send() answers; 0: takes it */
    size_t destroyed; /* records given back to librdkafka */
    bool consumer_stopped, pool_stopped;
    size_t reads, drains;
};

extern struct fakes fakes;

/* A running pipeline with the given limits. */
struct pipeline *fake_pipeline(struct event_base *base, struct settings_pipeline *conf);
/* `count` records from `offset` on, of 10 bytes each. */
void fake_records(void *part, int64_t offset, size_t count);
/* The worker answers submit number i. */
void fake_finish(size_t i, int32_t result, const struct worker_emit *emits, size_t emit_count);
void fake_die(size_t i, enum death_cause cause);
void fake_return(size_t i);
void fake_ack(size_t i, rd_kafka_resp_err_t err);

#endif
