/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hashes of generated pictures, compared with what the reference implementation (thumbhash 0.1.1 of
 * npm) gives for the same pixels: wide, tall, square, with and without transparency.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "../thumbhash.h"

static const struct {
    int w, h, seed, alpha;
    const char *hash;
} vectors[] = {
    {100, 75, 0, 0, "df070a359a7077877087778778787787808008f877"},
    {100, 75, 0, 1, "e007861c8c07808780888878080788808f3744305527575103"},
    {75, 100, 1, 0, "dff709351a8077707777777877787888708008f877"},
    {75, 100, 1, 1, "1f08861c0c07800788887887080888807f0822618716648603"},
    {100, 100, 2, 0, "df070a371a80777770777878787888787777080788808f08"},
    {100, 100, 2, 1, "dff7851d0c0780877087777888808008f8776660c698860669"},
    {100, 10, 3, 0, "9f170a399a80778770887778717008f887"},
    {100, 10, 3, 1, "de1786198c087077807877806108f878eef5a81a944869"},
    {3, 100, 4, 0, "5cb709311a80807787777877927018f888"},
    {3, 100, 4, 1, "9bb7852110188180876799918028f888ab5888866f63b8"},
    {64, 48, 6, 0, "dff7093d9a8077777077778788787877808008f878"},
    {64, 48, 6, 1, "df07861c8e08707680877868180878708f989dcf02d8655f0d"},
    {50, 50, 7, 0, "df070a371a80868770778787787777778777180778807f07"},
    {50, 50, 7, 1, "1ff8851d0c0780878088887888908009f87700225065502626"},
};

static void paint(int w, int h, int alpha, uint32_t seed, uint8_t *rgba)
{
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++, rgba += 4) {
            seed = seed * 1664525u + 1013904223u;
            rgba[0] = (uint8_t)((uint32_t)(x * 255 / w) ^ ((seed >> 24) & 31));
            rgba[1] = (uint8_t)(y * 255 / h);
            rgba[2] = (uint8_t)(seed >> 16);
            rgba[3] = alpha < 0 ? 255 : (uint8_t)(x * y * 3 + alpha);
        }
}

static void equals_reference(void **state)
{
    static uint8_t rgba[100 * 100 * 4];

    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        uint32_t k = (uint32_t)vectors[i].seed;
        uint8_t hash[THUMBHASH_MAX];
        char hex[2 * THUMBHASH_MAX + 1] = "";
        size_t len;

        paint(vectors[i].w, vectors[i].h, vectors[i].alpha ? (int)k * 40 : -1,
              k * 7 + (uint32_t)vectors[i].alpha + 1, rgba);
        len = thumbhash(vectors[i].w, vectors[i].h, rgba, hash);
        assert_in_range(len, 1, THUMBHASH_MAX);
        for (size_t b = 0; b < len; b++)
            snprintf(hex + 2 * b, 3, "%02x", hash[b]);
        assert_string_equal(hex, vectors[i].hash);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(equals_reference)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
