/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arithmetic of sizes: chosen cases by hand, then every combination of many sides against what
 * must hold whatever they are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../fit.h"

static void plans_by_hand(void **state)
{
    static const struct {
        int w, h;
        struct request_size size;
        bool upscale;
        struct fit fit;
    } cases[] = {
        {400, 300, {.w = 160, .h = 160}, false, {160, 120, 160, 120, 160, 120}},
        {400, 300, {.w = 0, .h = 30}, false, {40, 30, 40, 30, 40, 30}},
        {400, 300, {.w = 800}, false, {400, 300, 400, 300, 400, 300}},
        {400, 300, {.w = 800}, true, {800, 600, 800, 600, 800, 600}},
        {10000, 1, {.w = 100, .h = 100}, false, {100, 1, 100, 1, 100, 1}},
        {400, 300, {.w = 80, .h = 80, .fit = FIT_COVER}, false, {107, 80, 80, 80, 80, 80}},
        {40, 30, {.w = 200, .h = 100, .fit = FIT_COVER}, false, {40, 30, 40, 20, 40, 20}},
        {40, 30, {.w = 200, .h = 100, .fit = FIT_COVER}, true, {200, 150, 200, 100, 200, 100}},
        {400, 300, {.w = 60, .h = 60, .fit = FIT_CONTAIN}, false, {60, 45, 60, 45, 60, 60}},
        {40, 30, {.w = 60, .h = 60, .fit = FIT_CONTAIN}, false, {40, 30, 40, 30, 60, 60}},
        {400, 300, {.w = 33, .h = 77, .fit = FIT_FILL}, false, {33, 77, 33, 77, 33, 77}},
        {40, 300, {.w = 80, .h = 80, .fit = FIT_FILL}, false, {40, 80, 40, 80, 40, 80}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fit fit = fit_plan(cases[i].w, cases[i].h, &cases[i].size, cases[i].upscale);

        assert_memory_equal(&fit, &cases[i].fit, sizeof fit);
    }
}

static void check(int w, int h, const struct request_size *size, bool upscale)
{
    struct fit fit = fit_plan(w, h, size, upscale);
    bool ok = fit.crop_w >= 1 && fit.crop_h >= 1 && fit.crop_w <= fit.scaled_w &&
              fit.crop_h <= fit.scaled_h && fit.canvas_w >= fit.crop_w &&
              fit.canvas_h >= fit.crop_h && fit.canvas_w <= size->w && fit.canvas_h <= size->h;

    if (!upscale)
        ok = ok && fit.scaled_w <= w && fit.scaled_h <= h;
    else if (size->fit != FIT_INSIDE)
        ok = ok && fit.canvas_w == size->w && fit.canvas_h == size->h;
    if (!ok)
        fail_msg("%dx%d into %dx%d, fit %d, upscale %d: scaled %dx%d crop %dx%d canvas %dx%d", w, h,
                 size->w, size->h, (int)size->fit, (int)upscale, fit.scaled_w, fit.scaled_h,
                 fit.crop_w, fit.crop_h, fit.canvas_w, fit.canvas_h);
}

static void holds_for_all(void **state)
{
    static const int sides[] = {1, 2, 3, 7, 10, 99, 100, 101, 640, 997, 4096, 20000};
    const int n = sizeof sides / sizeof sides[0];

    (void)state;
    for (int i = 0; i < n * n * n * n; i++) {
        struct request_size size = {.w = sides[i % n], .h = sides[i / n % n]};
        int w = sides[i / n / n % n], h = sides[i / n / n / n];

        for (int fit = FIT_INSIDE; fit <= FIT_FILL; fit++) {
            size.fit = (enum fit_mode)fit;
            check(w, h, &size, false);
            check(w, h, &size, true);
        }
    }
}

static void crops_inside(void **state)
{
    (void)state;
    assert_int_equal(fit_crop_start(100, 50, 0.5), 25);
    assert_int_equal(fit_crop_start(100, 50, 0), 0);
    assert_int_equal(fit_crop_start(100, 50, 1), 50);
    assert_int_equal(fit_crop_start(100, 100, 0.3), 0);
    assert_int_equal(fit_crop_start(101, 100, 0.5), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_by_hand),
        cmocka_unit_test(holds_for_all),
        cmocka_unit_test(crops_inside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
