/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The consumer against the embedded broker: what it reads, when, and what it commits.
 */
#include <string.h>

#include "base/clock.h"
#include "rig.h"

#define JOIN_MS 15000

static bool two_assigned(void *data)
{
    struct rig_owner *owner = data;

    return owner->parts[0] && owner->parts[1];
}

static bool hundred_records(void *data)
{
    return ((struct rig_owner *)data)->records >= 100;
}

static bool committed_all(void *data)
{
    struct rig_owner *owner = data;
    struct partition_status st[RIG_PARTS];
    size_t count = consumer_partitions(owner->consumer, st, RIG_PARTS);
    int64_t sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += st[i].committed > 0 ? st[i].committed : 0;
    return sum == 100;
}

static void assert_clean(const struct rig_owner *owner)
{
    assert_int_equal(owner->bad_order, 0);
    assert_int_equal(owner->over_room, 0);
    assert_int_equal(owner->late, 0);
}

/* Reads from the beginning, commits on its own, leaves, and the next one goes on where it was. */
static void test_read_commit_resume(void **state)
{
    struct rig_owner a = {0}, b = {0};
    struct partition_status st[RIG_PARTS];
    struct rig rig;

    (void)state;
    rig_init(&rig, true);
    rig_topic(&rig, "resume", 2);
    rig_produce(&rig, 0, 60);
    rig_produce(&rig, 1, 40);
    rig_consumer(&rig, &a, 2000);
    assert_string_equal(consumer_stats(a.consumer)->state, "connecting");
    assert_true(rig_until(&rig, hundred_records, &a, JOIN_MS));
    assert_true(rig_until(&rig, committed_all, &a, 5000));
    assert_string_equal(consumer_stats(a.consumer)->state, "steady");
    assert_true(consumer_stats(a.consumer)->connected);
    assert_int_equal(consumer_partitions(a.consumer, st, RIG_PARTS), 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(st[i].high_watermark, st[i].partition == 0 ? 60 : 40);
        assert_int_equal(st[i].position, st[i].high_watermark);
    }
    assert_clean(&a);
    rig_stop(&rig, &a, 5000);
    assert_int_equal(a.revoked, 2);
    assert_int_equal(a.lost, 0);
    assert_int_equal(rig_committed(&rig, 0), 60);

    rig_produce(&rig, 0, 7);
    rig_consumer(&rig, &b, 2000);
    assert_true(rig_until(&rig, two_assigned, &b, JOIN_MS));
    assert_int_equal(b.parts[0]->start, 60);
    assert_int_equal(b.parts[1]->start, 40);
    rig_run_ms(&rig, 500);
    assert_int_equal(b.records, 7);
    assert_clean(&b);
    rig_stop(&rig, &b, 5000);
    rig_done(&rig);
}

static bool no_room(void *data)
{
    return ((struct rig_owner *)data)->room == 0;
}

/* Without room nothing is read; with room again it goes on with the very next record. What is not
 * settled is not committed. */
static void test_backpressure(void **state)
{
    struct rig_owner a = {.bounded = true, .room = 30, .hold = true};
    struct rig rig;

    (void)state;
    rig_init(&rig, true);
    rig_topic(&rig, "room", 2);
    rig_produce(&rig, 0, 5000);
    rig_produce(&rig, 1, 5000);
    rig_consumer(&rig, &a, 200);
    assert_true(rig_until(&rig, no_room, &a, JOIN_MS));
    rig_run_ms(&rig, 500);
    assert_int_equal(a.records, 30);
    for (int turn = 0; turn < 100 && a.records < 10000; turn++) {
        a.room = 101;
        consumer_read(a.consumer);
        if (a.records + 101 <= 10000)
            assert_true(rig_until(&rig, no_room, &a, 3000));
        else
            rig_run_ms(&rig, 300);
    }
    assert_int_equal(a.records, 10000);
    assert_clean(&a);
    for (int p = 0; p < 2; p++)
        for (int i = 0; i < 5000; i++)
            assert_int_equal(a.seen[p][i], 1);
    a.parts[0]->settled = 123;
    rig_stop(&rig, &a, 5000);
    assert_int_equal(rig_committed(&rig, 0), 123);
    assert_int_equal(rig_committed(&rig, 1), -1);
    rig_done(&rig);
}

