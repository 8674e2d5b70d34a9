/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Produces a few records and waits for the brokers' acknowledgement of each. Blocks; for verbs.
 */
#ifndef QUERN_KAFKA_SUBMIT_H
#define QUERN_KAFKA_SUBMIT_H

#include <stddef.h>
#include <stdint.h>

#include "config/settings.h"

struct submit;

/* The outcome of each record, in the order of acknowledgement. text NULL: it is there. */
typedef void (*submit_fn)(void *data, int32_t partition, int64_t offset, const char *text);

/* NULL and a sentence in error. */
struct submit *submit_new(const struct settings_kafka *kafka, int timeout_ms, submit_fn fn,
                          void *data, char *error, size_t error_size);

struct submit_header {
    const char *name, *value;
};

/* Waits while the queue is full. 0; -ENOENT; -EMSGSIZE; -EACCES; -ETIMEDOUT; -EIO. */
__attribute__((warn_unused_result)) int submit_record(struct submit *sub, const char *topic,
                                                      const void *key, size_t key_len,
                                                      const void *value, size_t value_len,
                                                      const struct submit_header *headers,
                                                      size_t header_count);
/* Waits for all answers. 0; -ETIMEDOUT: some are missing still. */
__attribute__((warn_unused_result)) int submit_wait(struct submit *sub);
void submit_free(struct submit *sub); /* NULL is fine */

#endif
