/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tracker against a naive oracle: an array of every record delivered, walked from the start each
 * time. Random gaps in the offsets, random completion order, windows that fill up. A seed that failed
 * once is kept in `seeds` below; QUERN_SEED=n runs one seed more.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pipeline/tracker.h"

#define STEPS 20000

static uint64_t rng_state;

static uint64_t rng(uint64_t bound)
{
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 7;
    rng_state ^= rng_state << 17;
    return rng_state % bound;
}

struct oracle {
    int64_t offsets[STEPS];
    bool settled[STEPS];
    size_t count, oldest;
};

static int64_t oracle_commit_point(struct oracle *o)
{
    while (o->oldest < o->count && o->settled[o->oldest])
        o->oldest++;
    if (o->oldest < o->count)
        return o->offsets[o->oldest];
    return o->count ? o->offsets[o->count - 1] + 1 : -1;
}

static void add_one(struct tracker *t, struct oracle *o, int64_t *offset)
{
    uint64_t seq;
    int err;

    *offset += 1 + (rng(10) == 0 ? (int64_t)rng(1000) : 0); /* a gap now and then */
    err = tracker_add(t, *offset, &seq);
    if (o->count - o->oldest >= t->max_records) {
        assert_int_equal(err, -ENOSPC);
        return;
    }
    assert_int_equal(err, 0);
    assert_int_equal(seq, o->count);
    o->offsets[o->count++] = *offset;
}

static void settle_one(struct tracker *t, struct oracle *o, uint64_t spread)
{
    size_t pick;

    if (o->oldest == o->count)
        return;
    pick = o->oldest + rng(spread < o->count - o->oldest ? spread : o->count - o->oldest);
    assert_int_equal(tracker_settle(t, pick), o->settled[pick] ? -EALREADY : 0);
    o->settled[pick] = true;
}

static void run_seed(uint64_t seed)
{
    struct oracle *o = calloc(1, sizeof *o);
    struct tracker t;
    int64_t offset, last = -1;

    rng_state = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    offset = (int64_t)rng(1000000);
    tracker_init(&t, 1 + rng(3000));
    uint64_t adds_of_ten = 3 + rng(5);
    uint64_t spread = 1 + rng(2000);
    for (size_t i = 0; i < STEPS; i++) {
        if (rng(10) < adds_of_ten)
            add_one(&t, o, &offset);
        else
            settle_one(&t, o, spread);
        int64_t point = oracle_commit_point(o);
        if (tracker_commit_point(&t) != point)
            print_error("seed %llu step %zu\n", (unsigned long long)seed, i);
        assert_int_equal(tracker_commit_point(&t), point);
        assert_int_equal(tracker_window(&t), o->count - o->oldest);
        assert_true(point >= last);
        last = point;
    }
    tracker_done(&t);
    free(o);
}

static void test_against_oracle(void **state)
{
    const char *extra = getenv("QUERN_SEED");

    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++)
        run_seed(seed);
    if (extra)
        run_seed(strtoull(extra, NULL, 10));
}

static void test_empty_commits_nothing(void **state)
{
    struct tracker t;

    (void)state;
    tracker_init(&t, 10);
    assert_int_equal(tracker_commit_point(&t), -1);
    assert_int_equal(tracker_settle(&t, 0), -EINVAL);
    tracker_done(&t);
}

static void test_refuses_offsets_that_go_back(void **state)
{
    struct tracker t;
    uint64_t seq;

    (void)state;
    tracker_init(&t, 64);
    assert_int_equal(tracker_add(&t, 5, &seq), 0);
    assert_int_equal(tracker_add(&t, 5, &seq), -EINVAL);
    assert_int_equal(tracker_add(&t, 4, &seq), -EINVAL);
    assert_int_equal(tracker_add(&t, -1, &seq), -EINVAL);
    assert_int_equal(tracker_commit_point(&t), 5);
    assert_int_equal(tracker_add(&t, 6, &seq), 0);
    tracker_done(&t);
}

static void test_one_stuck_record_fills_the_window(void **state)
{
    struct tracker t;
    uint64_t seq;

    (void)state;
    tracker_init(&t, 128);
    for (int64_t i = 0; i < 128; i++) {
        assert_int_equal(tracker_room(&t), 128 - i);
        assert_int_equal(tracker_add(&t, i, &seq), 0);
        if (i > 0)
            assert_int_equal(tracker_settle(&t, seq), 0);
    }
    assert_int_equal(tracker_add(&t, 128, &seq), -ENOSPC);
    assert_int_equal(tracker_commit_point(&t), 0);
    assert_int_equal(tracker_settle(&t, 0), 0);
    assert_int_equal(tracker_commit_point(&t), 128);
    assert_int_equal(tracker_room(&t), 128);
    assert_int_equal(tracker_settle(&t, 0), -EALREADY);
    tracker_done(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_commits_nothing),
        cmocka_unit_test(test_refuses_offsets_that_go_back),
        cmocka_unit_test(test_one_stuck_record_fills_the_window),
        cmocka_unit_test(test_against_oracle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
