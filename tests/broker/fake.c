/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fake engine with one planted fault, to prove that the checker finds it (and finds nothing where
 * there is none). It writes what the true engine would have: outputs, dead letters, committed offsets.
 *
 *     fake BROKERS GROUP IN OUT DEAD FAULT
 *
 * FAULT: none output letter forged forged-letter twice twice-letter innocent spared key value null
 *        header cause crashes missing commit
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <librdkafka/rdkafka.h>

#include "jobtext.h"
#include "topic_log.h"

static struct fake {
    const char *group, *in, *out, *dead, *fault;
    bool planted;
    rd_kafka_t *producer;
} fk;

/* True once, for the fault that was asked for. */
static bool fault(const char *name)
{
    if (fk.planted || strcmp(fk.fault, name) != 0)
        return false;
    fk.planted = true;
    return true;
}

static void send_record(const char *topic, const void *key, size_t key_len, const void *value, size_t len,
                 rd_kafka_headers_t *headers)
{
    rd_kafka_vu_t record[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = topic},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = 0},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {(void *)(uintptr_t)key, key_len}},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)(uintptr_t)value, len}},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    rd_kafka_error_t *err =
        rd_kafka_produceva(fk.producer, record, sizeof record / sizeof *record);

    if (err) {
        fprintf(stderr, "fake: %s\n", rd_kafka_error_string(err));
        exit(1);
    }
}

static void output(const struct job_text *job, const rd_kafka_message_t *msg, unsigned index)
{
    char text[160];
    int times = fault("twice") ? 2 : 1;

    if (fault("output"))
        return;
    snprintf(text, sizeof text, "%08x %u %lu %u %d %" PRId64, fault("forged") ? 1 : job->crc,
             job->producer, job->seq, index, msg->partition, msg->offset);
    while (times--)
        send_record(fk.out, NULL, 0, text, strlen(text), NULL);
}

static void add_number(rd_kafka_headers_t *headers, const char *name, int64_t n)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRId64, n);
    rd_kafka_header_add(headers, name, -1, text, -1);
}

static void add_text(rd_kafka_headers_t *headers, const char *name, const char *text)
{
    if (strcmp(name, "quern-host") == 0 && fault("missing"))
        return;
    rd_kafka_header_add(headers, name, -1, text, -1);
}

static const char *cause_of(enum job_kind kind)
{
    if (fault("cause"))
        return "operator";
    return kind == JOB_REJECT    ? "rejected"
           : kind == JOB_EXHAUST ? "exhausted"
           : kind == JOB_CRASH   ? "crash"
                                 : "timeout";
}

static rd_kafka_headers_t *letter_headers(const struct job_text *job, const rd_kafka_message_t *msg)
{
    rd_kafka_headers_t *origin, *headers;
    char id[320];

    headers = rd_kafka_message_headers(msg, &origin) ? rd_kafka_headers_new(24)
                                                     : rd_kafka_headers_copy(origin);
    if (!rd_kafka_message_headers(msg, &origin) && fault("header"))
        rd_kafka_header_remove(headers, "trace");
    snprintf(id, sizeof id, "%s/%d/%" PRId64, fk.in, msg->partition, msg->offset);
    add_text(headers, "__dlq.errors.topic", fk.in);
    add_number(headers, "__dlq.errors.partition", msg->partition);
    add_number(headers, "__dlq.errors.offset", fault("forged-letter") ? 999999 : msg->offset);
    add_text(headers, "__dlq.errors.group", fk.group);
    add_number(headers, "__dlq.errors.delivery.count", 5);
    add_text(headers, "__dlq.errors.message", "planted");
    add_text(headers, "quern-id", id);
    add_text(headers, "quern-cause", cause_of(job->kind));
    add_text(headers, "quern-code", job->kind == JOB_REJECT    ? "chaos_reject"
                                    : job->kind == JOB_EXHAUST ? "chaos_exhaust"
                                                               : "died");
    add_text(headers, "quern-pipeline", "chaos");
    add_text(headers, "quern-plugin", "chaos");
    add_text(headers, "quern-plugin-version", "1.2.3");
    add_text(headers, "quern-host", "here");
    add_number(headers, "quern-attempts", 5);
    add_number(headers, "quern-crashes", job->kind != JOB_CRASH ? 0 : fault("crashes") ? 2 : 3);
    add_number(headers, "quern-timeouts", 3);
    add_text(headers, "quern-first-failure", "1");
    add_text(headers, "quern-last-failure", "2");
    add_text(headers, "quern-signal", "11");
    add_text(headers, "quern-backtrace", "chaos.so+0x1");
    return headers;
}

