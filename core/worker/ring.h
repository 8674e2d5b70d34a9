/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One direction of the channel between the core and a worker: a ring of records in shared memory, one
 * writer, one reader.
 *
 * WHY. A job must cross into another process for less than librdkafka spends on fetching it. A ring
 * does it with one copy and no system call while both sides are busy.
 *
 * DESIGN. `head` and `tail` count bytes for ever; each is written by one side and lies on a cache line
 * of its own. A record is an 8-byte header {length, kind} and its bytes, 8-byte aligned and never
 * split: one that does not fit before the end of the ring is put at its beginning, behind a RING_SKIP.
 * The writer publishes once a batch. A wake is needed only when the other side sleeps: who wants to
 * sleep raises a flag, looks once more, and sleeps; who publishes takes the flag down with an atomic
 * exchange and, if it was up, writes the eventfd. Both sides put a full fence between their store and
 * their look at the other's (Dekker): no wake is lost, and none is sent twice.
 *
 * HOSTILE. The other side may write anything anywhere at any time. Each side works on private copies
 * of its own indexes and checks what it reads of the other's: a head that runs back or too far, a
 * record that leaves the published bytes, is -EPROTO. A record's bytes may change while they are read:
 * who does not trust the writer copies them out first.
 */
#ifndef QUERN_WORKER_RING_H
#define QUERN_WORKER_RING_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring_shared {
    alignas(64) _Atomic uint64_t head; /* bytes published; the writer's */
    alignas(64) _Atomic uint64_t tail; /* bytes consumed; the reader's */
    alignas(64) _Atomic uint32_t reader_sleeps;
    _Atomic uint32_t writer_sleeps; /* for room */
};

#define RING_SKIP 0u /* kind: nothing up to the end of the ring. Kinds of records are not 0 */

struct ring_writer {
    struct ring_shared *shared;
    char *data;
    uint64_t size; /* bytes, a power of two */
    uint64_t head; /* behind the last record written, published or not */
    uint64_t published;
    uint64_t tail; /* as last seen */
};

struct ring_reader {
    struct ring_shared *shared;
    const char *data;
    uint64_t size;
    uint64_t tail; /* of the next record */
    uint64_t released;
    uint64_t head; /* as last seen */
};

/* size: a power of two, at least 4096. The shared part must be zeroed. */
void ring_writer_init(struct ring_writer *w, struct ring_shared *shared, void *data, uint64_t size);
void ring_reader_init(struct ring_reader *r, struct ring_shared *shared, const void *data,
                      uint64_t size);

/* The largest record that is sure to fit into an empty ring wherever it stands. */
static inline size_t ring_record_max(uint64_t size)
{
    return (size_t)(size / 2 - 8);
}

/* Room for a record of `len` bytes, to be filled in before the next call. 0; -EAGAIN: no room now;
 * -EMSGSIZE: never; -EPROTO. */
__attribute__((warn_unused_result)) int ring_reserve(struct ring_writer *w, uint32_t kind,
                                                     size_t len, void **ret_data);
/* Makes what was reserved visible. True: the reader slept and must be woken. */
__attribute__((warn_unused_result)) bool ring_publish(struct ring_writer *w);
/* Before sleeping for room of `len` bytes: true: sleep now, a wake will come. */
bool ring_wait_for_room(struct ring_writer *w, size_t len);

/* The next record: 1, or 0: none, or -EPROTO. Valid until ring_release(). */
__attribute__((warn_unused_result)) int ring_next(struct ring_reader *r, uint32_t *ret_kind,
                                                  const void **ret_data, size_t *ret_len);
/* Gives the records read so far back to the writer. True: it waits for room and must be woken. */
__attribute__((warn_unused_result)) bool ring_release(struct ring_reader *r);
/* Before sleeping: true: sleep now, a wake will come; false: there is something to read. */
bool ring_wait_for_record(struct ring_reader *r);

#endif
