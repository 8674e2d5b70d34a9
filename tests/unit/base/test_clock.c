/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 3339 from Unix milliseconds (oracle: `date -u -d @...`), and the histogram's buckets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/histogram.h"

static void test_format(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {1795496191123, "2026-11-24T04:56:31.123Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {951782400000, "2000-02-29T00:00:00.000Z"},
        {INT64_MAX, "0000-00-00T00:00:00.000Z"},
        {INT64_MIN, "0000-00-00T00:00:00.000Z"},
    };
    char text[25];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        clock_format_ms(rows[i].ms, text);
        assert_string_equal(text, rows[i].text);
    }
}

static void test_histogram(void **state)
{
    struct histogram h = {0};

    (void)state;
    for (size_t i = 1; i < HISTOGRAM_BUCKETS - 1; i++)
        assert_true(histogram_bounds[i] > histogram_bounds[i - 1]);
    histogram_observe(&h, 0);
    histogram_observe(&h, histogram_bounds[3]); /* a bound belongs to its bucket: le */
    histogram_observe(&h, 1e9);
    assert_int_equal(h.buckets[0], 1);
    assert_int_equal(h.buckets[3], 1);
    assert_int_equal(h.buckets[HISTOGRAM_BUCKETS - 1], 1);
    assert_int_equal(h.count, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_format),
                                       cmocka_unit_test(test_histogram)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
