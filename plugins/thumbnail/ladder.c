/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See ladder.h. Two facts about libvips 8.14 that shape this file:
 *  - the `fail_on` argument of vips_thumbnail_buffer() is ignored, and half a JPEG then makes a
 *    plausible picture; as an option string, "[fail_on=error]", it reaches the loader;
 *  - a pipeline holds on to its source: vips_image_copy_memory() of each step ends the decode
 * there, or the next step would start it again.
 *
 * Sizes are exact: fit.c has decided them, so libvips is told to force both sides. The picture may
 * be a little distorted by that, by less than one pixel.
 */
#include "ladder.h"

#include <errno.h>
#include <string.h>

#define FAIL_ON "[fail_on=error]"

/* Evaluates `in` (which it takes over) into memory. */
static int settle(VipsImage *in, const char *what, struct quern_job *job, VipsImage **ret,
                  struct fault *fault)
{
    image_watch(in, job);
    *ret = vips_image_copy_memory(in);
    g_object_unref(in);
    return *ret ? 0 : image_fault(what, job, fault);
}

/* The largest shrink-on-load of libjpeg (1, 2, 4, 8) that leaves at least w x h. */
static int jpeg_shrink(const struct image *image, int w, int h)
{
    int shrink = 8;

    while (shrink > 1 && (image_seen_w(image) / shrink < w || image_seen_h(image) / shrink < h))
        shrink /= 2;
    return shrink;
}

static int decode_fast(const struct image *image, int w, int h, VipsImage **ret)
{
    const struct source *source = image->source;
    VipsImage *small = NULL;
    int rc;

    if (vips_jpegload_buffer(source->data, source->len, &small, "shrink", jpeg_shrink(image, w, h),
                             "fail_on", VIPS_FAIL_ON_ERROR, "access", VIPS_ACCESS_SEQUENTIAL, NULL))
        return -1;
    rc = vips_thumbnail_image(small, ret, w, "height", h, "size", VIPS_SIZE_FORCE, "export_profile",
                              image->icc ? "srgb" : NULL, NULL);
    g_object_unref(small);
    return rc;
}

static int decode_balanced(const struct image *image, int w, int h, VipsImage **ret)
{
    const struct source *source = image->source;

    return vips_thumbnail_buffer((void *)source->data, source->len, ret, w, "height", h, "size",
                                 VIPS_SIZE_FORCE, "option_string", FAIL_ON, "export_profile",
                                 image->icc ? "srgb" : NULL, NULL);
}

/* sRGB, 8 bits, 3 or 4 bands, and nothing but pixels. Takes `in` over. */
static int normalise(VipsImage *in, VipsImage **ret)
{
    VipsImage *srgb = NULL, *bytes = NULL, *cut = NULL;
    int rc = -1;

    if (vips_colourspace(in, &srgb, VIPS_INTERPRETATION_sRGB, NULL) ||
        vips_cast(srgb, &bytes, VIPS_FORMAT_UCHAR, NULL))
        goto out;
    if (vips_image_get_bands(bytes) > 4) {
        if (vips_extract_band(bytes, &cut, 0, "n", 4, NULL))
            goto out;
    } else {
        cut = g_object_ref(bytes);
    }
    rc = vips_copy(cut, ret, NULL);
    if (!rc) {
        vips_image_remove(*ret, VIPS_META_ICC_NAME);
        vips_image_remove(*ret, VIPS_META_EXIF_NAME);
        vips_image_remove(*ret, VIPS_META_ORIENTATION);
    }
out:
    VIPS_UNREF(in);
    VIPS_UNREF(srgb);
    VIPS_UNREF(bytes);
    VIPS_UNREF(cut);
    return rc;
}

static int decode(struct ladder *ladder, bool fast, int w, int h, struct fault *fault)
{
    const struct image *image = ladder->image;
    VipsImage *scaled = NULL, *plain = NULL;
    int rc;

    vips_error_clear();
    if (fast && image->format == FORMAT_JPEG)
        rc = decode_fast(image, w, h, &scaled);
    else
        rc = decode_balanced(image, w, h, &scaled);
    if (rc) {
        VIPS_UNREF(scaled);
        return image_fault("cannot decode", ladder->job, fault);
    }
    if (normalise(scaled, &plain)) {
        VIPS_UNREF(plain);
        return image_fault("cannot convert to sRGB", ladder->job, fault);
    }
    return settle(plain, "cannot decode", ladder->job, &ladder->base, fault);
}

static int64_t area(const struct fit *fit)
{
    return (int64_t)fit->scaled_w * fit->scaled_h;
}

/* Fills `order` by area, the largest first (insertion: at most 16). */
static void sort_sizes(struct ladder *ladder)
{
    for (int i = 0; i < ladder->request->size_count; i++) {
        int at = i;

        for (; at > 0 && area(&ladder->fits[ladder->order[at - 1]]) < area(&ladder->fits[i]); at--)
            ladder->order[at] = ladder->order[at - 1];
        ladder->order[at] = i;
    }
}

