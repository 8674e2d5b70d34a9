/* SPDX-License-Identifier: Apache-2.0 */
/* Backoff: doubles, stays within its bounds for any number of failures, and spreads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pipeline/backoff.h"

static void test_bounds(void **state)
{
    struct backoff_rng rng = {42};

    (void)state;
    for (uint32_t failures = 1; failures < 200; failures++) {
        int64_t ceiling = failures <= 10 ? INT64_C(1000) << (failures - 1) : 600000;

        if (ceiling > 600000)
            ceiling = 600000;
        for (int i = 0; i < 200; i++) {
            int64_t ms = backoff_delay_ms(&rng, failures, 1000, 600000);
            assert_in_range(ms, ceiling / 10, ceiling);
        }
    }
}

static void test_spreads(void **state)
{
    struct backoff_rng rng = {7};
    int low = 0, high = 0;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        int64_t ms = backoff_delay_ms(&rng, 5, 1000, 600000);
        low += ms < 16000 / 2;
        high += ms >= 16000 / 2;
    }
    assert_true(low > 300 && high > 300);
}

static void test_huge_and_degenerate(void **state)
{
    struct backoff_rng rng = {1};

    (void)state;
    assert_in_range(backoff_delay_ms(&rng, UINT32_MAX, 1, INT64_MAX / 4), 0, INT64_MAX / 4);
    assert_int_equal(backoff_delay_ms(&rng, 3, 1000, 0), 0);
    assert_in_range(backoff_delay_ms(&rng, 1, 0, 1000), 0, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_spreads),
        cmocka_unit_test(test_huge_and_degenerate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