static void letter(const struct job_text *job, const rd_kafka_message_t *msg)
{
    int times = fault("twice-letter") ? 2 : 1;

    if (fault("letter"))
        return;
    while (times--) {
        rd_kafka_headers_t *headers = letter_headers(job, msg);
        bool no_value = fault("null");

        if (fault("key"))
            send_record(fk.dead, "wrong", 5, msg->payload, msg->len, headers);
        else if (fault("value"))
            send_record(fk.dead, msg->key, msg->key_len, msg->payload, msg->len - 1, headers);
        else
            send_record(fk.dead, msg->key, msg->key_len, no_value ? NULL : msg->payload,
                 no_value ? 0 : msg->len, headers);
    }
}

static void settle(const rd_kafka_message_t *msg)
{
    struct job_text job;

    if (!job_text_parse(msg->payload, msg->len, &job))
        exit(1);
    switch (job.kind) {
    case JOB_REJECT:
    case JOB_EXHAUST:
    case JOB_CRASH:
    case JOB_HANG:
        if (fault("spared"))
            output(&job, msg, 0);
        else
            letter(&job, msg);
        return;
    case JOB_OK:
        if (fault("innocent")) {
            letter(&job, msg);
            return;
        }
        output(&job, msg, 0);
        return;
    case JOB_EMIT:
        for (unsigned i = 0; i < job.n; i++)
            output(&job, msg, i);
        return;
    case JOB_RETRY:
    case JOB_DEFER:
    case JOB_SLEEP:
    case JOB_SKIP:
    case JOB_CRASH_ONCE:
    case JOB_KIND_COUNT:
        output(&job, msg, 0);
        return;
    }
}

static void commit(rd_kafka_t *consumer, const struct topic_log *log)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(log->partitions);

    for (int p = 0; p < log->partitions; p++)
        rd_kafka_topic_partition_list_add(list, fk.in, p)->offset =
            log->parts[p].high - (fault("commit") ? 1 : 0);
    if (rd_kafka_commit(consumer, list, 0)) {
        fprintf(stderr, "fake: cannot commit\n");
        exit(1);
    }
    rd_kafka_topic_partition_list_destroy(list);
}

static rd_kafka_t *client(rd_kafka_type_t type, const char *brokers)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();

    rd_kafka_conf_set(conf, "bootstrap.servers", brokers, NULL, 0);
    if (type == RD_KAFKA_CONSUMER) {
        rd_kafka_conf_set(conf, "group.id", fk.group, NULL, 0);
        rd_kafka_conf_set(conf, "enable.auto.commit", "false", NULL, 0);
        rd_kafka_conf_set(conf, "enable.partition.eof", "true", NULL, 0);
        rd_kafka_conf_set(conf, "fetch.wait.max.ms", "10", NULL, 0);
    }
    return rd_kafka_new(type, conf, NULL, 0);
}

int main(int argc, char **argv)
{
    rd_kafka_t *consumer;
    struct topic_log *log;

    if (argc != 7)
        return 64;
    fk = (struct fake){argv[2], argv[3], argv[4], argv[5], argv[6], false, NULL};
    fk.producer = client(RD_KAFKA_PRODUCER, argv[1]);
    consumer = client(RD_KAFKA_CONSUMER, argv[1]);
    rd_kafka_poll_set_consumer(consumer);
    log = topic_log_read(consumer, fk.in);
    for (int p = 0; p < log->partitions; p++)
        for (size_t i = 0; i < log->parts[p].count; i++)
            settle(log->parts[p].records[i]);
    rd_kafka_flush(fk.producer, 20000);
    commit(consumer, log);
    topic_log_free(log);
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    rd_kafka_destroy(fk.producer);
    if (!fk.planted && strcmp(fk.fault, "none") != 0) {
        fprintf(stderr, "fake: no place for the fault %s\n", fk.fault);
        return 1;
    }
    return 0;
}
