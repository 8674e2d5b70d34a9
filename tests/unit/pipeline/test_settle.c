/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How jobs end: every verdict, every death, every answer of the brokers, and what may be committed
 * after each. The test plays Kafka and the workers (fakes.h); the pipeline between them is the real one.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <quern/plugin.h>

#include "base/log.h"
#include "fakes.h"

static struct event_base *base;
static struct settings_pipeline conf;
static struct pipeline *pl;
static void *part;

static int set_up(void **state)
{
    (void)state;
    log_setup(LOG_ERROR, LOG_TEXT, 2);
    memset(&conf, 0, sizeof conf);
    conf.attempts = 3;
    conf.max_crashes = 3;
    conf.backoff_min_ms = 1;
    conf.backoff_max_ms = 2;
    conf.max_age_ms = 3600000;
    conf.window_records = 64;
    conf.window_bytes = 1 << 20;
    conf.max_record_bytes = 1000;
    base = event_base_new();
    pl = fake_pipeline(base, &conf);
    part = fakes.consumer->assigned(pl, 0, 3, 100);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pipeline_free(pl);
    event_base_free(base);
    return 0;
}

static int64_t commit_point(void)
{
    return fakes.consumer->commit_point(pl, part);
}

/* Runs the loop until `count` jobs were handed to workers in all. */
static void until_submits(size_t count)
{
    for (int i = 0; i < 1000 && fakes.submit_count < count; i++)
        event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(fakes.submit_count, count);
}

static void until_sends(size_t count)
{
    for (int i = 0; i < 1000 && fakes.send_count < count; i++)
        event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(fakes.send_count, count);
}

static void test_ok_out_of_order(void **state)
{
    (void)state;
    fake_records(part, 100, 3);
    assert_int_equal(fakes.submit_count, 3);
    assert_int_equal(commit_point(), 100);
    fake_finish(2, QUERN_OK, NULL, 0);
    assert_int_equal(commit_point(), 100);
    fake_finish(0, QUERN_SKIP, NULL, 0);
    assert_int_equal(commit_point(), 101);
    fake_finish(1, QUERN_OK, NULL, 0);
    assert_int_equal(commit_point(), 103);
    assert_int_equal(fakes.destroyed, 3);
    assert_int_equal(pl->in_flight, 0);
    assert_int_equal(pl->stats.settled[OUTCOME_OK], 2);
    assert_int_equal(pl->stats.settled[OUTCOME_SKIP], 1);
}

