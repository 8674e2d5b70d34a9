/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's one producer: idempotent, acks=all. Dead letters and emits go out here, and a job is
 * settled only when the brokers have acknowledged them.
 *
 * Never blocks: a full queue is -EAGAIN, and the caller tries again later (producer_room() tells).
 * Each accepted record gets exactly one answer, on the loop's thread, from the event loop.
 */
#ifndef QUERN_KAFKA_PRODUCER_H
#define QUERN_KAFKA_PRODUCER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <librdkafka/rdkafka.h>

#include "config/settings.h"

struct event_base;
struct producer;

/* err 0: the brokers have it. Else it may or may not be there: send it again or keep the job. */
typedef void (*producer_ack_fn)(void *data, rd_kafka_resp_err_t err);

struct producer_stats {
    uint64_t sent, acked, failed, bytes;
    uint64_t queue_full;
    uint32_t outstanding;
    bool connected;
};

struct producer *producer_new(struct event_base *base, const struct settings *settings, char *error,
                              size_t error_size);

/* The topic will be produced to: librdkafka learns its leaders now, not at the first record, which would
 * otherwise wait for up to a second. Once for each topic. */
void producer_prepare(struct producer *p, const char *topic);

/* Key and value are copied. headers: owned by the producer when 0 is returned, else still the
 * caller's; NULL: none. partition: RD_KAFKA_PARTITION_UA for the partitioner's choice (murmur2, as
 * Java producers choose).
 * 0: fn follows. -EAGAIN: the queue is full. -EMSGSIZE: larger than the brokers take. -ENOENT: no such
 * topic or partition. -EIO: the producer is dead (fatal error; logged). */
__attribute__((warn_unused_result)) int producer_send(struct producer *p, const char *topic,
                                                      int32_t partition, const void *key,
                                                      size_t key_len, const void *value,
                                                      size_t value_len,
                                                      rd_kafka_headers_t *headers,
                                                      producer_ack_fn fn, void *data);

/* Ends what is outstanding: flush for up to timeout_ms (blocks; only at the end of the process), then
 * purge. All answers are given before it returns. NULL is fine. */
void producer_free(struct producer *p, int timeout_ms);

const struct producer_stats *producer_stats(const struct producer *p);

/* The handle, for topics_ensure() and metadata. */
rd_kafka_t *producer_handle(struct producer *p);

#endif
