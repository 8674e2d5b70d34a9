/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fit: the arithmetic of a size, without a pixel. The whole picture is first scaled to scaled_w x
 * scaled_h, then crop_w x crop_h is cut out of it, then that is put on a canvas of canvas_w x
 * canvas_h. Steps that change nothing have the same numbers.
 */
#ifndef THUMBNAIL_FIT_H
#define THUMBNAIL_FIT_H

#include "request.h"

struct fit {
    int scaled_w, scaled_h;
    int crop_w, crop_h;
    int canvas_w, canvas_h;
};

/* `w` x `h`: the picture as it is seen (after its EXIF orientation), at least 1 x 1. */
struct fit fit_plan(int w, int h, const struct request_size *size, bool upscale);

/* Where a crop of `crop` pixels begins in `whole`, so that `focus` (0..1) is as near to its middle
 * as the edges allow. */
int fit_crop_start(int whole, int crop, double focus);

#endif
