/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The producer against the embedded broker: each accepted record gets exactly one answer.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "rig.h"

struct answers {
    uint32_t wanted, ok, failed;
    rd_kafka_resp_err_t last;
};

static void on_ack(void *data, rd_kafka_resp_err_t err)
{
    struct answers *ans = data;

    ans->ok += !err;
    ans->failed += err != 0;
    ans->last = err;
}

static bool all_answered(void *data)
{
    struct answers *ans = data;

    return ans->ok + ans->failed == ans->wanted;
}

static struct producer *producer(struct rig *rig)
{
    char error[256] = "";
    struct producer *p = producer_new(rig->base, &rig->settings, error, sizeof error);

    if (!p)
        fail_msg("%s", error);
    return p;
}

static int send_some(struct producer *p, const char *topic, struct answers *ans, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        rd_kafka_headers_t *headers = NULL;
        int err;

        if (i % 3 == 0) {
            headers = rd_kafka_headers_new(1);
            rd_kafka_header_add(headers, "n", -1, "1", 1);
        }
        err = producer_send(p, topic, RD_KAFKA_PARTITION_UA, "key", 3, "value", 5, headers, on_ack,
                            ans);
        if (err) {
            if (headers)
                rd_kafka_headers_destroy(headers);
            return err;
        }
        ans->wanted++;
    }
    return 0;
}

static void test_acks(void **state)
{
    struct answers ans = {0};
    struct producer *p;
    struct rig rig;

    (void)state;
    rig_init(&rig, true);
    rig_topic(&rig, "acks", 3);
    p = producer(&rig);
    assert_int_equal(send_some(p, "acks", &ans, 1000), 0);
    assert_int_equal(producer_stats(p)->outstanding, 1000);
    assert_true(rig_until(&rig, all_answered, &ans, 10000));
    assert_int_equal(ans.ok, 1000);
    assert_int_equal(producer_stats(p)->acked, 1000);
    assert_int_equal(producer_stats(p)->outstanding, 0);
    assert_true(producer_stats(p)->connected);
    producer_free(p, 1000);
    rig_done(&rig);
}

/* Errors that pass are librdkafka's to retry; those that do not come back as they are. */
static void test_errors(void **state)
{
    struct answers ans = {0};
    struct producer *p;
    struct rig rig;

    (void)state;
    rig_init(&rig, true);
    rig_topic(&rig, "errors", 1);
    p = producer(&rig);
    broker_push_error(rig.broker, 0, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, 2);
    assert_int_equal(send_some(p, "errors", &ans, 10), 0);
    assert_true(rig_until(&rig, all_answered, &ans, 10000));
    assert_int_equal(ans.ok, 10);
    broker_push_error(rig.broker, 0, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, 1);
    assert_int_equal(send_some(p, "errors", &ans, 1), 0);
    assert_true(rig_until(&rig, all_answered, &ans, 10000));
    assert_int_equal(ans.failed, 1);
    assert_int_equal(ans.last, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    producer_free(p, 100);
    rig_done(&rig);
}

static void test_refused(void **state)
{
    static char large[2000000];
    struct answers ans = {0};
    rd_kafka_headers_t *headers = rd_kafka_headers_new(1);
    struct producer *p;
    struct rig rig;

    (void)state;
    rig_init(&rig, true);
    rig_topic(&rig, "refused", 1);
    p = producer(&rig);
    assert_int_equal(send_some(p, "refused", &ans, 1), 0);
    assert_true(rig_until(&rig, all_answered, &ans, 10000));
    assert_int_equal(producer_send(p, "refused", RD_KAFKA_PARTITION_UA, NULL, 0, large,
                                   sizeof large, NULL, on_ack, &ans),
                     -EMSGSIZE);
    rd_kafka_header_add(headers, "still", -1, "ours", 4);
    assert_int_equal(producer_send(p, "refused", 7, NULL, 0, "v", 1, headers, on_ack, &ans),
                     -ENOENT);
    assert_int_equal(rd_kafka_header_cnt(headers), 1);
    rd_kafka_headers_destroy(headers);
    assert_int_equal(producer_stats(p)->outstanding, 0);
    producer_free(p, 100);
    assert_int_equal(ans.ok, 1);
    assert_int_equal(ans.failed, 0);
    rig_done(&rig);
}

/* No broker: the queue fills up to its bound, nothing blocks, and the end answers for all of it. */
static void test_queue_full_and_purge(void **state)
{
    char name[] = "queue.buffering.max.messages", value[] = "500";
    struct property bound = {.name = name, .value = value};
    struct answers ans = {0};
    struct producer *p;
    struct rig rig;
    int64_t began;

    (void)state;
    rig_init(&rig, false);
    rig.settings.kafka.properties = &bound;
    p = producer(&rig);
    assert_int_equal(send_some(p, "nowhere", &ans, 1000), -EAGAIN);
    assert_int_equal(ans.wanted, 500);
    assert_int_equal(producer_stats(p)->queue_full, 1);
    assert_int_equal(ans.failed, 0);
    began = clock_now_ns();
    producer_free(p, 200);
    assert_true(clock_now_ns() - began < 5 * NS_PER_S);
    assert_int_equal(ans.failed, 500);
    assert_int_equal(ans.last, RD_KAFKA_RESP_ERR__PURGE_QUEUE);
    rig_done(&rig);
}

/* The broker refuses the producer's identity for good: that handle ends, the engine's producer does
 * not. */
static void test_fatal(void **state)
{
    struct answers ans = {0};
    struct producer *p;
    struct rig rig;
    rd_kafka_t *first;
    int err = 0;

    (void)state;
    rig_init(&rig, true);
    rig_topic(&rig, "fatal", 1);
    p = producer(&rig);
    first = producer_handle(p);
    assert_int_equal(send_some(p, "fatal", &ans, 1), 0);
    assert_true(rig_until(&rig, all_answered, &ans, 10000));
    assert_int_equal(
        rd_kafka_test_fatal_error(first, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, "made up"),
        0);
    for (int turn = 0; turn < 100; turn++) {
        rig_run_ms(&rig, 50);
        err = send_some(p, "fatal", &ans, 1);
        if (!err)
            break;
        assert_true(err == -EAGAIN || err == -EIO);
    }
    assert_int_equal(err, 0);
    assert_true(rig_until(&rig, all_answered, &ans, 10000));
    assert_int_equal(ans.ok, 2);
    producer_free(p, 1000);
    rig_done(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_acks),    cmocka_unit_test(test_errors),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_queue_full_and_purge),
        cmocka_unit_test(test_fatal),
    };

    return rig_main(tests, sizeof tests / sizeof *tests);
}
