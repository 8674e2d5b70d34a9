/* SPDX-License-Identifier: Apache-2.0 */
/* The buffer: grows, keeps its limit, remembers a failure; JSON strings that no text can break out of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/buf.h"

static void test_appends(void **state)
{
    struct buf b = BUF_INIT;

    (void)state;
    assert_string_equal(buf_text(&b), "");
    for (int i = 0; i < 1000; i++)
        buf_printf(&b, "%d,", i % 10);
    assert_int_equal(b.len, 2000);
    assert_int_equal(strlen(buf_text(&b)), 2000);
    buf_reset(&b);
    buf_add(&b, "a\0b", 3);
    buf_char(&b, 'c');
    assert_int_equal(b.len, 4);
    assert_memory_equal(b.data, "a\0bc", 4);
    buf_done(&b);
}

static void test_limit(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 10);
    buf_str(&b, "12345");
    buf_str(&b, "123456"); /* would be 11: changes nothing */
    assert_true(b.failed);
    assert_int_equal(b.len, 5);
    buf_str(&b, "x"); /* would fit, but something is missing before it */
    assert_int_equal(b.len, 5);
    assert_null(buf_steal(&b));
    buf_reset(&b);
    buf_str(&b, "1234567890");
    assert_false(b.failed);
    char *text = buf_steal(&b);
    assert_string_equal(text, "1234567890");
    assert_int_equal(b.len, 0);
    free(text);
    buf_done(&b);
}

static void test_steal_of_nothing(void **state)
{
    struct buf b = BUF_INIT;
    char *text = buf_steal(&b);

    (void)state;
    assert_string_equal(text, "");
    free(text);
}

/* Whatever goes in: jansson, which is strict, reads it, and what was text comes out the same. */
static void test_json_strings(void **state)
{
    char bytes[64];

    (void)state;
    srand(5);
    for (int round = 0; round < 5000; round++) {
        size_t len = (size_t)(rand() % (int)sizeof bytes);
        struct buf b = BUF_INIT;
        json_t *value;

        for (size_t i = 0; i < len; i++)
            bytes[i] = (char)(round % 2 ? rand() : ' ' + rand() % 90);
        buf_json_str(&b, bytes, len);
        value = json_loadb(b.data, b.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        assert_non_null(value);
        if (round % 2 == 0) {
            assert_int_equal(json_string_length(value), len);
            assert_memory_equal(json_string_value(value), bytes, len);
        }
        json_decref(value);
        for (size_t i = 0; i < b.len; i++)
            assert_true((unsigned char)b.data[i] >= 0x20 && b.data[i] != 0x7f);
        buf_done(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appends),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_steal_of_nothing),
        cmocka_unit_test(test_json_strings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