int ladder_init(struct ladder *ladder, const struct image *image, const struct request *request,
                bool fast, struct quern_job *job, struct fault *fault)
{
    int seen_w = image_seen_w(image), seen_h = image_seen_h(image);
    int w = 1, h = 1;

    memset(ladder, 0, sizeof *ladder);
    ladder->image = image;
    ladder->request = request;
    ladder->job = job;
    for (int i = 0; i < request->size_count; i++) {
        ladder->fits[i] = fit_plan(seen_w, seen_h, &request->sizes[i], request->upscale);
        w = VIPS_MAX(w, ladder->fits[i].scaled_w);
        h = VIPS_MAX(h, ladder->fits[i].scaled_h);
    }
    sort_sizes(ladder);
    return decode(ladder, fast, VIPS_MIN(w, seen_w), VIPS_MIN(h, seen_h), fault);
}

/* The whole picture at w x h, from the last step where that is large enough. Borrowed. */
static int step_to(struct ladder *ladder, int w, int h, VipsImage **ret, struct fault *fault)
{
    VipsImage *from = ladder->base, *scaled = NULL, *step;
    int err;

    if (ladder->step && ladder->step->Xsize >= w && ladder->step->Ysize >= h)
        from = ladder->step;
    if (from->Xsize == w && from->Ysize == h) {
        *ret = from;
        return 0;
    }
    if (vips_thumbnail_image(from, &scaled, w, "height", h, "size", VIPS_SIZE_FORCE, NULL)) {
        VIPS_UNREF(scaled);
        return image_fault("cannot scale", ladder->job, fault);
    }
    err = settle(scaled, "cannot scale", ladder->job, &step, fault);
    if (err)
        return err;
    VIPS_UNREF(ladder->step);
    ladder->step = step;
    *ret = step;
    return 0;
}

static int crop(VipsImage *in, const struct fit *fit, const struct request_size *size,
                VipsImage **ret)
{
    double x = 0.5, y = 0.5;

    switch (size->gravity) {
    case GRAVITY_ATTENTION:
    case GRAVITY_ENTROPY:
        return vips_smartcrop(in, ret, fit->crop_w, fit->crop_h, "interesting",
                              size->gravity == GRAVITY_ENTROPY ? VIPS_INTERESTING_ENTROPY
                                                               : VIPS_INTERESTING_ATTENTION,
                              NULL);
    case GRAVITY_FOCAL:
        x = size->focal_x;
        y = size->focal_y;
        break;
    case GRAVITY_CENTER:
        break;
    }
    return vips_extract_area(in, ret, fit_crop_start(fit->scaled_w, fit->crop_w, x),
                             fit_crop_start(fit->scaled_h, fit->crop_h, y), fit->crop_w,
                             fit->crop_h, NULL);
}

/* Puts the picture in the middle of its canvas. */
static int pad(VipsImage *in, const struct fit *fit, const struct request *request, VipsImage **ret)
{
    double colour[4] = {request->background[0], request->background[1], request->background[2],
                        request->transparent ? 0 : 255};
    VipsImage *alpha = NULL;
    VipsArrayDouble *background;
    int rc = -1;

    if (request->transparent && !vips_image_hasalpha(in)) {
        if (vips_addalpha(in, &alpha, NULL))
            goto out;
    } else {
        alpha = g_object_ref(in);
    }
    background = vips_array_double_new(colour, vips_image_get_bands(alpha));
    rc = vips_embed(alpha, ret, (fit->canvas_w - fit->crop_w) / 2,
                    (fit->canvas_h - fit->crop_h) / 2, fit->canvas_w, fit->canvas_h, "extend",
                    VIPS_EXTEND_BACKGROUND, "background", background, NULL);
    vips_area_unref(VIPS_AREA(background));
out:
    VIPS_UNREF(alpha);
    return rc;
}

int ladder_render(struct ladder *ladder, int i, VipsImage **ret, struct fault *fault)
{
    const struct fit *fit = &ladder->fits[i];
    VipsImage *whole = NULL, *cut = NULL, *padded = NULL;
    int err = step_to(ladder, fit->scaled_w, fit->scaled_h, &whole, fault);

    if (err)
        return err;
    if (fit->crop_w == fit->scaled_w && fit->crop_h == fit->scaled_h)
        cut = g_object_ref(whole);
    else if (crop(whole, fit, &ladder->request->sizes[i], &cut))
        goto fail;
    if (fit->canvas_w == fit->crop_w && fit->canvas_h == fit->crop_h)
        padded = g_object_ref(cut);
    else if (pad(cut, fit, ladder->request, &padded))
        goto fail;
    VIPS_UNREF(cut);
    if (padded == whole) {
        *ret = padded;
        return 0;
    }
    return settle(padded, "cannot crop", ladder->job, ret, fault);
fail:
    VIPS_UNREF(cut);
    VIPS_UNREF(padded);
    return image_fault("cannot crop", ladder->job, fault);
}

void ladder_done(struct ladder *ladder)
{
    VIPS_UNREF(ladder->step);
    VIPS_UNREF(ladder->base);
}
