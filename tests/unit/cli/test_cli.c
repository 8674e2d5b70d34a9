/* SPDX-License-Identifier: Apache-2.0 */
/* The frame of the command line: options, help, what is unknown; the table; what the verbs say of themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <cmocka.h>

#include "cli/cli.h"
#include "cli/table.h"

static struct cli seen; /* what the verb of this test was called with */
static const char *seen_values[8];

static int run_probe(struct cli *cli)
{
    seen = *cli;
    seen_values[0] = cli_option(cli, "name");
    seen_values[1] = cli_option(cli, "flag");
    seen_values[2] = cli_option_at(cli, "name", 0);
    seen_values[3] = cli_option_at(cli, "name", 1);
    return 42;
}

static const struct verb probe = {
    .name = "probe",
    .summary = "a verb of the test",
    .usage = "[-n NAME] [--flag] ARG...",
    .options = (const struct verb_option[]){{"name", 'n', "NAME", "a name"},
                                            {"flag", 'f', NULL, "a flag"},
                                            VERB_OPTION_TIMEOUT,
                                            VERB_OPTIONS_END},
    .run = run_probe,
};

const struct verb *const cli_verbs[] = {&probe, NULL};

/* main()'s arguments are writable and outlive the call, as here: `seen` points into them. */
static int call_main(const char *const *args)
{
    static char words[8][64];
    static char *argv[9];
    int argc = 0;

    memset(seen_values, 0, sizeof seen_values);
    seen = (struct cli){0};
    for (; argc < 8 && args[argc]; argc++) {
        snprintf(words[argc], sizeof words[argc], "%s", args[argc]);
        argv[argc] = words[argc];
    }
    argv[argc] = NULL;
    return cli_main(argc, argv);
}

static int call(const char *a, const char *b, const char *c, const char *d)
{
    return call_main((const char *const[]){"quern", "probe", a, b, c, d, NULL});
}

static void test_forms_of_options(void **state)
{
    (void)state;
    assert_int_equal(call("--name", "a", "x", NULL), 42);
    assert_string_equal(seen_values[0], "a");
    assert_null(seen_values[1]);
    assert_int_equal(seen.argc, 1);
    assert_string_equal(seen.argv[0], "x");
    assert_int_equal(call("--name=a", "-f", NULL, NULL), 42);
    assert_string_equal(seen_values[0], "a");
    assert_string_equal(seen_values[1], "");
    assert_int_equal(call("-na", "-nb", NULL, NULL), 42);
    assert_string_equal(seen_values[0], "b"); /* the last wins ... */
    assert_string_equal(seen_values[2], "a"); /* ... and all are there */
    assert_string_equal(seen_values[3], "b");
    assert_int_equal(call("--", "--name", "-f", NULL), 42);
    assert_int_equal(seen.argc, 2);
    assert_int_equal(call("-", NULL, NULL, NULL), 42); /* stdin, by custom */
    assert_int_equal(seen.argc, 1);
}

static void test_wrong_use(void **state)
{
    (void)state;
    assert_int_equal(call("--nmae", "a", NULL, NULL), EX_USAGE);
    assert_int_equal(call("--name", NULL, NULL, NULL), EX_USAGE);
    assert_int_equal(call("--flag=yes", NULL, NULL, NULL), EX_USAGE);
    assert_int_equal(call("-z", NULL, NULL, NULL), EX_USAGE);
    assert_null(seen.verb); /* none of them was run */
}

static void test_help_and_unknown(void **state)
{
    (void)state;
    assert_int_equal(call_main((const char *const[]){"quern", "probe", "--help", NULL}), EXIT_SUCCESS);
    assert_null(seen.verb);
    assert_int_equal(call_main((const char *const[]){"quern", "help", NULL}), EXIT_SUCCESS);
    assert_int_equal(call_main((const char *const[]){"quern", "help", "probe", NULL}), EXIT_SUCCESS);
    assert_int_equal(call_main((const char *const[]){"quern", "prode", NULL}), EX_USAGE);
    assert_int_equal(call_main((const char *const[]){"quern", NULL}), EX_USAGE);
    assert_null(seen.verb);
}

static void test_timeout(void **state)
{
    (void)state;
    assert_int_equal(call(NULL, NULL, NULL, NULL), 42);
    assert_int_equal(cli_timeout_ms(&seen), 10000);
    assert_int_equal(call("--timeout", "500ms", NULL, NULL), 42);
    assert_int_equal(cli_timeout_ms(&seen), 500);
    assert_int_equal(call("--timeout", "5", NULL, NULL), 42);
    assert_int_equal(cli_timeout_ms(&seen), -1);
    assert_int_equal(call("--timeout", "0s", NULL, NULL), 42);
    assert_int_equal(cli_timeout_ms(&seen), -1);
}

static void test_table(void **state)
{
    static const char *const heads[] = {"NAME", ">COUNT", "NOTE"};
    char *text = NULL;
    size_t size;
    struct table t;
    FILE *out;

    (void)state;
    table_init(&t, heads, 3);
    table_add(&t, "caf\xc3\xa9");
    table_add(&t, "%d", 7);
    table_add(&t, "a\033[31mb\n");
    table_add(&t, "x");
    table_add(&t, "%d", 123456);
    table_add(&t, "%s", "");
    out = open_memstream(&text, &size);
    table_print(&t, out);
    fclose(out);
    assert_string_equal(text, "NAME   COUNT  NOTE\n"
                              "caf\xc3\xa9       7  a?[31mb?\n"
                              "x     123456  \n");
    free(text);
    table_done(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms_of_options), cmocka_unit_test(test_wrong_use),
        cmocka_unit_test(test_help_and_unknown), cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
