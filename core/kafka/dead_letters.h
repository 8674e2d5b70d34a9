/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a dead-letter topic: without a group, from the beginning to where it ended when the reading
 * began. Blocks; for verbs.
 */
#ifndef QUERN_KAFKA_DEAD_LETTERS_H
#define QUERN_KAFKA_DEAD_LETTERS_H

#include <stdbool.h>
#include <stddef.h>

#include <librdkafka/rdkafka.h>

#include "config/settings.h"
#include "kafka/dead_headers.h"

/* The headers we know, by their last occurrence; NULL: it has none. Not zero-terminated, and from
 * outside: whoever can write the topic wrote them. */
struct dead_fields {
    const char *text[DEAD_HEADER_COUNT];
    size_t len[DEAD_HEADER_COUNT];
};

/* rec and fields are the reader's, until it returns. False: enough. */
typedef bool (*dead_letter_fn)(void *data, const rd_kafka_message_t *rec,
                               const struct dead_fields *fields);

void dead_fields_read(const rd_kafka_message_t *rec, struct dead_fields *ret);

/* All of the topic. 0, also when fn had enough; -ENOENT; -EACCES; -ETIMEDOUT: not all could be read
 * in time (fn had what could be); -EINVAL. With a sentence in error. */
__attribute__((warn_unused_result)) int dead_letters_read(const struct settings_kafka *kafka,
                                                          const char *topic, int timeout_ms,
                                                          dead_letter_fn fn, void *data,
                                                          char *error, size_t error_size);
/* One record. -ENOENT: there is none at that place (any more). */
__attribute__((warn_unused_result)) int dead_letters_read_one(const struct settings_kafka *kafka,
                                                              const char *topic, int32_t partition,
                                                              int64_t offset, int timeout_ms,
                                                              dead_letter_fn fn, void *data,
                                                              char *error, size_t error_size);

#endif
