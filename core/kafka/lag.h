/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far a pipeline's group is behind, asked from the brokers, not from the engine: it is right
 * also when no engine runs. Blocks; for verbs.
 */
#ifndef QUERN_KAFKA_LAG_H
#define QUERN_KAFKA_LAG_H

#include <stddef.h>

#include "config/settings.h"

struct lag {
    uint16_t topic; /* index into the pipeline's topics */
    int32_t partition;
    int64_t committed;  /* next to read; -1: the group has committed nothing */
    int64_t begin, end; /* first offset there is, and the one that comes next */
};

/* Records the group has yet to do; before its first commit all there are, or with start = "latest"
 * none. Never negative. */
int64_t lag_records(const struct lag *lag, enum start start);

/* Appends to (*rows)[*count], grown with xreallocarray; free(*rows). 0, or as in catalog.h with a
 * sentence in error. */
__attribute__((warn_unused_result)) int lag_read(const struct settings_kafka *kafka,
                                                 const struct settings_pipeline *pl, int timeout_ms,
                                                 struct lag **rows, size_t *count, char *error,
                                                 size_t error_size);

#endif
