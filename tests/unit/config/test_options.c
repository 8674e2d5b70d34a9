/* SPDX-License-Identifier: Apache-2.0 */
/* A pipeline's settings against its plugin's table, and the table of our own keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "config/keys.h"
#include "config/options.h"

static struct option options[] = {
    {(char *)"width", 2, 0, (char *)"320", NULL, 1, 4096, (char *)"Pixels."},
    {(char *)"wait", 5, 0, (char *)"1s", NULL, 0, 60000, (char *)"How long."},
    {(char *)"mode", 7, 0, (char *)"fast", (char *)"fast|slow", 0, 0, (char *)"How."},
    {(char *)"tags", 8, 0, (char *)"", NULL, 0, 0, (char *)"Which."},
    {(char *)"root", 1, 1, NULL, NULL, 0, 0, (char *)"Where."},
};

static void check(const char *name, const char *text, bool list, const char *wanted)
{
    struct plugin_setting settings[] = {
        {.name = (char *)name, .text = (char *)text, .list = list, .place = {"x.conf", 7}},
        {.name = (char *)"root", .text = (char *)"/", .place = {"x.conf", 8}},
    };
    struct settings_pipeline pl = {.name = (char *)"m",
                                   .plugin = (char *)"p",
                                   .settings = settings,
                                   .setting_count = 2,
                                   .place = {"x.conf", 1}};
    struct problems ps = {0};

    options_check(options, sizeof options / sizeof options[0], &pl, &ps);
    if (!wanted) {
        assert_int_equal(ps.count, 0);
    } else {
        assert_int_equal(ps.count, 1);
        assert_int_equal(ps.items[0].line, 7);
        if (!strstr(ps.items[0].text, wanted))
            print_error("%s\n", ps.items[0].text);
        assert_non_null(strstr(ps.items[0].text, wanted));
    }
    problems_done(&ps);
}

static void test_values(void **state)
{
    (void)state;
    check("width", "640", false, NULL);
    check("width", "0", false, "out of range");
    check("width", "wide", false, "is not a whole number");
    check("widht", "640", false, "did you mean \"width\"?");
    check("wait", "5s", false, NULL);
    check("wait", "5", false, "is not a duration");
    check("wait", "2m", false, "out of range");
    check("mode", "slow", false, NULL);
    check("mode", "slo", false, "is not one of fast|slow");
    check("tags", "a", true, NULL);
    check("tags", "a", false, "must be a list");
    check("width", "640", true, "not a list");
}

static void test_required(void **state)
{
    struct settings_pipeline pl = {.name = (char *)"m", .plugin = (char *)"p", .place = {"x.conf", 3}};
    struct problems ps = {0};

    (void)state;
    options_check(options, sizeof options / sizeof options[0], &pl, &ps);
    assert_int_equal(ps.count, 1);
    assert_non_null(strstr(ps.items[0].text, "root: is required: Where."));
    assert_int_equal(ps.items[0].line, 3);
    problems_done(&ps);
}

static void check_table(const struct key *table)
{
    for (const struct key *k = table; k->name; k++) {
        assert_non_null(k->help);
        assert_true(strlen(k->help) > 10 && k->help[strlen(k->help) - 1] == '.');
        for (const struct key *other = table; other != k; other++)
            assert_string_not_equal(other->name, k->name);
        if (k->sub)
            check_table(k->sub);
    }
}

static void test_keys(void **state)
{
    (void)state;
    check_table(settings_keys);
    assert_string_equal(key_find("kafka.brokers")->name, "brokers");
    assert_string_equal(key_find("pipelines.retry.backoff")->name, "backoff");
    assert_string_equal(key_find("pipelines.thumbnail.retry.backoff")->name, "backoff");
    assert_null(key_find("kafka.nothing"));
    assert_null(key_find("nothing"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_required),
        cmocka_unit_test(test_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
