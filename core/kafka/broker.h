/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The embedded broker: librdkafka's mock cluster, for the first five minutes, examples and fast
 * tests.
 *
 * It keeps all in memory, at most 5 MiB a partition (older records are then dropped without a
 * word), listens on 127.0.0.1 only, and a client's mistake can abort the process it lives in. So it
 * is a process of its own (`quern broker`), never the engine, and never production.
 */
#ifndef QUERN_KAFKA_BROKER_H
#define QUERN_KAFKA_BROKER_H

#include <stddef.h>
#include <stdint.h>

struct broker;

/* NULL and a sentence in error. Its threads run until broker_free(). */
struct broker *broker_new(char *error, size_t error_size);
void broker_free(struct broker *br); /* NULL is fine */

/* "127.0.0.1:PORT" for bootstrap.servers. Owner: the broker. */
const char *broker_address(const struct broker *br);
/* 0; -EEXIST; -EINVAL. */
__attribute__((warn_unused_result)) int broker_topic(struct broker *br, const char *name,
                                                     int32_t partitions);
/* Faults, for tests: no connection is accepted while it is down. */
void broker_set_down(struct broker *br, int down);
/* Faults, for tests: the next `count` requests of the kind (Produce 0, OffsetCommit 8, OffsetFetch
 * 9,
 * ...) are answered with the error. */
void broker_push_error(struct broker *br, int16_t api_key, int err, size_t count);

#endif
