/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fills a topic for the tests, by librdkafka's plain API.
 *
 *     load BROKERS TOPIC PARTITIONS COUNT SEED         jobs of the delivery test (jobtext.h)
 *     load BROKERS TOPIC PARTITIONS COUNT SEED BYTES   records of that size, for the benchmarks
 *
 * The delivery jobs carry what a careless engine would damage: null, empty and binary keys, bodies with
 * zero bytes and of 300 KiB, headers that are binary, null, empty, repeated. The same seed gives the
 * same jobs. COUNT is over all partitions, dealt out in turn; four producers number theirs from 0.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <librdkafka/rdkafka.h>

#include "jobtext.h"

#define PRODUCERS 4
#define BIG_BYTES (300 * 1024)

static unsigned long long random_state;
static long failures;

static unsigned roll(unsigned below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state >> 20) % below;
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *msg, void *opaque)
{
    (void)rk, (void)opaque;
    if (!msg->err)
        return;
    if (failures++ == 0)
        fprintf(stderr, "load: %s\n", rd_kafka_err2str(msg->err));
}

static enum job_kind roll_kind(void)
{
    static const unsigned weights[JOB_KIND_COUNT] = {
#define X(symbol, name, weight) [JOB_##symbol] = weight,
        JOB_KINDS(X)
#undef X
    };
    unsigned r = roll(10000);

    for (int kind = 0; kind < JOB_KIND_COUNT; kind++) {
        if (r < weights[kind])
            return (enum job_kind)kind;
        r -= weights[kind];
    }
    return JOB_OK;
}

static unsigned roll_n(enum job_kind kind)
{
    switch (kind) {
    case JOB_EMIT:
        return 2 + roll(4);
    case JOB_RETRY:
        return 1 + roll(2);
    case JOB_SLEEP:
        return 1 + roll(30);
    case JOB_OK:
        return roll(2);
    case JOB_DEFER:
    case JOB_SKIP:
    case JOB_REJECT:
    case JOB_EXHAUST:
    case JOB_CRASH:
    case JOB_CRASH_ONCE:
    case JOB_HANG:
    case JOB_KIND_COUNT:
        break;
    }
    return 0;
}

/* In the middle each kind is there once, so that a short run has them all. */
static size_t write_body(char *body, unsigned long i, unsigned long count)
{
    unsigned long from_middle = i - count / 2;
    enum job_kind kind =
        from_middle < JOB_KIND_COUNT ? (enum job_kind)from_middle : roll_kind();
    size_t pad = roll(1000) == 0 ? BIG_BYTES : roll(400);
    int head = snprintf(body, 96, "%08x %lu %lu %s %u ", 0u, i % PRODUCERS, i / PRODUCERS,
                        job_kind_names[kind], roll_n(kind));
    char crc[9];

    for (size_t b = 0; b < pad; b++)
        body[(size_t)head + b] = (char)roll(256);
    snprintf(crc, sizeof crc, "%08x", job_crc(body + 9, (size_t)head + pad - 9));
    memcpy(body, crc, 8);
    return (size_t)head + pad;
}

static rd_kafka_headers_t *roll_headers(unsigned long i)
{
    rd_kafka_headers_t *headers;
    unsigned kind = roll(8);
    char trace[32];

    if (kind < 4)
        return NULL;
    headers = rd_kafka_headers_new(4);
    snprintf(trace, sizeof trace, "trace-%lu", i);
    rd_kafka_header_add(headers, "trace", -1, trace, -1);
    if (kind > 4)
        rd_kafka_header_add(headers, "binary", -1, "\0\1\xff\n\0", 5);
    if (kind > 5)
        rd_kafka_header_add(headers, "trace", -1, "again", -1);
    if (kind > 6) {
        rd_kafka_header_add(headers, "null", -1, NULL, 0);
        rd_kafka_header_add(headers, "empty", -1, "", 0);
    }
    return headers;
}

static void send_record(rd_kafka_t *rk, const char *topic, int partition, const char *key,
                        size_t key_len, const char *body, size_t body_len,
                        rd_kafka_headers_t *headers)
{
    rd_kafka_vu_t record[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = topic},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = partition},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {(void *)(uintptr_t)key, key_len}},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)(uintptr_t)body, body_len}},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    rd_kafka_error_t *err;

    while ((err = rd_kafka_produceva(rk, record, sizeof record / sizeof *record))) {
        if (rd_kafka_error_code(err) != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            fprintf(stderr, "load: %s\n", rd_kafka_error_string(err));
            exit(1);
        }
        rd_kafka_error_destroy(err);
        rd_kafka_poll(rk, 100);
    }
}

static void send_job(rd_kafka_t *rk, const char *topic, int partition, unsigned long i,
                     unsigned long count, char *body)
{
    size_t len = write_body(body, i, count);
    char key[16];
    int key_len = snprintf(key, sizeof key, "k%u", roll(5000));

    switch (roll(20)) {
    case 0:
    case 1:
        send_record(rk, topic, partition, NULL, 0, body, len, roll_headers(i));
        return;
    case 2:
        send_record(rk, topic, partition, "", 0, body, len, roll_headers(i));
        return;
    case 3:
        key[1] = 0;
        break;
    }
    send_record(rk, topic, partition, key, (size_t)key_len, body, len, roll_headers(i));
}

static rd_kafka_t *producer_new(const char *brokers)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char error[256];
    rd_kafka_t *rk;

    rd_kafka_conf_set(conf, "bootstrap.servers", brokers, NULL, 0);
    rd_kafka_conf_set(conf, "enable.idempotence", "true", NULL, 0);
    rd_kafka_conf_set(conf, "linger.ms", "20", NULL, 0);
    rd_kafka_conf_set(conf, "queue.buffering.max.messages", "200000", NULL, 0);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
    if (!rk) {
        fprintf(stderr, "load: %s\n", error);
        exit(1);
    }
    return rk;
}

int main(int argc, char **argv)
{
    static char body[BIG_BYTES + 1024];
    unsigned long count, size = 0;
    int partitions;
    rd_kafka_t *rk;

    if (argc != 6 && argc != 7) {
        fprintf(stderr, "usage: load BROKERS TOPIC PARTITIONS COUNT SEED [BYTES]\n");
        return 64;
    }
    partitions = atoi(argv[3]);
    count = strtoul(argv[4], NULL, 10);
    random_state = strtoull(argv[5], NULL, 10) * 0x9e3779b97f4a7c15ull + 1;
    if (argc == 7)
        size = strtoul(argv[6], NULL, 10);
    if (partitions < 1 || count < 1 || size > BIG_BYTES)
        return 64;
    memset(body, 'x', size);

    rk = producer_new(argv[1]);
    for (unsigned long i = 0; i < count; i++) {
        int partition = (int)(i / PRODUCERS % (unsigned long)partitions);

        if (argc == 7)
            send_record(rk, argv[2], partition, NULL, 0, body, size, NULL);
        else
            send_job(rk, argv[2], partition, i, count, body);
        if (i % 1024 == 0)
            rd_kafka_poll(rk, 0);
    }
    rd_kafka_flush(rk, 120000);
    if (failures || rd_kafka_outq_len(rk) > 0) {
        fprintf(stderr, "load: %ld failed, %d not sent\n", failures, rd_kafka_outq_len(rk));
        return 1;
    }
    rd_kafka_destroy(rk);
    printf("%lu records\n", count);
    return 0;
}