static void test_reject_waits_for_the_ack(void **state)
{
    (void)state;
    fake_records(part, 100, 1);
    fake_finish(0, QUERN_REJECT, NULL, 0);
    assert_int_equal(fakes.send_count, 1);
    assert_string_equal(fakes.sends[0].topic, "in.dlq");
    assert_string_equal(fakes.sends[0].cause, "rejected");
    assert_string_equal(fakes.sends[0].code, "why");
    assert_memory_equal(fakes.sends[0].value, "0123456789", 10);
    assert_int_equal(commit_point(), 100); /* not before the brokers have it */
    fake_ack(0, RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(commit_point(), 101);
    assert_int_equal(pl->stats.dead[DEAD_REJECTED], 1);
}

static void test_dead_letter_is_sent_until_taken(void **state)
{
    (void)state;
    fake_records(part, 100, 1);
    fake_finish(0, QUERN_REJECT, NULL, 0);
    fake_ack(0, RD_KAFKA_RESP_ERR__MSG_TIMED_OUT);
    assert_int_equal(commit_point(), 100);
    until_sends(2);
    fake_ack(1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    until_sends(3);
    assert_false(fakes.sends[2].has_value); /* a stub that names the origin */
    assert_int_equal(commit_point(), 100);
    fake_ack(2, RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(commit_point(), 101);
    assert_int_equal(pl->stats.produce_failures, 2);
}

static void test_full_queue_holds_the_dead_letter(void **state)
{
    (void)state;
    fake_records(part, 100, 1);
    fakes.send_error = -EAGAIN;
    fake_finish(0, QUERN_REJECT, NULL, 0);
    assert_int_equal(fakes.send_count, 0);
    assert_int_equal(commit_point(), 100);
    fakes.send_error = 0;
    until_sends(1);
    fake_ack(0, RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(commit_point(), 101);
}

static void test_retry_until_exhausted(void **state)
{
    (void)state;
    fake_records(part, 100, 1);
    for (size_t i = 0; i < 3; i++) {
        until_submits(i + 1);
        assert_int_equal(fakes.submits[i].attempt, i + 1);
        fake_finish(i, QUERN_RETRY, NULL, 0);
    }
    assert_int_equal(fakes.send_count, 1);
    assert_string_equal(fakes.sends[0].cause, "exhausted");
    assert_int_equal(fakes.destroyed, 0); /* backoff of 1-2 ms: not parked */
    fake_ack(0, RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(commit_point(), 101);
    assert_int_equal(pl->stats.retries, 2);
}

static void test_parked_job_lets_go_of_the_record(void **state)
{
    struct worker_result res = {.result = QUERN_RETRY, .retry_after_ms = 200};

    (void)state;
    fake_records(part, 100, 1);
    fakes.pool->finished(pl, fakes.submits[0].job, &res);
    assert_int_equal(fakes.destroyed, 1);
    assert_int_equal(pl->waiting, 1);
    until_submits(2);
    fake_finish(1, QUERN_REJECT, NULL, 0);
    assert_memory_equal(fakes.sends[0].value, "0123456789", 10);
    fake_ack(0, RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(fakes.destroyed, 1);
}

static void test_defer_uses_no_attempt(void **state)
{
    (void)state;
    fake_records(part, 100, 1);
    for (size_t i = 0; i < 6; i++) {
        until_submits(i + 1);
        assert_int_equal(fakes.submits[i].attempt, 1);
        fake_finish(i, QUERN_DEFER, NULL, 0);
    }
    assert_int_equal(fakes.send_count, 0);
    assert_int_equal(pl->stats.defers, 6);
}

static void test_defer_expires(void **state)
{
    (void)state;
    conf.max_age_ms = 0;
    fake_records(part, 100, 1);
    fake_finish(0, QUERN_DEFER, NULL, 0);
    assert_string_equal(fakes.sends[0].cause, "expired");
}

static void test_third_crash_is_the_last(void **state)
{
    (void)state;
    conf.attempts = 10;
    fake_records(part, 100, 1);
    assert_false(fakes.submits[0].alone);
    fake_die(0, DEATH_CRASH);
    until_submits(2);
    assert_true(fakes.submits[1].alone);
    fake_die(1, DEATH_TIMEOUT);
    until_submits(3);
    fake_die(2, DEATH_CRASH);
    assert_string_equal(fakes.sends[0].cause, "crash");
    assert_int_equal(commit_point(), 100);
    fake_ack(0, RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(commit_point(), 101);
    assert_int_equal(pl->stats.dead[DEAD_CRASH], 1);
}

static void test_recovered_after_a_crash(void **state)
{
    (void)state;
    fake_records(part, 100, 1);
    fake_die(0, DEATH_OOM);
    until_submits(2);
    fake_finish(1, QUERN_OK, NULL, 0);
    assert_int_equal(pl->stats.crashes_recovered, 1);
    assert_int_equal(commit_point(), 101);
}

static void test_innocents_come_back_in_order_and_uncharged(void **state)
{
    (void)state;
    fake_records(part, 100, 4);
    fakes.pool_room = 0;
    fake_records(part, 104, 1); /* waits for room */
    fake_die(0, DEATH_CRASH);
    fake_return(1);
    fake_return(2);
    fake_return(3);
    fakes.pool_room = SIZE_MAX;
    fakes.pool->batch_done(pl);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(fakes.submits[4 + i].offset, 101 + (int64_t)i);
        assert_int_equal(fakes.submits[4 + i].attempt, 1);
        assert_false(fakes.submits[4 + i].alone);
    }
}

static void test_unknown_result_is_a_retry(void **state)
{
    (void)state;
    fake_records(part, 100, 1);
    fake_finish(0, 77, NULL, 0);
    assert_int_equal(pl->stats.plugin_bugs, 1);
    assert_int_equal(commit_point(), 100);
    until_submits(2);
    fake_finish(1, QUERN_PENDING, NULL, 0);
    assert_int_equal(pl->stats.plugin_bugs, 2);
    assert_int_equal(commit_point(), 100);
}

static const struct worker_emit two_emits[] = {
    {.alias = 0, .value = {"one", 3}},
    {.alias = 0, .key = {"k", 1}, .value = {"two", 3}},
};

static void test_emits_before_settled(void **state)
{
    (void)state;
    fake_records(part, 100, 1);
    fake_finish(0, QUERN_OK, two_emits, 2);
    assert_int_equal(fakes.send_count, 2);
    assert_string_equal(fakes.sends[0].topic, "out");
    assert_int_equal(commit_point(), 100);
    fake_ack(1, RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(commit_point(), 100);
    fake_ack(0, RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(commit_point(), 101);
    assert_int_equal(pl->stats.emitted, 2);
}

static void test_emits_of_a_failed_job_are_dropped(void **state)
{
    (void)state;
    fake_records(part, 100, 1);
    fake_finish(0, QUERN_RETRY, two_emits, 2);
    assert_int_equal(fakes.send_count, 0);
}

static void test_emits_that_do_not_fit_wait(void **state)
{
    (void)state;
    fake_records(part, 100, 1);
    fakes.send_error = -EAGAIN;
    fake_finish(0, QUERN_OK, two_emits, 2);
    assert_int_equal(commit_point(), 100);
    fakes.send_error = 0;
    until_sends(2);
    assert_memory_equal(fakes.sends[1].value, "two", 3);
    fake_ack(0, RD_KAFKA_RESP_ERR_NO_ERROR);
    fake_ack(1, RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(commit_point(), 101);
}

static void test_lost_emit_runs_the_job_again(void **state)
{
    (void)state;
    fake_records(part, 100, 1);
    fake_finish(0, QUERN_OK, two_emits, 2);
    fake_ack(0, RD_KAFKA_RESP_ERR__MSG_TIMED_OUT);
    assert_int_equal(pl->waiting, 0); /* not before the other one is answered */
    fake_ack(1, RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(pl->waiting, 1);
    assert_int_equal(commit_point(), 100);
    until_submits(2);
    assert_int_equal(fakes.submits[1].attempt, 1); /* an outage is nobody's fault */
}

static void test_refused_emit_uses_attempts(void **state)
{
    (void)state;
    fake_records(part, 100, 1);
    for (size_t i = 0; i < 3; i++) {
        until_submits(i + 1);
        fake_finish(i, QUERN_OK, two_emits, 1);
        fake_ack(i, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    }
    assert_string_equal(fakes.sends[3].cause, "exhausted");
    assert_string_equal(fakes.sends[3].code, "emit_failed");
}

static void test_too_large_is_refused_unseen(void **state)
{
    (void)state;
    conf.max_record_bytes = 9;
    fake_records(part, 100, 1);
    assert_int_equal(fakes.submit_count, 0);
    assert_string_equal(fakes.sends[0].code, "too_large");
}

static void test_window_bounds_what_is_read(void **state)
{
    (void)state;
    fakes.pool_room = 0;
    assert_int_equal(fakes.consumer->room(pl, part), 64);
    fake_records(part, 100, 64);
    assert_int_equal(fakes.consumer->room(pl, part), 0);
    fakes.pool_room = SIZE_MAX;
    fakes.pool->room(pl);
    assert_int_equal(fakes.submit_count, 64);
    fake_finish(5, QUERN_OK, NULL, 0);
    assert_true(fakes.reads > 0);
    fake_finish(0, QUERN_OK, NULL, 0);
    assert_int_equal(fakes.consumer->room(pl, part), 1);
}

static void test_revoked_jobs_are_fenced(void **state)
{
    struct event_base *loop = base;

    (void)state;
    fake_records(part, 100, 3); /* 0 runs, 1 will be under way, 2 waits for its retry */
    fake_finish(1, QUERN_REJECT, NULL, 0);
    fake_finish(2, QUERN_RETRY, NULL, 0);
    fakes.consumer->revoking(pl, part);
    assert_int_equal(pl->waiting, 0);
    assert_false(fakes.consumer->drained(pl, part));
    fakes.consumer->revoked(pl, part, false);
    fake_finish(0, QUERN_REJECT, NULL, 0);
    fake_ack(0, RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(fakes.send_count, 1); /* nothing is published for a fenced job */
    assert_int_equal(pl->stats.fenced, 2);
    assert_int_equal(pl->in_flight, 0);
    assert_true(TAILQ_EMPTY(&pl->parts));
    assert_non_null(loop);
}

static void test_drained_when_nothing_runs(void **state)
{
    (void)state;
    fake_records(part, 100, 1);
    fakes.consumer->revoking(pl, part);
    assert_false(fakes.consumer->drained(pl, part));
    fake_finish(0, QUERN_OK, NULL, 0);
    assert_true(fakes.drains > 0);
    assert_true(fakes.consumer->drained(pl, part));
    assert_int_equal(commit_point(), 101);
    fakes.consumer->revoked(pl, part, false);
}

static void test_fatal_stops_and_buries_nothing(void **state)
{
    struct pipeline_status status;

    (void)state;
    fake_records(part, 100, 2);
    fake_finish(0, QUERN_FATAL, NULL, 0);
    pipeline_status(pl, &status);
    assert_int_equal(status.state, PIPELINE_FAILED);
    assert_non_null(strstr(status.reason, "because"));
    assert_true(fakes.consumer_stopped);
    assert_int_equal(fakes.send_count, 0);
    assert_int_equal(commit_point(), 100);
    assert_int_equal(fakes.consumer->room(pl, part), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_ok_out_of_order),
        TEST(test_reject_waits_for_the_ack),
        TEST(test_dead_letter_is_sent_until_taken),
        TEST(test_full_queue_holds_the_dead_letter),
        TEST(test_retry_until_exhausted),
        TEST(test_parked_job_lets_go_of_the_record),
        TEST(test_defer_uses_no_attempt),
        TEST(test_defer_expires),
        TEST(test_third_crash_is_the_last),
        TEST(test_recovered_after_a_crash),
        TEST(test_innocents_come_back_in_order_and_uncharged),
        TEST(test_unknown_result_is_a_retry),
        TEST(test_emits_before_settled),
        TEST(test_emits_of_a_failed_job_are_dropped),
        TEST(test_emits_that_do_not_fit_wait),
        TEST(test_lost_emit_runs_the_job_again),
        TEST(test_refused_emit_uses_attempts),
        TEST(test_too_large_is_refused_unseen),
        TEST(test_window_bounds_what_is_read),
        TEST(test_revoked_jobs_are_fenced),
        TEST(test_drained_when_nothing_runs),
        TEST(test_fatal_stops_and_buries_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
