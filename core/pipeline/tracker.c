/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/tracker.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define WORD_BITS 64u
#define CAPACITY_MIN 64u

static uint64_t round_up_pow2(uint64_t n)
{
    uint64_t p = CAPACITY_MIN;

    while (p < n && p < (UINT64_C(1) << 31))
        p <<= 1;
    return p;
}

void tracker_init(struct tracker *t, uint64_t max_records)
{
    memset(t, 0, sizeof *t);
    t->max_records = round_up_pow2(max_records);
    t->delivered = -1;
}

void tracker_done(struct tracker *t)
{
    free(t->offsets);
    free(t->settled);
    memset(t, 0, sizeof *t);
}

static uint64_t slot_of(const struct tracker *t, uint64_t seq)
{
    return seq & (t->capacity - 1);
}

static bool is_settled(const struct tracker *t, uint64_t seq)
{
    uint64_t slot = slot_of(t, seq);

    return (t->settled[slot / WORD_BITS] >> (slot % WORD_BITS)) & 1;
}

static void set_settled(struct tracker *t, uint64_t seq, bool value)
{
    uint64_t slot = slot_of(t, seq);
    uint64_t bit = UINT64_C(1) << (slot % WORD_BITS);

    if (value)
        t->settled[slot / WORD_BITS] |= bit;
    else
        t->settled[slot / WORD_BITS] &= ~bit;
}

/* Doubles the ring. The records move to their places under the new mask one by one: this happens at
 * most log2(max_records / 64) times in the life of an epoch. */
static int grow(struct tracker *t)
{
    struct tracker wider = *t;

    wider.capacity = t->capacity ? t->capacity * 2 : CAPACITY_MIN;
    wider.offsets = calloc(wider.capacity, sizeof *wider.offsets);
    wider.settled = calloc(wider.capacity / WORD_BITS, sizeof *wider.settled);
    if (!wider.offsets || !wider.settled) {
        free(wider.offsets);
        free(wider.settled);
        return -ENOMEM;
    }
    for (uint64_t seq = t->first; seq != t->next; seq++) {
        wider.offsets[slot_of(&wider, seq)] = t->offsets[slot_of(t, seq)];
        set_settled(&wider, seq, is_settled(t, seq));
    }
    free(t->offsets);
    free(t->settled);
    *t = wider;
    return 0;
}

int tracker_add(struct tracker *t, int64_t offset, uint64_t *ret_seq)
{
    if (offset < 0 || offset < t->delivered)
        return -EINVAL;
    if (t->next - t->first == t->capacity) {
        if (t->capacity == t->max_records)
            return -ENOSPC;
        int err = grow(t);
        if (err)
            return err;
    }
    t->offsets[slot_of(t, t->next)] = offset;
    set_settled(t, t->next, false);
    t->delivered = offset + 1;
    *ret_seq = t->next++;
    return 0;
}

/* Moves `first` over the settled records in front, a word of the bitmap at a time. */
static void advance(struct tracker *t)
{
    while (t->first != t->next) {
        uint64_t slot = slot_of(t, t->first);
        uint64_t shift = slot % WORD_BITS;
        uint64_t word = t->settled[slot / WORD_BITS] >> shift;
        uint64_t run = ~word == 0 ? WORD_BITS : (uint64_t)__builtin_ctzll(~word);

        /* Bits above the word's end came in as zeros by the shift, so a run ends there at the latest. */
        if (run > WORD_BITS - shift)
            run = WORD_BITS - shift;
        if (run > t->next - t->first)
            run = t->next - t->first;
        t->first += run;
        if (run < WORD_BITS - shift)
            return;
    }
}

int tracker_settle(struct tracker *t, uint64_t seq)
{
    /* One comparison for both ends: what lies before `first` wraps to a huge number. */
    if (seq - t->first >= t->next - t->first)
        return seq < t->first ? -EALREADY : -EINVAL;
    if (is_settled(t, seq))
        return -EALREADY;
    set_settled(t, seq, true);
    if (seq == t->first)
        advance(t);
    return 0;
}

int64_t tracker_commit_point(const struct tracker *t)
{
    if (t->first == t->next)
        return t->delivered;
    return t->offsets[slot_of(t, t->first)];
}
