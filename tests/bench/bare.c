/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor: librdkafka with nothing around it. Assigns all partitions from their beginning, takes
 * batches from the one queue, touches one byte of each record and destroys it.
 *
 *     bare BROKERS TOPIC COUNT
 *
 * Prints one JSON line: rate and CPU from the first record to the last, all threads of this process.
 * Batches as in the engine: blocks for one record, then takes what is there, at most 256.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>

#define BATCH 256

static double now_s(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static rd_kafka_t *consumer_new(const char *brokers)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char error[256];
    rd_kafka_t *rk;

    rd_kafka_conf_set(conf, "bootstrap.servers", brokers, NULL, 0);
    rd_kafka_conf_set(conf, "group.id", "bench-bare", NULL, 0);
    rd_kafka_conf_set(conf, "enable.auto.commit", "false", NULL, 0);
    rd_kafka_conf_set(conf, "enable.auto.offset.store", "false", NULL, 0);
    rd_kafka_conf_set(conf, "fetch.wait.max.ms", "10", NULL, 0);
    rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, sizeof error);
    if (!rk) {
        fprintf(stderr, "bare: %s\n", error);
        exit(1);
    }
    rd_kafka_poll_set_consumer(rk);
    return rk;
}

static void assign_all(rd_kafka_t *rk, const char *topic)
{
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
    rd_kafka_topic_partition_list_t *list;
    const struct rd_kafka_metadata *md;

    if (rd_kafka_metadata(rk, 0, rkt, &md, 15000) || md->topic_cnt != 1 || md->topics[0].err) {
        fprintf(stderr, "bare: no topic %s\n", topic);
        exit(1);
    }
    list = rd_kafka_topic_partition_list_new(md->topics[0].partition_cnt);
    for (int p = 0; p < md->topics[0].partition_cnt; p++)
        rd_kafka_topic_partition_list_add(list, topic, p)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_assign(rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_metadata_destroy(md);
    rd_kafka_topic_destroy(rkt);
}

static volatile unsigned char last_byte; /* what keeps the read from being left out */

/* Returns how many of the batch were records. */
static long touch(rd_kafka_message_t **batch, ssize_t count)
{
    long records = 0;

    for (ssize_t i = 0; i < count; i++) {
        if (!batch[i]->err) {
            records++;
            if (batch[i]->len > 0)
                last_byte ^= ((const unsigned char *)batch[i]->payload)[batch[i]->len - 1];
        }
        rd_kafka_message_destroy(batch[i]);
    }
    return records;
}

int main(int argc, char **argv)
{
    rd_kafka_message_t *batch[BATCH];
    rd_kafka_queue_t *queue;
    double wall = 0, cpu = 0;
    long count, done = 0, before = 0;
    rd_kafka_t *rk;

    if (argc != 4) {
        fprintf(stderr, "usage: bare BROKERS TOPIC COUNT\n");
        return 64;
    }
    count = atol(argv[3]);
    rk = consumer_new(argv[1]);
    assign_all(rk, argv[2]);
    queue = rd_kafka_queue_get_consumer(rk);
    while (done < count) {
        ssize_t got = rd_kafka_consume_batch_queue(queue, 10000, batch, 1);

        if (got <= 0) {
            fprintf(stderr, "bare: no record for 10 s, %ld of %ld read\n", done, count);
            return 1;
        }
        done += touch(batch, got);
        got = rd_kafka_consume_batch_queue(queue, 0, batch, BATCH);
        if (got > 0)
            done += touch(batch, got);
        if (wall == 0 && done > 0) {
            before = done;
            wall = now_s(CLOCK_MONOTONIC);
            cpu = now_s(CLOCK_PROCESS_CPUTIME_ID);
        }
    }
    wall = now_s(CLOCK_MONOTONIC) - wall;
    cpu = now_s(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    printf("{\"records\": %ld, \"rate\": %.0f, \"cpu_us\": %.4f}\n", done,
           (double)(done - before) / wall, cpu * 1e6 / (double)(done - before));
    fflush(stdout);
    _exit(0); /* what librdkafka has prefetched need not be freed */
}
