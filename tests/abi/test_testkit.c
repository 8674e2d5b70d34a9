/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The testkit tells the truth: what a plugin did is what a test sees, and what a test asks for is
 * what the plugin meets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <quern/testkit.h>

struct settings {
    const char *mode;
    const char *const *words;
    int64_t wait;
};

static const struct quern_option options[] = {
    QUERN_CHOICE(struct settings, mode, "emit", "emit|alloc|loop|bad|fatal|later|time",
                 "What to do."),
    QUERN_LIST(struct settings, words, "a,b", "Words."),
    QUERN_DURATION(struct settings, wait, "2s", 0, 10000, "How long."),
    QUERN_OPTIONS_END,
};

static int32_t probe_emit(const struct settings *s, struct quern_job *job)
{
    struct quern_header header = {"word", quern_text(s->words[0])};
    int32_t err = quern_emit_headers(job, "out", quern_job_key(job), quern_job_value(job), &header,
                                     s->words[0] ? 1 : 0);

    if (err == -E2BIG)
        return quern_reject(job, "too_big", "%d", (int)err);
    if (err)
        return quern_fatal(job, "no_alias", "%d", (int)err);
    quern_warn(job, "%s attempt %u", quern_job_id(job), (unsigned)quern_job_attempt(job));
    return QUERN_OK;
}

static int32_t probe_handle(void *self, struct quern_job *job)
{
    const struct settings *s = self;
    int asked = 1;

    if (strcmp(s->mode, "emit") == 0)
        return probe_emit(s, job);
    if (strcmp(s->mode, "alloc") == 0) {
        while (asked < 10 && quern_alloc(job, 100))
            asked++;
        return quern_skip(job, "asked", "%d", asked);
    }
    if (strcmp(s->mode, "loop") == 0) {
        while (asked < 1000 && !quern_job_cancelled(job))
            asked++;
        return quern_retry(job, "asked", "%d", asked);
    }
    if (strcmp(s->mode, "later") == 0) {
        quern_retry_after(job, s->wait);
        return quern_defer(job, "later", "\xff\x1b[2J%s", "\xe2\x82\xac");
    }
    if (strcmp(s->mode, "time") == 0)
        return quern_skip(job, "time", "%lld %lld %lld", (long long)quern_now_ms(job),
                          (long long)quern_job_remaining_ms(job),
                          (long long)quern_job_timestamp_ms(job));
    return strcmp(s->mode, "fatal") == 0 ? QUERN_FATAL : 42;
}

static const struct quern_plugin probe = {.size = sizeof(struct quern_plugin),
                                          .magic = QUERN_MAGIC,
                                          .abi_major = QUERN_ABI_MAJOR,
                                          .name = "probe",
                                          .version = "1",
                                          .summary = "Does as its mode says.",
                                          .option_size = sizeof(struct quern_option),
                                          .options = options,
                                          .settings_size = sizeof(struct settings),
                                          .handle = probe_handle};

static struct quern_testkit *opened(const char *mode)
{
    struct quern_testkit *kit = quern_testkit_new();

    quern_testkit_set(kit, "mode", mode);
    assert_int_equal(quern_testkit_open(kit, &probe), 0);
    return kit;
}

static void test_emits_are_kept(void **state)
{
    struct quern_testkit *kit = opened("emit");
    struct quern_testkit_job job = {
        .key = quern_text("k"), .value = {"\0v", 2}, .attempt = 3, .topic = "t", .offset = 9};
    const struct quern_testkit_result *r = quern_testkit_run(kit, &job);
    const struct quern_testkit_emit *e = quern_testkit_emitted(r, "out");

    (void)state;
    assert_int_equal(r->verdict, QUERN_OK);
    assert_non_null(e);
    assert_memory_equal(e->value.data, "\0v", 2);
    assert_int_equal(e->key.len, 1);
    assert_int_equal(e->header_count, 1);
    assert_memory_equal(e->headers[0].value.data, "a", 1);
    assert_true(quern_testkit_logged(r, "t/0/9 attempt 3"));
    assert_false(quern_testkit_logged(r, "other"));
    assert_null(quern_testkit_emitted(r, "else"));
    quern_testkit_free(kit);
}

