/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Old plugin on a new host, new plugin on an old host, and a plugin from the future: what the sizes
 * in the structs are for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>
#include <quern/testkit.h>

static const char *old_plugin;

/* ---- Old plugin, new host ---- */

static void test_old_plugin_runs(void **state)
{
    struct quern_testkit *kit = quern_testkit_new();
    const struct quern_testkit_result *r;
    size_t count;

    (void)state;
    quern_testkit_set(kit, "times", "2");
    assert_int_equal(quern_testkit_open_file(kit, old_plugin), 0);
    assert_null(quern_testkit_plugin(kit)->close); /* what it does not have is empty */
    r = quern_testkit_run_text(kit, "x");
    assert_int_equal(r->verdict, QUERN_OK);
    assert_int_equal(r->emit_count, 2);
    assert_memory_equal(r->emits[1].value.data, "old", 3);
    assert_true(quern_testkit_metric(kit, "jobs_total", &count) > 0.5);
    assert_int_equal(count, 1);
    assert_int_equal(quern_testkit_torture(kit, 7), 0);
    quern_testkit_free(kit);
}

/* ---- New plugin, old host ---- */

static struct {
    int32_t emit, metric, cancelled;
    uint32_t metric_id;
    int64_t remaining, now;
    void *memory;
} seen;

static int32_t new_open(const struct quern_context *ctx, const void *settings, void **ret_self)
{
    (void)settings;
    *ret_self = &seen;
    seen.metric_id = 99;
    seen.metric = quern_metric(ctx, QUERN_METRIC_GAUGE, "things", "Things.", &seen.metric_id);
    quern_log(ctx, QUERN_LOG_INFO, "into the void");
    return 0;
}

static int32_t new_handle(void *self, struct quern_job *job)
{
    (void)self;
    seen.emit = quern_emit(job, "out", quern_text("k"), quern_text("v"));
    seen.memory = quern_alloc(job, 1);
    seen.remaining = quern_job_remaining_ms(job);
    seen.cancelled = quern_job_cancelled(job);
    seen.now = quern_now_ms(job);
    quern_metric_record(job, 1, 1);
    quern_retry_after(job, 5);
    quern_info(job, "into the void");
    return quern_reject(job, "code", "text");
}

static int32_t new_check(const struct quern_context *ctx, const void *settings)
{
    (void)settings;
    return quern_open_error(ctx, -EACCES, "no");
}

static const struct quern_plugin new_plugin = {.size = sizeof(struct quern_plugin),
                                               .magic = QUERN_MAGIC,
                                               .abi_major = 1,
                                               .name = "new",
                                               .version = "1",
                                               .summary = "Uses all there is.",
                                               .option_size = sizeof(struct quern_option),
                                               .open = new_open,
                                               .handle = new_handle};

static void test_smaller_host_answers_enotsup(void **state)
{
    struct quern_testkit *kit = quern_testkit_new();
    const struct quern_testkit_result *r;

    (void)state;
    quern_testkit_host_size(kit, offsetof(struct quern_host, log));
    assert_int_equal(quern_testkit_open(kit, &new_plugin), 0);
    assert_int_equal(seen.metric, -ENOTSUP);
    assert_int_equal(seen.metric_id, 0);
    r = quern_testkit_run_text(kit, "x");
    assert_int_equal(r->verdict, QUERN_REJECT); /* the verdict itself always arrives */
    assert_string_equal(r->code, "");
    assert_int_equal(r->line_count, 0);
    assert_int_equal(seen.emit, -ENOTSUP);
    assert_null(seen.memory);
    assert_true(seen.remaining == INT64_MAX);
    assert_int_equal(seen.cancelled, 0);
    assert_true(seen.now == 0);
    quern_testkit_free(kit);
}

/* Cut behind each function in turn: what is there works, what is behind it does not crash. */
static void test_every_smaller_host(void **state)
{
    (void)state;
    for (size_t size = offsetof(struct quern_host, log); size <= sizeof(struct quern_host);
         size += sizeof(void (*)(void))) {
        struct quern_testkit *kit = quern_testkit_new();
        bool emits = size >= offsetof(struct quern_host, emit) + sizeof(void (*)(void));

        quern_testkit_host_size(kit, size);
        assert_int_equal(quern_testkit_open(kit, &new_plugin), 0);
        assert_int_equal(quern_testkit_run_text(kit, "x")->verdict, QUERN_REJECT);
        assert_int_equal(seen.emit, emits ? 0 : -ENOTSUP);
        quern_testkit_free(kit);
    }
}

static void test_open_error_on_a_host_without_it(void **state)
{
    struct quern_testkit *kit = quern_testkit_new();
    struct quern_plugin p = new_plugin;

    (void)state;
    p.check = new_check;
    assert_int_equal(quern_testkit_open(kit, &p), -EACCES);
    assert_string_equal(quern_testkit_error(kit), "no");
    quern_testkit_host_size(kit, offsetof(struct quern_host, open_error));
    assert_int_equal(quern_testkit_open(kit, &p), -EACCES); /* the error, without its sentence */
    assert_string_not_equal(quern_testkit_error(kit), "no");
    quern_testkit_free(kit);
}

/* ---- From the future ---- */

static void test_longer_plugin_loads(void **state)
{
    static struct {
        struct quern_plugin plugin;
        void *more[4];
    } future;
    struct quern_testkit *kit = quern_testkit_new();

    (void)state;
    future.plugin = new_plugin;
    future.plugin.size = sizeof future;
    future.plugin.abi_minor = 7;
    future.more[0] = &future;
    assert_int_equal(quern_testkit_open(kit, &future.plugin), 0);
    assert_int_equal(quern_testkit_run_text(kit, "x")->verdict, QUERN_REJECT);
    future.plugin.min_minor = 7; /* it says itself that it cannot do without */
    assert_int_equal(quern_testkit_open(kit, &future.plugin), -ENOEXEC);
    quern_testkit_free(kit);
}

static void test_other_major_is_refused(void **state)
{
    struct quern_testkit *kit = quern_testkit_new();
    struct quern_plugin p = new_plugin;

    (void)state;
    p.abi_major = 2;
    assert_int_equal(quern_testkit_open(kit, &p), -ENOEXEC);
    p.abi_major = 1;
    p.magic = 0;
    assert_int_equal(quern_testkit_open(kit, &p), -ENOEXEC);
    quern_testkit_free(kit);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_old_plugin_runs),
        cmocka_unit_test(test_smaller_host_answers_enotsup),
        cmocka_unit_test(test_every_smaller_host),
        cmocka_unit_test(test_open_error_on_a_host_without_it),
        cmocka_unit_test(test_longer_plugin_loads),
        cmocka_unit_test(test_other_major_is_refused),
    };

    old_plugin = argc > 1 ? argv[1] : "";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
