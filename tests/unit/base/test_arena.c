/* SPDX-License-Identifier: Apache-2.0 */
/* The arena: aligned, bounded, and without a malloc in a steady round. */
#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"

static void test_aligned_and_apart(void **state)
{
    struct arena a;
    char *last = NULL;

    (void)state;
    arena_init(&a, 0);
    for (size_t i = 0; i < 2000; i++) {
        char *p = arena_alloc(&a, i % 97);

        assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
        assert_ptr_not_equal(p, last);
        memset(p, (int)i, i % 97);
        last = p;
    }
    assert_string_equal(arena_strdup(&a, "text"), "text");
    assert_memory_equal(arena_copy(&a, "a\0b", 3), "a\0b", 3);
    arena_done(&a);
}

static void test_limit(void **state)
{
    struct arena a;

    (void)state;
    arena_init(&a, 1000);
    assert_non_null(arena_alloc(&a, 900));
    assert_null(arena_alloc(&a, 200));
    assert_null(arena_alloc(&a, SIZE_MAX));
    arena_reset(&a);
    assert_non_null(arena_alloc(&a, 900));
    arena_done(&a);
}

static void test_reset_keeps_a_block(void **state)
{
    struct arena a;
    void *first;

    (void)state;
    arena_init(&a, 0);
    first = arena_alloc(&a, 100);
    for (int i = 0; i < 100; i++) {
        arena_reset(&a);
        assert_ptr_equal(arena_alloc(&a, 100), first);
    }
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aligned_and_apart),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_reset_keeps_a_block),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
