/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pipeline's membership in its consumer group.
 *
 * WHY. Delivery lives or dies here: what is read, when, and what is committed. The consumer owns all
 * librdkafka calls of its handle, on the loop's thread, and never blocks it.
 *
 * DESIGN. The group's control queue is always served, so the member stays in its group whatever the
 * plugin does. Each assigned partition has a queue of its own (taken out of the consumer's queue in
 * the rebalance callback) with an eventfd in the loop; it is read only while the owner has room for
 * its records. That is the whole of backpressure: nothing is paused, nothing fetched is thrown away.
 *
 * An assignment is answered after the group's committed offsets were fetched (an error is retried,
 * never read as "no offset"); a revocation after the owner has drained the partitions and their last
 * commit was acknowledged, or the drain time is over. Both without blocking: librdkafka waits for the
 * assign call, the loop goes on.
 *
 * Each assignment of a partition is an epoch: assigned() makes the owner's state for it, revoked()
 * ends it; neither is ever reused.
 */
#ifndef QUERN_KAFKA_CONSUMER_H
#define QUERN_KAFKA_CONSUMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <librdkafka/rdkafka.h>

#include "config/settings.h"

struct event_base;
struct consumer;

struct consumer_ops {
    /* A partition is ours; its next record is at `offset` or, where offsets have gaps, the first one
     * after it (RD_KAFKA_OFFSET_BEGINNING / _END: a new group, by `start`). Returns the owner's state
     * of this epoch, not NULL. topic: index into the pipeline's topics. */
    void *(*assigned)(void *data, uint16_t topic, int32_t partition, int64_t offset);
    /* How many records may be handed over now, at most; 0: none until consumer_read(). */
    size_t (*room)(void *data, void *part);
    /* Records of one partition in offset order; each is the owner's, who destroys it. Control records
     * and errors never come here. */
    void (*records)(void *data, void *part, rd_kafka_message_t **recs, size_t count);
    /* After each round of records(), for what is done once a batch. */
    void (*batch_done)(void *data);
    /* The offset that may be committed: below it all is settled. -1: nothing settled in this epoch. */
    int64_t (*commit_point)(void *data, void *part);
    /* It will be taken away: start no more of its jobs. No records() follow. */
    void (*revoking)(void *data, void *part);
    /* Nothing of it runs or is being settled any more? Asked until true or the drain time is over;
     * consumer_drained() makes it be asked at once. */
    bool (*drained)(void *data, void *part);
    /* The epoch is over; the owner frees its state. lost: somebody else may already have it, and
     * nothing was committed. */
    void (*revoked)(void *data, void *part, bool lost);
};

struct consumer_stats {
    uint64_t records, bytes;       /* read */
    uint64_t commits, commit_errors;
    uint64_t rebalances, revoke_timeouts, lost;
    uint32_t assigned;             /* partitions now */
    bool joined;                   /* has had an assignment (perhaps an empty one) since the start */
    bool connected;                /* some broker is up */
    const char *state;             /* "connecting" "joining" "steady" "rebalancing" "leaving" "left" */
};

/* One partition, for status and lag. Offsets are next-to-read, as Kafka has them; -1: not known. */
struct partition_status {
    uint16_t topic;
    int32_t partition;
    int64_t committed, position, high_watermark;
};

/* drain_ms: how long a revocation may wait for the owner. NULL and a sentence in error. */
struct consumer *consumer_new(struct event_base *base, const struct settings *settings,
                              const struct settings_pipeline *pl, int64_t drain_ms,
                              const struct consumer_ops *ops, void *data, char *error,
                              size_t error_size);

/* There is room again (after room() said 0): read on. Cheap; once a batch. */
void consumer_read(struct consumer *c);
/* drained() may have become true. Cheap; once a batch. */
void consumer_drained(struct consumer *c);
/* Commit what has been settled since the last commit now, not at the next tick. */
void consumer_commit(struct consumer *c);

/* Orderly end: reads no more; revokes all (drain, commit), leaves the group; then consumer_stopped().
 * Bounded by drain_ms plus a few seconds, also without any broker. */
void consumer_stop(struct consumer *c);
bool consumer_stopped(const struct consumer *c);

/* Every record that was handed out must have been destroyed before. NULL is fine. */
void consumer_free(struct consumer *c);

const struct consumer_stats *consumer_stats(const struct consumer *c);
size_t consumer_partitions(const struct consumer *c, struct partition_status *ret, size_t max);

#endif
