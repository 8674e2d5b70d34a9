/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Short questions to the brokers, for verbs: what partitions a topic has, where they begin and end.
 * Each blocks, bounded by a deadline: never for the loop of the engine.
 */
#ifndef QUERN_KAFKA_CATALOG_H
#define QUERN_KAFKA_CATALOG_H

#include <librdkafka/rdkafka.h>

#include "config/settings.h"

struct catalog {
    rd_kafka_t *rk; /* a consumer, in no group unless one was named; subscribes to nothing */
    const struct settings_kafka *kafka;
    int64_t deadline_ns;
    char error[256]; /* a sentence after each failure */
};

/* group: for committed offsets, or NULL. 0; -EINVAL: the settings are refused. */
__attribute__((warn_unused_result)) int catalog_open(struct catalog *cat,
                                                     const struct settings_kafka *kafka,
                                                     const char *group, int timeout_ms);
void catalog_close(struct catalog *cat); /* fine after a failed open */

int catalog_left_ms(const struct catalog *cat);

/* 0; -ENOENT: there is no such topic; -EACCES; -ETIMEDOUT: no broker answered. */
__attribute__((warn_unused_result)) int catalog_partitions(struct catalog *cat, const char *topic,
                                                           int32_t *ret_count);
/* The first offset there is, and the one that comes next. Errors as above. */
__attribute__((warn_unused_result)) int catalog_range(struct catalog *cat, const char *topic,
                                                      int32_t partition, int64_t *ret_begin,
                                                      int64_t *ret_end);
/* What the group has committed, into the offsets of `list`; -1: nothing. */
__attribute__((warn_unused_result)) int catalog_committed(struct catalog *cat,
                                                          rd_kafka_topic_partition_list_t *list);

#endif
