/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings, from text to struct: defaults, every kind of bad input with its line and its sentence, all
 * problems in one run, libconfig's traps, and the files that are installed.
 */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/settings.h"

static char folder[PATH_MAX];

static char *write_file(const char *name, const char *text)
{
    static char path[PATH_MAX + 64];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    return path;
}

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/quern-settings-XXXXXX");
    assert_non_null(mkdtemp(folder));
    unsetenv("QUERN_LIBEXEC");
    unsetenv("QUERN_PLUGIN_PATH");
    return 0;
}

static int tear_down(void **state)
{
    char command[PATH_MAX + 16];

    (void)state;
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

#define PIPELINE "pipelines: { mill: { plugin = \"p\"; topics = [\"in\"]; }; };\n"

static struct settings *load_good(const char *text)
{
    struct problems ps = {0};
    struct settings *s = NULL;
    int err = settings_load(write_file("good.conf", text), &ps, &s);

    if (err)
        problems_print(&ps, stderr);
    assert_int_equal(err, 0);
    problems_done(&ps);
    return s;
}

static void test_defaults(void **state)
{
    struct settings *s = load_good(PIPELINE);
    const struct settings_pipeline *pl = &s->pipelines[0];

    (void)state;
    assert_string_equal(s->kafka.brokers, "127.0.0.1:9092");
    assert_false(s->kafka.create_topics);
    assert_int_equal(s->drain_timeout_ms, 30000);
    assert_int_equal(s->commit_interval_ms, 1000);
    assert_true(s->admin.enabled);
    assert_string_equal(s->admin.host, "127.0.0.1");
    assert_int_equal(s->admin.port, 8686);
    assert_int_equal(s->pipeline_count, 1);
    assert_string_equal(pl->name, "mill");
    assert_string_equal(pl->group, "quern.mill");
    assert_string_equal(pl->dead, "in.dlq");
    assert_int_equal(pl->topic_count, 1);
    assert_int_equal(pl->workers, 1);
    assert_int_equal(pl->attempts, 5);
    assert_int_equal(pl->backoff_min_ms, 1000);
    assert_int_equal(pl->backoff_max_ms, 600000);
    assert_int_equal(pl->max_age_ms, 86400000);
    assert_int_equal(pl->ring_bytes, 524288);
    assert_true(pl->sandbox.seccomp);
    assert_false(pl->sandbox.network);
    assert_int_equal(pl->place.line, 1);
    settings_free(s);
}

static void test_everything_given(void **state)
{
    struct settings *s = load_good(
        "drain_timeout = \"1m\"; admin = { listen = \"off\"; }; log = { level = \"warn\"; format = \"json\"; };\n"
        "kafka = { brokers = \"a:1,b:2\"; create_topics = true;\n"
        "  properties = { security_protocol = \"SSL\"; sasl_password = \"x\"; }; };\n"
        "pipelines: { mill: {\n"
        "  plugin = \"/x/p.so\"; topics = [\"in\", \"in2\"]; group = \"g\"; start = \"latest\"; workers = 4;\n"
        "  retry = { attempts = 2; backoff = \"10ms..1s\"; }; dead = \"d\"; emit = { done = \"out\"; };\n"
        "  window = { records = 100; bytes = \"2MiB\"; };\n"
        "  sandbox = { network = true; read = [\"/r\"]; write = [\"/w\", \"/v\"]; memory = \"0\"; };\n"
        "  settings = { a = 1; b = [\"x\", \"y\"]; c = true; d = 1.5; e = []; f = \"t\"; };\n"
        "}; };\n");
    const struct settings_pipeline *pl = &s->pipelines[0];

    (void)state;
    assert_false(s->admin.enabled);
    assert_int_equal(s->log.level, LOG_WARN);
    assert_int_equal(s->log.format, LOG_JSON);
    assert_int_equal(s->kafka.property_count, 2);
    assert_string_equal(s->kafka.properties[0].name, "security.protocol");
    assert_false(s->kafka.properties[0].secret);
    assert_true(s->kafka.properties[1].secret);
    assert_int_equal(pl->topic_count, 2);
    assert_int_equal(pl->start, START_LATEST);
    assert_int_equal(pl->window_bytes, 2 << 20);
    assert_string_equal(pl->emits[0].alias, "done");
    assert_string_equal(pl->sandbox.write[1], "/v");
    assert_null(pl->sandbox.write[2]);
    assert_int_equal(pl->sandbox.memory_bytes, 0);
    assert_int_equal(pl->setting_count, 7);
    assert_string_equal(pl->settings[0].text, "1");
    assert_string_equal(pl->settings[1].text, "x");
    assert_true(pl->settings[2].list);
    assert_string_equal(pl->settings[3].text, "true");
    assert_null(pl->settings[5].text); /* the empty list */
    settings_free(s);
}

/* One wrong thing each; `text` must be in the sentence. */
static const struct bad {
    const char *conf;
    int line;
    const char *text;
} bads[] = {
    {"retires = 1;\n" PIPELINE, 1, "unknown key \"retires\""},
    {"kafka = { broker = \"x\"; };\n" PIPELINE, 1, "did you mean \"brokers\"?"},
    {"drain_timeout = \"10 parsecs\";\n" PIPELINE, 1, "\"10 parsecs\" is not a duration"},
    {"drain_timeout = \"10\";\n" PIPELINE, 1, "is not a duration"},
    {"drain_timeout = 10;\n" PIPELINE, 1, "is not a duration"},
    {"drain_timeout = \"900d\";\n" PIPELINE, 1, "out of range"},
    {"log = { level = \"wran\"; };\n" PIPELINE, 1, "did you mean \"warn\"?"},
    {"log = 5;\n" PIPELINE, 1, "must be a group"},
    {"admin = { listen = \"8686\"; };\n" PIPELINE, 1, "is not host:port"},
    {"admin = { listen = \"h:70000\"; };\n" PIPELINE, 1, "is not host:port"},
    {"kafka = { create_topics = \"maybe\"; };\n" PIPELINE, 1, "is not true or false"},
    {"kafka = { properties = { plugin_library_paths = \"x\"; }; };\n" PIPELINE, 1, "load code"},
    {"kafka = { properties = { enable_auto_commit = true; }; };\n" PIPELINE, 1, "the engine commits"},
    {"kafka = { properties = { sasl_pasword = \"x\"; }; };\n" PIPELINE, 1, "sasl_password"},
    {"kafka = { brokers = \"${QUERN_TEST_NOT_SET}\"; };\n" PIPELINE, 1, "QUERN_TEST_NOT_SET} is not set"},
    {"kafka = { brokers = \"${QUERN_TEST_NOT_SET:?say where}\"; };\n" PIPELINE, 1, "say where"},
    {"kafka = { brokers = \"${file:/no/such/file}\"; };\n" PIPELINE, 1, "/no/such/file cannot be read"},
    {"kafka = { brokers = \"${oops\"; };\n" PIPELINE, 1, "without its }"},
    {"pipelines: { mill: { topics = [\"in\"]; }; };\n", 1, "plugin: is required"},
    {"pipelines: { mill: { plugin = \"p\"; }; };\n", 1, "topics: is required"},
    {"pipelines: { mill: { plugin = \"p\"; topics = []; }; };\n", 1, "must not be empty"},
    {"pipelines: { mill: { plugin = \"p\"; topics = \"in\"; }; };\n", 1, "must be a list"},
    {"pipelines: { mill: { plugin = \"p\"; topics = [\"a b\"]; }; };\n", 1, "is not a topic's name"},
    {"pipelines: { Mill: { plugin = \"p\"; topics = [\"in\"]; }; };\n", 1, "is not a name of a pipeline"},
    {"pipelines: { mill: { plugin = \"p\"; topics = [\"in\"]; workers = 0; }; };\n", 1, "out of range"},
    {"pipelines: { mill: { plugin = \"p\"; topics = [\"in\"]; workers = 99999999999999999999; }; };\n", 1,
     "too large"},
    {"pipelines: { mill: { plugin = \"p\"; topics = [\"in\"]; ring = \"100KiB\"; }; };\n", 1, "power of two"},
    {"pipelines: { mill: { plugin = \"p\"; topics = [\"in\"]; dead = \"in\"; }; };\n", 1,
     "reads its own dead-letter topic"},
    {"pipelines: { mill: { plugin = \"p\"; topics = [\"in\"]; emit = { a = \"in\"; }; }; };\n", 1,
     "endless loop"},
    {"pipelines: { mill: { plugin = \"p\"; topics = [\"in\"]; retry = { backoff = \"1s\"; }; }; };\n", 1,
     "from..to"},
    {"pipelines: { mill: { plugin = \"p\"; topics = [\"in\"]; retry = { backoff = \"5s..1s\"; }; }; };\n", 1,
     "ends before it begins"},
    {"pipelines: { a: { plugin = \"p\"; topics = [\"in\"]; group = \"g\"; };\n"
     "  b: { plugin = \"p\"; topics = [\"in\"]; group = \"g\"; }; };\n",
     2, "have one group"},
    {"pipelines: {\n", 2, "syntax error"},
    {"a = 1;\na = 2;\n", 2, "stands twice"},
    {"include_dir = \"nowhere\";\n" PIPELINE, 1, "cannot be read"},
    {"@include \"nowhere.conf\"\n" PIPELINE, 1, "nowhere.conf"},
};

static void test_bad_input(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++) {
        struct problems ps = {0};
        struct settings *s = NULL;
        int err = settings_load(write_file("bad.conf", bads[i].conf), &ps, &s);
        bool found = false;

        for (size_t k = 0; k < ps.count; k++)
            found |= strstr(ps.items[k].text, bads[i].text) && ps.items[k].line == bads[i].line &&
                     ps.items[k].file;
        if (!found || err != -EINVAL) {
            print_error("%s wanted line %d: %s\n", bads[i].conf, bads[i].line, bads[i].text);
            problems_print(&ps, stderr);
        }
        assert_true(found);
        assert_int_equal(err, -EINVAL);
        assert_null(s);
        problems_done(&ps);
    }
}

