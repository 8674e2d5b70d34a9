/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines in the three formats, hostile values among them, and the limit on repeats. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/log.h"

static char lines[1 << 20];

/* What was written since the last call. */
static const char *take(int fd)
{
    ssize_t len = pread(fd, lines, sizeof lines - 1, 0);

    lines[len > 0 ? len : 0] = 0;
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return lines;
}

static void test_formats(void **state)
{
    int fd = memfd_create("log", 0);
    json_t *line;

    (void)state;
    log_setup(LOG_INFO, LOG_TEXT, fd);
    log_event(LOG_WARN, "job.retry", "it failed", LF_STR("pipeline", "a b"), LF_INT("offset", -3));
    assert_non_null(strstr(take(fd), "WARN  job.retry          it failed  pipeline=\"a b\" offset=-3\n"));

    log_setup(LOG_INFO, LOG_LOGFMT, fd);
    log_event(LOG_INFO, "a.b", "m", LF_STR("left_out", NULL), LF_FLOAT("x", 0.5));
    assert_non_null(strstr(take(fd), " level=info event=a.b msg=\"m\" x=0.5\n"));

    log_setup(LOG_INFO, LOG_JSON, fd);
    log_event(LOG_ERROR, "a.c", "m", LF_BYTES("bytes", "\xff\x1b[31m\n\"", 8), LF_INT("n", 7));
    line = json_loads(take(fd), JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(line);
    assert_string_equal(json_string_value(json_object_get(line, "level")), "error");
    assert_int_equal(json_integer_value(json_object_get(line, "n")), 7);
    assert_int_equal(strlen(json_string_value(json_object_get(line, "ts"))), 24);
    json_decref(line);
    close(fd);
}

static void test_hostile_values_stay_on_their_line(void **state)
{
    static const char evil[] = "x\n00:00:00.000 ERROR forged\033[2J\xe2\x80\xae";
    int fd = memfd_create("log", 0);
    const char *text;

    (void)state;
    log_setup(LOG_INFO, LOG_TEXT, fd);
    log_event(LOG_INFO, "evil", "m", LF_STR("value", evil));
    text = take(fd);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    assert_null(strchr(text, '\033'));
    assert_null(strstr(text, "\xe2\x80\xae"));
    close(fd);
}

static void test_long_values_are_cut(void **state)
{
    int fd = memfd_create("log", 0);
    char *value = malloc(100001);

    (void)state;
    memset(value, 'x', 100000);
    value[100000] = 0;
    log_setup(LOG_INFO, LOG_TEXT, fd);
    log_event(LOG_INFO, "long", "m", LF_STR("value", value));
    assert_in_range(strlen(take(fd)), 1000, 1200);
    free(value);
    close(fd);
}

static void test_level(void **state)
{
    int fd = memfd_create("log", 0);
    enum log_level level = LOG_ERROR;

    (void)state;
    log_setup(LOG_WARN, LOG_TEXT, fd);
    log_event(LOG_INFO, "quiet", "m", LF_INT("n", 1));
    assert_string_equal(take(fd), "");
    assert_int_equal(log_level_parse("debug", &level), 0);
    assert_int_equal(level, LOG_DEBUG);
    assert_int_equal(log_level_parse("loud", &level), -EINVAL);
    assert_int_equal(level, LOG_DEBUG);
    close(fd);
}

static void test_repeats_are_counted(void **state)
{
    int fd = memfd_create("log", 0);
    size_t count = 0;

    (void)state;
    log_setup(LOG_INFO, LOG_TEXT, fd);
    for (int i = 0; i < 5000; i++)
        log_event(LOG_INFO, "often", "m", LF_INT("n", i));
    for (const char *c = take(fd); *c; c++)
        count += *c == '\n';
    assert_in_range(count, 100, 300); /* one to three seconds' worth */
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_hostile_values_stay_on_their_line),
        cmocka_unit_test(test_long_values_are_cut),
        cmocka_unit_test(test_level),
        cmocka_unit_test(test_repeats_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
