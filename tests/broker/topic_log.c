/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a topic whole: see topic_log.h. Needs a consumer handle with `enable.partition.eof`, which it
 * assigns as it likes; belongs to no group's protocol.
 */
#include "topic_log.h"

#include <stdio.h>
#include <stdlib.h>

#define METADATA_MS 15000
#define READ_MS 120000

static void give_up(const char *topic, const char *why)
{
    fprintf(stderr, "check: topic %s: %s\n", topic, why);
    exit(2);
}

static void measure(rd_kafka_t *rk, struct topic_log *log)
{
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, log->topic, NULL);
    const struct rd_kafka_metadata *md;

    if (rd_kafka_metadata(rk, 0, rkt, &md, METADATA_MS))
        give_up(log->topic, "no metadata");
    if (md->topic_cnt != 1 || md->topics[0].err)
        give_up(log->topic, "is not there");
    log->partitions = md->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(md);
    rd_kafka_topic_destroy(rkt);
    log->parts = calloc((size_t)log->partitions, sizeof *log->parts);
    for (int p = 0; p < log->partitions; p++)
        if (rd_kafka_query_watermark_offsets(rk, log->topic, p, &log->parts[p].low,
                                             &log->parts[p].high, METADATA_MS))
            give_up(log->topic, "no watermarks");
}

static void keep(struct topic_log *log, rd_kafka_message_t *msg)
{
    struct partition_log *part = &log->parts[msg->partition];

    if (part->count > 0 && part->records[part->count - 1]->offset >= msg->offset)
        give_up(log->topic, "offsets do not grow");
    if (part->count == part->capacity) {
        part->capacity = part->capacity ? part->capacity * 2 : 1024;
        part->records = realloc(part->records, part->capacity * sizeof(rd_kafka_message_t *));
        if (!part->records)
            abort();
    }
    part->records[part->count++] = msg;
    log->count++;
}

struct topic_log *topic_log_read(rd_kafka_t *rk, const char *topic)
{
    struct topic_log *log = calloc(1, sizeof *log);
    rd_kafka_topic_partition_list_t *list;
    int ended = 0;

    log->topic = topic;
    measure(rk, log);
    list = rd_kafka_topic_partition_list_new(log->partitions);
    for (int p = 0; p < log->partitions; p++)
        rd_kafka_topic_partition_list_add(list, topic, p)->offset = log->parts[p].low;
    if (rd_kafka_assign(rk, list))
        give_up(topic, "cannot be assigned");

    while (ended < log->partitions) {
        rd_kafka_message_t *msg = rd_kafka_consumer_poll(rk, READ_MS);

        if (!msg)
            give_up(topic, "no record for two minutes");
        if (msg->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            ended++;
        } else if (!msg->err) {
            keep(log, msg);
            continue;
        }
        rd_kafka_message_destroy(msg);
    }
    rd_kafka_assign(rk, NULL);
    rd_kafka_topic_partition_list_destroy(list);
    return log;
}

const rd_kafka_message_t *topic_log_at(const struct topic_log *log, int partition, int64_t offset)
{
    const struct partition_log *part;
    size_t low = 0, high;

    if (partition < 0 || partition >= log->partitions)
        return NULL;
    part = &log->parts[partition];
    high = part->count;
    while (low < high) {
        size_t middle = (low + high) / 2;

        if (part->records[middle]->offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low < part->count && part->records[low]->offset == offset ? part->records[low] : NULL;
}

void topic_log_free(struct topic_log *log)
{
    for (int p = 0; p < log->partitions; p++) {
        for (size_t i = 0; i < log->parts[p].count; i++)
            rd_kafka_message_destroy(log->parts[p].records[i]);
        free(log->parts[p].records);
    }
    free(log->parts);
    free(log);
}
