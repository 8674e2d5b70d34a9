/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the verbs ask the brokers: submit, lag, dead letters.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "kafka/dead_letters.h"
#include "kafka/lag.h"
#include "kafka/submit.h"
#include "rig.h"

#define TIMEOUT_MS 10000

struct landed {
    int good, bad;
    int32_t partition;
    int64_t offset;
};

static void on_landed(void *data, int32_t partition, int64_t offset, const char *text)
{
    struct landed *land = data;

    land->good += !text;
    land->bad += text != NULL;
    land->partition = partition;
    land->offset = offset;
}

static void submit_some(struct rig *rig, const char *topic, int count, struct landed *land)
{
    const struct submit_header headers[] = {
        {"quern-cause", "exhausted"}, {"quern-cause", "rejected"}, {"own", "kept"}};
    char error[256] = "";
    struct submit *sub =
        submit_new(&rig->settings.kafka, TIMEOUT_MS, on_landed, land, error, sizeof error);

    if (!sub)
        fail_msg("%s", error);
    for (int i = 0; i < count; i++)
        assert_int_equal(submit_record(sub, topic, "k", 1, "value", 5, headers, 3), 0);
    assert_int_equal(submit_wait(sub), 0);
    submit_free(sub);
}

static bool count_one(void *data, const rd_kafka_message_t *rec, const struct dead_fields *fields)
{
    assert_int_equal(rec->len, 5);
    /* The last of two wins, and it is not zero-terminated. */
    assert_int_equal(fields->len[DEAD_HEADER_CAUSE], 8);
    assert_memory_equal(fields->text[DEAD_HEADER_CAUSE], "rejected", 8);
    assert_null(fields->text[DEAD_HEADER_CODE]);
    ++*(int *)data;
    return true;
}

static bool stop_at_three(void *data, const rd_kafka_message_t *rec,
                          const struct dead_fields *fields)
{
    (void)rec;
    (void)fields;
    return ++*(int *)data < 3;
}

static void test_submit_and_read(void **state)
{
    struct landed land = {0};
    char error[256] = "";
    int count = 0;
    struct rig rig;

    (void)state;
    rig_init(&rig, true);
    rig_topic(&rig, "dead", 3);
    assert_int_equal(dead_letters_read(&rig.settings.kafka, "dead", TIMEOUT_MS, count_one, &count,
                                       error, sizeof error),
                     0);
    assert_int_equal(count, 0);
    submit_some(&rig, "dead", 20, &land);
    assert_int_equal(land.good, 20);
    assert_int_equal(land.offset, 19); /* one key: one partition */
    assert_int_equal(dead_letters_read(&rig.settings.kafka, "dead", TIMEOUT_MS, count_one, &count,
                                       error, sizeof error),
                     0);
    assert_int_equal(count, 20);
    count = 0;
    assert_int_equal(dead_letters_read(&rig.settings.kafka, "dead", TIMEOUT_MS, stop_at_three,
                                       &count, error, sizeof error),
                     0);
    assert_int_equal(count, 3);

    count = 0;
    assert_int_equal(dead_letters_read_one(&rig.settings.kafka, "dead", land.partition, 7,
                                           TIMEOUT_MS, count_one, &count, error, sizeof error),
                     0);
    assert_int_equal(count, 1);
    assert_int_equal(dead_letters_read_one(&rig.settings.kafka, "dead", land.partition, 20,
                                           TIMEOUT_MS, count_one, &count, error, sizeof error),
                     -ENOENT);
    assert_non_null(strstr(error, "0 to 19"));
    assert_int_equal(dead_letters_read_one(&rig.settings.kafka, "dead", 3, 0, TIMEOUT_MS, count_one,
                                           &count, error, sizeof error),
                     -ENOENT);
    assert_int_equal(dead_letters_read(&rig.settings.kafka, "daed", TIMEOUT_MS, count_one, &count,
                                       error, sizeof error),
                     -ENOENT);
    rig_done(&rig);
}

static void test_lag(void **state)
{
    struct landed land = {0};
    struct lag *rows = NULL;
    char error[256] = "";
    size_t count = 0;
    struct rig rig;

    (void)state;
    rig_init(&rig, true);
    rig_topic(&rig, "behind", 2);
    submit_some(&rig, "behind", 20, &land);
    if (lag_read(&rig.settings.kafka, &rig.pl, TIMEOUT_MS, &rows, &count, error, sizeof error))
        fail_msg("%s", error);
    assert_int_equal(count, 2);
    for (size_t i = 0; i < 2; i++) {
        bool filled = rows[i].partition == land.partition;

        assert_int_equal(rows[i].committed, -1);
        assert_int_equal(rows[i].end, filled ? 20 : 0);
        assert_int_equal(lag_records(&rows[i], START_EARLIEST), filled ? 20 : 0);
        assert_int_equal(lag_records(&rows[i], START_LATEST), 0);
    }
    free(rows);
    rig_done(&rig);
}

static void test_lag_arithmetic(void **state)
{
    (void)state;
    assert_int_equal(lag_records(&(struct lag){0, 0, 30, 10, 100}, START_EARLIEST), 70);
    assert_int_equal(lag_records(&(struct lag){0, 0, 5, 10, 100}, START_EARLIEST), 90);
    assert_int_equal(lag_records(&(struct lag){0, 0, 120, 10, 100}, START_EARLIEST), 0);
    assert_int_equal(lag_records(&(struct lag){0, 0, -1, 10, 100}, START_EARLIEST), 90);
}

static void test_no_broker(void **state)
{
    struct landed land = {0};
    struct lag *rows = NULL;
    char error[256] = "";
    struct submit *sub;
    size_t count = 0;
    int64_t began = clock_now_ns();
    struct rig rig;

    (void)state;
    rig_init(&rig, false);
    assert_int_equal(
        lag_read(&rig.settings.kafka, &rig.pl, 500, &rows, &count, error, sizeof error),
        -ETIMEDOUT);
    assert_non_null(strstr(error, "127.0.0.1:1"));
    sub = submit_new(&rig.settings.kafka, 500, on_landed, &land, error, sizeof error);
    assert_non_null(sub);
    assert_int_equal(submit_record(sub, "x", NULL, 0, "v", 1, NULL, 0), 0);
    assert_int_equal(submit_wait(sub), -ETIMEDOUT);
    submit_free(sub);
    assert_int_equal(land.bad, 1);
    assert_true(clock_now_ns() - began < 6 * NS_PER_S);
    rig_done(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_submit_and_read),
        cmocka_unit_test(test_lag),
        cmocka_unit_test(test_lag_arithmetic),
        cmocka_unit_test(test_no_broker),
    };

    return rig_main(tests, sizeof tests / sizeof *tests);
}