static bool is_revoking(void *data)
{
    return ((struct rig_owner *)data)->revoking == 2;
}

static bool both_revoked(void *data)
{
    return ((struct rig_owner *)data)->revoked == 2;
}

/* The end waits for drained(), commits what was settled meanwhile, and is bounded. */
static void test_drain(void **state)
{
    struct rig_owner a = {.hold = true, .undrained = true};
    struct rig_owner b = {.hold = true, .undrained = true};
    struct rig rig;
    int64_t began;

    (void)state;
    rig_init(&rig, true);
    rig_topic(&rig, "drain", 2);
    rig_produce(&rig, 0, 100);
    rig_consumer(&rig, &a, 5000);
    assert_true(rig_until(&rig, hundred_records, &a, JOIN_MS));
    assert_true(rig_until(&rig, two_assigned, &a, 100));
    consumer_stop(a.consumer);
    assert_true(rig_until(&rig, is_revoking, &a, 2000));
    rig_run_ms(&rig, 300);
    assert_int_equal(a.revoked, 0);
    a.parts[0]->settled = 77;
    a.undrained = false;
    consumer_drained(a.consumer);
    assert_true(rig_until(&rig, both_revoked, &a, 2000));
    rig_stop(&rig, &a, 3000);
    assert_int_equal(rig_committed(&rig, 0), 77);

    rig_consumer(&rig, &b, 400);
    assert_true(rig_until(&rig, two_assigned, &b, JOIN_MS));
    assert_int_equal(b.parts[0]->start, 77);
    began = clock_now_ns();
    rig_stop(&rig, &b, 3000);
    assert_true(clock_now_ns() - began >= 400 * NS_PER_MS);
    assert_int_equal(b.lost, 0);
    rig_done(&rig);
}

static bool one_each(void *data)
{
    struct rig_owner **both = data;
    uint32_t live[2] = {0};

    for (int m = 0; m < 2; m++)
        for (int p = 0; p < RIG_PARTS; p++)
            live[m] += both[m]->parts[p] != NULL;
    return live[0] == 1 && live[1] == 1;
}

static bool first_has_both(void *data)
{
    return two_assigned(((struct rig_owner **)data)[0]);
}

/* Two members share, and one takes over from the other; nothing is lost, and no record comes twice
 * within an epoch. (Across epochs it may: the mock refuses commits during a rebalance.) */
static void test_two_members(void **state)
{
    struct rig_owner a = {0}, b = {0};
    struct rig_owner *both[2] = {&a, &b};
    struct rig rig;

    (void)state;
    rig_init(&rig, true);
    rig_topic(&rig, "two", 2);
    rig_produce(&rig, 0, 100);
    rig_consumer(&rig, &a, 1000);
    assert_true(rig_until(&rig, hundred_records, &a, JOIN_MS));
    rig_consumer(&rig, &b, 1000);
    assert_true(rig_until(&rig, one_each, both, 30000));
    assert_true(a.revoked >= 2);
    rig_produce(&rig, 0, 50);
    rig_produce(&rig, 1, 50);
    rig_run_ms(&rig, 500);
    rig_stop(&rig, &b, 5000);
    assert_true(rig_until(&rig, first_has_both, both, 30000));
    rig_run_ms(&rig, 500);
    assert_clean(&a);
    assert_int_equal(a.bad_order + b.bad_order + a.late + b.late, 0);
    rig_stop(&rig, &a, 5000);
    assert_int_equal(rig_committed(&rig, 0), 150);
    assert_int_equal(rig_committed(&rig, 1), 50);
    rig_done(&rig);
}