static void test_all_problems_in_one_run(void **state)
{
    struct problems ps = {0};
    struct settings *s = NULL;

    (void)state;
    assert_int_equal(settings_load(write_file("bad.conf", "foo = 1;\nlog = { level = \"x\"; };\n"
                                                          "pipelines: { m: { topics = [\"?\"];\n"
                                                          "  deadline = \"soon\"; }; };\n"),
                                   &ps, &s),
                     -EINVAL);
    assert_int_equal(ps.errors, 5);
    problems_print(&ps, fopen("/dev/null", "w"));
    for (size_t i = 1; i < ps.count; i++)
        assert_true(ps.items[i].line >= ps.items[i - 1].line);
    problems_done(&ps);
}

/* libconfig 1.5 reads 3000000000 as -1294967296, without a word. */
static void test_large_numbers_are_not_wrapped(void **state)
{
    struct settings *s = load_good("pipelines: { m: { plugin = \"p\"; topics = [\"in\"];\n"
                                   "  max_jobs = 3000000000;\n  settings = { big = 4294967297; }; }; };\n");

    (void)state;
    assert_int_equal(s->pipelines[0].max_jobs, INT64_C(3000000000));
    assert_string_equal(s->pipelines[0].settings[0].text, "4294967297");
    settings_free(s);
}

