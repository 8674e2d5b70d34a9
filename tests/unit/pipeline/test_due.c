/* SPDX-License-Identifier: Apache-2.0 */
/* The heap of waiting jobs: comes out in order of time, also when jobs are taken from the middle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pipeline/due.h"
#include "pipeline/job.h"

#define JOBS 500

static void test_order_with_removals(void **state)
{
    static struct job jobs[JOBS];
    struct due due = {0};
    size_t left = 0;
    int64_t last = -1;

    (void)state;
    srand(11);
    for (size_t i = 0; i < JOBS; i++) {
        jobs[i].due_ns = rand() % 300;
        due_add(&due, &jobs[i]);
    }
    for (size_t i = 0; i < JOBS; i += 3)
        due_remove(&due, &jobs[i]);
    for (struct job *job; (job = due_first(&due)); left++) {
        assert_true(job->due_ns >= last);
        assert_true((job - jobs) % 3 != 0);
        last = job->due_ns;
        due_remove(&due, job);
    }
    assert_int_equal(left, JOBS - (JOBS + 2) / 3);
    due_done(&due);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order_with_removals)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
