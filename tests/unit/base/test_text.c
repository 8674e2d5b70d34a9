/* SPDX-License-Identifier: Apache-2.0 */
/* Quantities: what is taken, what is refused, nothing wraps, and formats read back the same. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"

struct row {
    const char *text;
    int err;
    int64_t value;
};

static void check_rows(const struct row *rows, size_t count, int (*parse)(const char *, int64_t *))
{
    for (size_t i = 0; i < count; i++) {
        int64_t value = -77;
        int err = parse(rows[i].text, &value);

        if (err != rows[i].err)
            print_error("\"%s\"\n", rows[i].text);
        assert_int_equal(err, rows[i].err);
        assert_int_equal(value, err ? -77 : rows[i].value);
    }
}
#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static void test_durations(void **state)
{
    static const struct row rows[] = {
        {"250ms", 0, 250}, {"30s", 0, 30000}, {"5m", 0, 300000}, {"2h", 0, 7200000},
        {"7d", 0, 604800000}, {"1m30s", 0, 90000}, {"0", 0, 0}, {"0s", 0, 0},
        {"", -EINVAL, 0}, {"5", -EINVAL, 0}, {"5 s", -EINVAL, 0}, {"s", -EINVAL, 0},
        {"-5s", -EINVAL, 0}, {"1.5s", -EINVAL, 0}, {"10 parsecs", -EINVAL, 0}, {"5S", -EINVAL, 0},
        {"5sm", -EINVAL, 0}, {"99999999999999999999s", -ERANGE, 0},
        {"9223372036854775807d", -ERANGE, 0}, {"106751991167d8h", -ERANGE, 0},
        {"9223372036854775807ms", 0, INT64_MAX}, {"9223372036854775807ms1ms", -ERANGE, 0},
    };

    (void)state;
    check_rows(rows, COUNT(rows), text_parse_duration_ms);
}

static void test_sizes(void **state)
{
    static const struct row rows[] = {
        {"0", 0, 0}, {"512", 0, 512}, {"512B", 0, 512}, {"64KiB", 0, 65536}, {"10MB", 0, 10000000},
        {"1 GiB", 0, 1 << 30}, {"1kB", 0, 1000}, {"", -EINVAL, 0}, {"KiB", -EINVAL, 0},
        {"1Kib", -EINVAL, 0}, {"1 ", -EINVAL, 0}, {"1  KiB", -EINVAL, 0}, {"-1", -EINVAL, 0},
        {"1.5MB", -EINVAL, 0}, {"9223372036854775808", -ERANGE, 0}, {"9007199254740992KiB", -ERANGE, 0},
        {"8388607TiB", 0, INT64_C(8388607) << 40}, {"8388608TiB", -ERANGE, 0},
    };

    (void)state;
    check_rows(rows, COUNT(rows), text_parse_size);
}

static void test_ints(void **state)
{
    static const struct row rows[] = {
        {"0", 0, 0}, {"-5", 0, -5}, {"9223372036854775807", 0, INT64_MAX},
        {"9223372036854775808", -ERANGE, 0}, {"", -EINVAL, 0}, {"-", -EINVAL, 0}, {"5x", -EINVAL, 0},
        {" 5", -EINVAL, 0}, {"0x10", -EINVAL, 0},
    };

    (void)state;
    check_rows(rows, COUNT(rows), text_parse_int);
}

static void test_formats_read_back(void **state)
{
    static const int64_t values[] = {1, 7, 999, 1000, 1024, 60000, 90000, 3600000, 65536, 10000000,
                                     1 << 30, INT64_C(1) << 40, 86400000, 123456789};
    char text[32];
    int64_t back;

    (void)state;
    for (size_t i = 0; i < COUNT(values); i++) {
        assert_int_equal(text_parse_duration_ms(text_format_duration_ms(values[i], text), &back), 0);
        assert_int_equal(back, values[i]);
        assert_int_equal(text_parse_size(text_format_size(values[i], text), &back), 0);
        assert_int_equal(back, values[i]);
    }
    assert_string_equal(text_format_duration_ms(90000, text), "90s");
    assert_string_equal(text_format_size(65536, text), "64KiB");
}

static void test_distance(void **state)
{
    static const char *const words[] = {"retry", "topics", NULL, "deadline"};

    (void)state;
    assert_int_equal(text_distance("abc", "abc", 3), 0);
    assert_int_equal(text_distance("abc", "acb", 3), 1); /* neighbours swapped */
    assert_int_equal(text_distance("retires", "retries", 3), 1);
    assert_int_equal(text_distance("abc", "xyz", 2), 3); /* limit + 1 */
    assert_string_equal(text_nearest("topic", words, COUNT(words)), "topics");
    assert_string_equal(text_nearest("dedline", words, COUNT(words)), "deadline");
    assert_null(text_nearest("sandbox", words, COUNT(words)));
    assert_null(text_nearest("x", words, COUNT(words)));
}

static void test_clean(void **state)
{
    (void)state;
    assert_true(text_is_clean("caf\xc3\xa9", 5));
    assert_true(text_is_clean("", 0));
    assert_false(text_is_clean("a\nb", 3));
    assert_false(text_is_clean("a\0b", 3));
    assert_false(text_is_clean("\x7f", 1));
    assert_false(text_is_clean("\xc2\x85", 2));         /* C1 */
    assert_false(text_is_clean("\xe2\x80\xae", 3));     /* right-to-left override */
    assert_false(text_is_clean("\xc0\xaf", 2));         /* overlong */
    assert_false(text_is_clean("\xed\xa0\x80", 3));     /* surrogate */
    assert_false(text_is_clean("\xf4\x90\x80\x80", 4)); /* above U+10FFFF */
    assert_false(text_is_clean("\xe2\x82", 2));         /* cut */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durations),       cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_ints),            cmocka_unit_test(test_formats_read_back),
        cmocka_unit_test(test_distance),        cmocka_unit_test(test_clean),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
