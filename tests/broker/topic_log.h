/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole topic in memory, for the checker: every record of every partition, from the first to the end
 * offset that stood when reading began. Zero-copy: the records stay librdkafka's until topic_log_free().
 */
#ifndef TOPIC_LOG_H
#define TOPIC_LOG_H

#include <stddef.h>
#include <stdint.h>

#include <librdkafka/rdkafka.h>

struct topic_log {
    const char *topic;
    int partitions;
    struct partition_log {
        int64_t low, high;            /* offsets; high is one past the last */
        rd_kafka_message_t **records; /* in the order of their offsets */
        size_t count, capacity;
    } *parts;
    size_t count; /* records in all */
};

/* Exits with a sentence when the topic cannot be read whole. */
struct topic_log *topic_log_read(rd_kafka_t *rk, const char *topic);
/* The record at that offset, or NULL. */
const rd_kafka_message_t *topic_log_at(const struct topic_log *log, int partition, int64_t offset);
void topic_log_free(struct topic_log *log);

#endif