static void test_emits_are_refused(void **state)
{
    struct quern_testkit *kit = opened("emit");

    (void)state;
    quern_testkit_fail_emit(kit, -E2BIG);
    assert_string_equal(quern_testkit_run_text(kit, "x")->code, "too_big");
    quern_testkit_fail_emit(kit, 0);
    quern_testkit_alias(kit, "elsewhere");
    assert_string_equal(quern_testkit_run_text(kit, "x")->code, "no_alias");
    quern_testkit_alias(kit, "out");
    assert_int_equal(quern_testkit_run_text(kit, "x")->verdict, QUERN_OK);
    quern_testkit_free(kit);
}

static void test_memory_runs_out(void **state)
{
    struct quern_testkit *kit = opened("alloc");

    (void)state;
    assert_string_equal(quern_testkit_run_text(kit, "x")->text, "10");
    quern_testkit_fail_alloc(kit, 4);
    assert_string_equal(quern_testkit_run_text(kit, "x")->text, "4");
    assert_string_equal(quern_testkit_run_text(kit, "x")->text, "4"); /* of each job */
    quern_testkit_free(kit);
}

static void test_cancelled(void **state)
{
    struct quern_testkit *kit = opened("loop");
    struct quern_testkit_job late = {.deadline_ms = -1};

    (void)state;
    assert_string_equal(quern_testkit_run_text(kit, "x")->text, "1000");
    quern_testkit_cancel_after(kit, 5);
    assert_string_equal(quern_testkit_run_text(kit, "x")->text, "5");
    quern_testkit_cancel_after(kit, 0);
    assert_string_equal(quern_testkit_run(kit, &late)->text, "1");
    quern_testkit_free(kit);
}

static void test_clock_stands(void **state)
{
    struct quern_testkit *kit = opened("time");
    struct quern_testkit_job job = {.deadline_ms = 500};

    (void)state;
    quern_testkit_clock(kit, 1000000);
    assert_string_equal(quern_testkit_run(kit, &job)->text, "1000000 500 1000000");
    quern_testkit_advance(kit, 234);
    job.timestamp_ms = -1;
    assert_string_equal(quern_testkit_run(kit, &job)->text, "1000234 500 -1");
    quern_testkit_free(kit);
}

static void test_retry_after_and_clean_text(void **state)
{
    struct quern_testkit *kit = opened("later");
    const struct quern_testkit_result *r = quern_testkit_run_text(kit, "x");

    (void)state;
    assert_int_equal(r->verdict, QUERN_DEFER);
    assert_int_equal(r->retry_after_ms, 2000);
    assert_string_equal(r->text, "??[2J\xe2\x82\xac");
    quern_testkit_free(kit);
}

static void test_settings_are_checked(void **state)
{
    struct quern_testkit *kit = quern_testkit_new();

    (void)state;
    quern_testkit_set(kit, "mode", "emot");
    assert_int_equal(quern_testkit_open(kit, &probe), -EINVAL);
    assert_non_null(strstr(quern_testkit_error(kit), "mode"));
    quern_testkit_set(kit, "mode", "emit");
    quern_testkit_add(kit, "words", NULL);
    assert_int_equal(quern_testkit_open(kit, &probe), 0);
    assert_int_equal(quern_testkit_run_text(kit, "x")->emits[0].header_count, 0);
    quern_testkit_free(kit);
}

static void test_torture_finds_what_is_wrong(void **state)
{
    struct quern_testkit *kit = opened("bad");

    (void)state;
    assert_int_equal(quern_testkit_torture(kit, 1), -EBADMSG);
    assert_non_null(strstr(quern_testkit_error(kit), "verdict 42"));
    quern_testkit_free(kit);
    kit = opened("fatal");
    assert_int_equal(quern_testkit_torture(kit, 1), -EBADMSG);
    quern_testkit_free(kit);
    kit = opened("alloc");
    assert_int_equal(quern_testkit_torture(kit, 1), 0);
    quern_testkit_free(kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_emits_are_kept),
        cmocka_unit_test(test_emits_are_refused),
        cmocka_unit_test(test_memory_runs_out),
        cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_clock_stands),
        cmocka_unit_test(test_retry_after_and_clean_text),
        cmocka_unit_test(test_settings_are_checked),
        cmocka_unit_test(test_torture_finds_what_is_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
