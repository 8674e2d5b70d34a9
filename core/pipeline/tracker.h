/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which offset of a partition may be committed.
 *
 * WHY. Jobs end in any order; Kafka commits one number: "all below this is done". The tracker keeps
 * the delivered records of one epoch (one assignment of one partition) in delivery order and knows
 * the oldest that is not settled. Promise 1 of the design hangs on this file.
 *
 * DESIGN. A ring of offsets, indexed by a sequence number that grows by one with each delivered
 * record, and a bitmap of the settled ones. Records are indexed, not offsets: compaction and
 * transaction markers leave gaps in the offsets, and a gap must cost nothing. Settling the oldest
 * moves `first` over all that is settled behind it, 64 records a step. The ring starts small and
 * doubles up to `max_records`.
 *
 * Invariants: first <= next; next - first <= capacity <= max_records; offsets in [first, next) grow
 * strictly; a bit in [first, next) is set exactly when that record is settled; bit `first` is never
 * set while first < next. commit_point never decreases.
 *
 * Pure: no clock, no I/O. Never reused for another epoch.
 */
#ifndef QUERN_PIPELINE_TRACKER_H
#define QUERN_PIPELINE_TRACKER_H

#include <stddef.h>
#include <stdint.h>

struct tracker {
    int64_t *offsets; /* of sequence s at s & (capacity - 1) */
    uint64_t *settled; /* one bit a record, same index */
    uint64_t capacity; /* power of two, at least 64; 0 before the first record */
    uint64_t max_records;
    uint64_t first;   /* sequence of the oldest unsettled record; == next: there is none */
    uint64_t next;    /* sequence of the record that comes next */
    int64_t delivered; /* offset of the last record + 1; -1: none yet */
};

/* max_records: rounded up to a power of two, at least 64. */
void tracker_init(struct tracker *t, uint64_t max_records);
void tracker_done(struct tracker *t);

/* Takes in the next record. 0 and its sequence number; -ENOSPC: the window is full; -EINVAL: the
 * offset does not lie behind the last one; -ENOMEM. Nothing changes on failure. */
__attribute__((warn_unused_result)) int tracker_add(struct tracker *t, int64_t offset,
                                                    uint64_t *ret_seq);

/* The record is done for good. 0; -EALREADY: it was; -EINVAL: no such record. */
int tracker_settle(struct tracker *t, uint64_t seq);

/* The offset to commit, next-to-read as Kafka has it: that of the oldest unsettled record, or the one
 * after the last delivered. -1: no record yet. */
int64_t tracker_commit_point(const struct tracker *t);

/* How many more records fit. */
static inline uint64_t tracker_room(const struct tracker *t)
{
    return t->max_records - (t->next - t->first);
}

/* Records that are not settled, or settled above one that is not. */
static inline uint64_t tracker_window(const struct tracker *t)
{
    return t->next - t->first;
}

#endif