static void test_expansion(void **state)
{
    char conf[1024];
    struct settings *s;
    char *secret = strdup(write_file("secret", "hunter2\n"));

    (void)state;
    chmod(secret, 0600);
    setenv("QUERN_TEST_A", "alpha", 1);
    snprintf(conf, sizeof conf,
             "kafka = { brokers = \"${QUERN_TEST_A}:${QUERN_TEST_B:-1}\";\n"
             "  properties = { sasl_username = \"${file:%s}\"; client_rack = \"$${x}\"; }; };\n" PIPELINE,
             secret);
    s = load_good(conf);
    assert_string_equal(s->kafka.brokers, "alpha:1");
    assert_string_equal(s->kafka.properties[0].value, "hunter2");
    assert_true(s->kafka.properties[0].secret);
    assert_string_equal(s->kafka.properties[1].value, "${x}");
    settings_free(s);
    free(secret);
}

/* What comes from outside is a value, whatever is in it. */
static void test_expansion_is_never_structure(void **state)
{
    struct settings *s;

    (void)state;
    setenv("QUERN_TEST_A", "x\"; create_topics = true; y = \"${QUERN_TEST_A}", 1);
    s = load_good("kafka = { client_id = \"${QUERN_TEST_A}\"; };\n" PIPELINE);
    assert_false(s->kafka.create_topics);
    assert_string_equal(s->kafka.client_id, "x\"; create_topics = true; y = \"${QUERN_TEST_A}");
    settings_free(s);
}

static void test_include_dir(void **state)
{
    char path[PATH_MAX + 16];
    struct problems ps = {0};
    struct settings *s;

    (void)state;
    snprintf(path, sizeof path, "%s/conf.d", folder);
    assert_int_equal(mkdir(path, 0755), 0);
    write_file("conf.d/b.conf", "pipelines: { b: { plugin = \"p\"; topics = [\"b\"]; }; };\n");
    write_file("conf.d/a.conf", "pipelines: { a: { plugin = \"p\"; topics = [\"a\"]; }; };\n");
    write_file("conf.d/ignored.txt", "?");
    s = load_good("include_dir = \"conf.d\";\n");
    assert_int_equal(s->pipeline_count, 2);
    assert_string_equal(s->pipelines[0].name, "a");
    assert_non_null(strstr(s->pipelines[1].place.file, "conf.d/b.conf"));
    settings_free(s);

    write_file("conf.d/c.conf", "kafka = { brokers = \"x\"; };\n");
    s = NULL;
    assert_int_equal(settings_load(write_file("good.conf", "include_dir = \"conf.d\";\n"), &ps, &s),
                     -EINVAL);
    assert_non_null(strstr(ps.items[0].file, "conf.d/c.conf"));
    problems_done(&ps);
}

static void test_missing_file(void **state)
{
    struct problems ps = {0};
    struct settings *s = NULL;

    (void)state;
    assert_int_equal(settings_load("/no/such/file.conf", &ps, &s), -ENOENT);
    assert_int_equal(ps.errors, 1);
    problems_done(&ps);
}

static void test_installed_files(void **state)
{
    struct problems ps = {0};
    struct settings *s = NULL;

    (void)state;
    assert_int_equal(settings_load(getenv("QUERN_TEST_CONF"), &ps, &s), 0);
    assert_int_equal(ps.count, 0);
    assert_string_equal(s->pipelines[0].name, "thumbnail");
    settings_free(s);
    problems_done(&ps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_everything_given),
        cmocka_unit_test(test_bad_input),
        cmocka_unit_test(test_all_problems_in_one_run),
        cmocka_unit_test(test_large_numbers_are_not_wrapped),
        cmocka_unit_test(test_expansion),
        cmocka_unit_test(test_expansion_is_never_structure),
        cmocka_unit_test(test_include_dir),
        cmocka_unit_test(test_missing_file),
        cmocka_unit_test(test_installed_files),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