/* OffsetFetch fails three times: the start waits, and does not begin at the beginning. */
static void test_offset_fetch_errors(void **state)
{
    struct rig_owner a = {0}, b = {0};
    struct rig rig;

    (void)state;
    rig_init(&rig, true);
    rig_topic(&rig, "fetch", 2);
    rig_produce(&rig, 0, 60);
    rig_produce(&rig, 1, 40);
    rig_consumer(&rig, &a, 1000);
    assert_true(rig_until(&rig, hundred_records, &a, JOIN_MS));
    rig_stop(&rig, &a, 5000);
    broker_push_error(rig.broker, 9, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, 3);
    rig_consumer(&rig, &b, 1000);
    assert_true(rig_until(&rig, two_assigned, &b, JOIN_MS));
    assert_int_equal(b.parts[0]->start, 60);
    assert_int_equal(b.parts[1]->start, 40);
    assert_int_equal(b.records, 0);
    rig_stop(&rig, &b, 5000);
    rig_done(&rig);
}

static bool is_connected(void *data)
{
    return consumer_stats(((struct rig_owner *)data)->consumer)->connected;
}

static bool is_disconnected(void *data)
{
    return !is_connected(data);
}

/* The broker goes away and comes back: the consumer knows, goes on, and commits. */
static void test_broker_outage(void **state)
{
    struct rig_owner a = {0};
    struct rig rig;

    (void)state;
    rig_init(&rig, true);
    rig_topic(&rig, "outage", 1);
    rig_produce(&rig, 0, 50);
    rig_consumer(&rig, &a, 1000);
    assert_true(rig_until(&rig, is_connected, &a, JOIN_MS));
    broker_set_down(rig.broker, 1);
    assert_true(rig_until(&rig, is_disconnected, &a, 5000));
    broker_set_down(rig.broker, 0);
    assert_true(rig_until(&rig, is_connected, &a, 10000));
    rig_produce(&rig, 0, 50);
    assert_true(rig_until(&rig, hundred_records, &a, 20000));
    assert_true(rig_until(&rig, committed_all, &a, 15000));
    assert_int_equal(a.bad_order, 0);
    rig_stop(&rig, &a, 9000);
    rig_done(&rig);
}

/* Nobody there: it waits, says so, and can be stopped at once. */
static void test_no_broker(void **state)
{
    struct rig_owner a = {0};
    struct rig rig;

    (void)state;
    rig_init(&rig, false);
    rig_consumer(&rig, &a, 1000);
    rig_run_ms(&rig, 1000);
    assert_string_equal(consumer_stats(a.consumer)->state, "connecting");
    assert_false(consumer_stats(a.consumer)->connected);
    rig_stop(&rig, &a, 3000);
    rig_done(&rig);
}

/* Stopped with the broker gone: bounded, and the epochs end. */
static void test_stop_without_broker(void **state)
{
    struct rig_owner a = {.hold = true};
    struct rig rig;

    (void)state;
    rig_init(&rig, true);
    rig_topic(&rig, "gone", 2);
    rig_produce(&rig, 0, 100);
    rig_consumer(&rig, &a, 500);
    assert_true(rig_until(&rig, hundred_records, &a, JOIN_MS));
    broker_set_down(rig.broker, 1);
    a.parts[0]->settled = 50;
    rig_stop(&rig, &a, 500 + 8000 + 1000);
    assert_int_equal(a.revoked, a.assigned);
    rig_done(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_commit_resume),
        cmocka_unit_test(test_backpressure),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_offset_fetch_errors),
        cmocka_unit_test(test_broker_outage),
        cmocka_unit_test(test_no_broker),
        cmocka_unit_test(test_stop_without_broker),
        cmocka_unit_test(test_two_members),
    };

    return rig_main(tests, sizeof tests / sizeof *tests);
}
