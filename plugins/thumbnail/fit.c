/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See fit.h. Without `upscale` no pixel is invented:
 *  inside   stays at its own size when it is smaller;
 *  cover    keeps the box's proportions and shrinks the box until the picture covers it;
 *  contain  puts the picture as it is in the middle of the full box;
 *  fill     stops at the picture's own side in either direction.
 */
#include "fit.h"

#include <math.h>

static int scaled(int side, double scale)
{
    double out = round(side * scale);

    return out < 1 ? 1 : (int)out;
}

static int at_least(int side, int min)
{
    return side < min ? min : side;
}

static struct fit plan_inside(int w, int h, const struct request_size *size, bool upscale)
{
    double by_w = size->w ? (double)size->w / w : INFINITY;
    double by_h = size->h ? (double)size->h / h : INFINITY;
    double scale = fmin(by_w, by_h);
    struct fit fit;

    if (scale > 1 && !upscale)
        scale = 1;
    fit.scaled_w = fit.crop_w = fit.canvas_w = scaled(w, scale);
    fit.scaled_h = fit.crop_h = fit.canvas_h = scaled(h, scale);
    return fit;
}

static struct fit plan_cover(int w, int h, const struct request_size *size, bool upscale)
{
    double box = fmin((double)w / size->w, (double)h / size->h); /* the box, times this, fits */
    double scale;
    struct fit fit = {.crop_w = size->w, .crop_h = size->h};

    if (box < 1 && !upscale) {
        fit.crop_w = scaled(size->w, box);
        fit.crop_h = scaled(size->h, box);
    }
    scale = fmax((double)fit.crop_w / w, (double)fit.crop_h / h);
    fit.scaled_w = at_least(scaled(w, scale), fit.crop_w);
    fit.scaled_h = at_least(scaled(h, scale), fit.crop_h);
    fit.canvas_w = fit.crop_w;
    fit.canvas_h = fit.crop_h;
    return fit;
}

static struct fit plan_fill(int w, int h, const struct request_size *size, bool upscale)
{
    struct fit fit;

    fit.scaled_w = fit.crop_w = fit.canvas_w = size->w > w && !upscale ? w : size->w;
    fit.scaled_h = fit.crop_h = fit.canvas_h = size->h > h && !upscale ? h : size->h;
    return fit;
}

struct fit fit_plan(int w, int h, const struct request_size *size, bool upscale)
{
    struct fit fit = {0};

    switch (size->fit) {
    case FIT_INSIDE:
        return plan_inside(w, h, size, upscale);
    case FIT_COVER:
        return plan_cover(w, h, size, upscale);
    case FIT_FILL:
        return plan_fill(w, h, size, upscale);
    case FIT_CONTAIN:
        fit = plan_inside(w, h, size, upscale);
        fit.canvas_w = size->w;
        fit.canvas_h = size->h;
        return fit;
    }
    return fit;
}

int fit_crop_start(int whole, int crop, double focus)
{
    double start = round(focus * whole - crop / 2.0);

    if (start > whole - crop)
        start = whole - crop;
    return start < 0 ? 0 : (int)start;
}
