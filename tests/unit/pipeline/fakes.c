/* SPDX-License-Identifier: Apache-2.0 */
#include "fakes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fakes fakes;

/* ---- librdkafka's messages ---- */
int64_t rd_kafka_message_timestamp(const rd_kafka_message_t *rec, rd_kafka_timestamp_type_t *type)
{
    (void)rec;
    *type = RD_KAFKA_TIMESTAMP_CREATE_TIME;
    return 1000;
}

rd_kafka_resp_err_t rd_kafka_message_headers(const rd_kafka_message_t *rec, rd_kafka_headers_t **ret)
{
    (void)rec;
    *ret = NULL;
    return RD_KAFKA_RESP_ERR__NOENT;
}

void rd_kafka_message_destroy(rd_kafka_message_t *rec)
{
    fakes.destroyed++;
    free(rec->payload);
    free(rec);
}

/* ---- consumer ---- */
struct consumer_stats fake_consumer_stats = {.joined = true, .connected = true, .state = "steady"};

struct consumer *consumer_new(struct event_base *base, const struct settings *settings,
                              const struct settings_pipeline *pl, int64_t drain_ms,
                              const struct consumer_ops *ops, void *data, char *error,
                              size_t error_size)
{
    (void)base, (void)settings, (void)pl, (void)drain_ms, (void)error, (void)error_size;
    fakes.consumer = ops;
    fakes.data = data;
    return (struct consumer *)(void *)&fakes;
}

void consumer_read(struct consumer *c)
{
    (void)c;
    fakes.reads++;
}

void consumer_drained(struct consumer *c)
{
    (void)c;
    fakes.drains++;
}

void consumer_stop(struct consumer *c)
{
    (void)c;
    fakes.consumer_stopped = true;
}

bool consumer_stopped(const struct consumer *c)
{
    (void)c;
    return fakes.consumer_stopped;
}

void consumer_free(struct consumer *c)
{
    (void)c;
}

const struct consumer_stats *consumer_stats(const struct consumer *c)
{
    (void)c;
    return &fake_consumer_stats;
}

/* ---- pool ---- */
const char *const death_cause_names[DEATH_CAUSES] = {"crash", "timeout", "oom", "protocol"};
static struct pool_stats fake_pool_stats;

struct pool *pool_new(struct event_base *base, const struct settings *settings,
                      const struct settings_pipeline *pl, const char *path,
                      const struct pool_ops *ops, void *data)
{
    (void)base, (void)settings, (void)pl, (void)path;
    fakes.pool = ops;
    fakes.data = data;
    return (struct pool *)(void *)&fakes;
}

int pool_submit(struct pool *p, void *job, const struct worker_job *wj, bool alone)
{
    (void)p;
    if (fakes.pool_room == 0)
        return -EAGAIN;
    fakes.pool_room--;
    fakes.submits[fakes.submit_count++] =
        (struct fake_submit){job, wj->offset, wj->attempt, alone};
    return 0;
}

void pool_flush(struct pool *p)
{
    (void)p;
}

void pool_stop(struct pool *p)
{
    (void)p;
    fakes.pool_stopped = true;
}

bool pool_stopped(const struct pool *p)
{
    (void)p;
    return fakes.pool_stopped;
}

void pool_free(struct pool *p)
{
    (void)p;
}

const struct pool_stats *pool_stats(const struct pool *p)
{
    (void)p;
    return &fake_pool_stats;
}

/* ---- producer ---- */
static void copy_header(rd_kafka_headers_t *headers, const char *name, char *ret, size_t size)
{
    const void *value;
    size_t len;

    if (headers && !rd_kafka_header_get_last(headers, name, &value, &len))
        snprintf(ret, size, "%.*s", (int)len, (const char *)value);
}

int producer_send(struct producer *p, const char *topic, int32_t partition, const void *key,
                  size_t key_len, const void *value, size_t value_len, rd_kafka_headers_t *headers,
                  producer_ack_fn fn, void *data)
{
    struct fake_send *send = &fakes.sends[fakes.send_count];

    (void)p, (void)partition, (void)key, (void)key_len;
    if (fakes.send_error)
        return fakes.send_error;
    memset(send, 0, sizeof *send);
    snprintf(send->topic, sizeof send->topic, "%s", topic);
    send->has_value = value != NULL;
    send->value_len = value_len;
    if (value && value_len < sizeof send->value)
        memcpy(send->value, value, value_len);
    send->fn = fn;
    send->data = data;
    copy_header(headers, "quern-cause", send->cause, sizeof send->cause);
    copy_header(headers, "quern-code", send->code, sizeof send->code);
    if (headers)
        rd_kafka_headers_destroy(headers);
    fakes.send_count++;
    return 0;
}

/* ---- what a test plays ---- */
struct pipeline *fake_pipeline(struct event_base *base, struct settings_pipeline *conf)
{
    static char *topics[] = {(char *)"in", NULL};
    static struct settings_emit emits[] = {{(char *)"done", (char *)"out"}};
    static struct descriptor plugin = {.path = (char *)"x.so",
                                       .name = (char *)"fake",
                                       .version = (char *)"1",
                                       .build = (char *)""};
    static struct settings settings = {.drain_timeout_ms = 1000};
    struct pipeline *pl;

    memset(&fakes, 0, sizeof fakes);
    fakes.pool_room = SIZE_MAX;
    conf->name = (char *)"test";
    conf->topics = topics;
    conf->topic_count = 1;
    conf->dead = (char *)"in.dlq";
    conf->group = (char *)"g";
    conf->emits = emits;
    conf->emit_count = 1;
    pl = pipeline_new(base, &settings, conf, &plugin, NULL);
    pipeline_topics_ready(pl);
    fakes.pool->room(pl);
    return pl;
}

void fake_records(void *part, int64_t offset, size_t count)
{
    rd_kafka_message_t *recs[FAKE_MAX];

    for (size_t i = 0; i < count; i++) {
        recs[i] = calloc(1, sizeof *recs[i]);
        recs[i]->payload = strdup("0123456789");
        recs[i]->len = 10;
        recs[i]->offset = offset + (int64_t)i;
    }
    fakes.consumer->records(fakes.data, part, recs, count);
    fakes.consumer->batch_done(fakes.data);
}

void fake_finish(size_t i, int32_t result, const struct worker_emit *emits, size_t emit_count)
{
    struct worker_result res = {.result = result,
                                .code = {"why", 3},
                                .text = {"because", 7},
                                .emits = emits,
                                .emit_count = emit_count};

    fakes.pool->finished(fakes.data, fakes.submits[i].job, &res);
    fakes.pool->batch_done(fakes.data);
}

void fake_die(size_t i, enum death_cause cause)
{
    struct worker_death death = {.cause = cause, .signal = 11, .text = "died", .backtrace = "bt"};

    fakes.pool->returned(fakes.data, fakes.submits[i].job, &death);
    fakes.pool->batch_done(fakes.data);
}

void fake_return(size_t i)
{
    fakes.pool->returned(fakes.data, fakes.submits[i].job, NULL);
}

void fake_ack(size_t i, rd_kafka_resp_err_t err)
{
    fakes.sends[i].fn(fakes.sends[i].data, err);
}
