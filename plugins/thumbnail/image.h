/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image: what stands between libvips and the rest: its start, the look at a picture's header before
 * a pixel is decoded, and the way a running decode is stopped.
 */
#ifndef THUMBNAIL_IMAGE_H
#define THUMBNAIL_IMAGE_H

#include <quern/plugin.h>
#include <vips/vips.h>

#include "fault.h"
#include "format.h"
#include "settings.h"
#include "source.h"

struct image {
    const struct source *source; /* borrowed */
    enum format format;
    int w, h;        /* as stored */
    int orientation; /* EXIF, 1..8 */
    int pages;       /* frames of an animation, pages of a TIFF; at least 1 */
    bool icc;        /* has a colour profile of its own */
};

/* Starts libvips for this process: one thread an image, no cache, only the loaders of
 * format_sniff(). Again in a process where it runs: does nothing. 0 or -ENOTSUP. */
__attribute__((warn_unused_result)) int image_start(void);

/* Can this build write the format? Asked once each, in `open`: it encodes a small picture. */
bool image_can_write(enum format format);

/* Reads the header and applies the limits. No pixel is decoded. */
__attribute__((warn_unused_result)) int image_probe(const struct source *source,
                                                    const struct settings *settings,
                                                    struct image *ret, struct fault *fault);

/* Sides as the picture is seen. */
int image_seen_w(const struct image *image);
int image_seen_h(const struct image *image);

/* Decodes every pixel and throws it away; fails on the first warning. */
__attribute__((warn_unused_result)) int
image_check_strict(const struct image *image, struct quern_job *job, struct fault *fault);

/* Evaluating `vips` stops early once the job is called back. */
void image_watch(VipsImage *vips, struct quern_job *job);

/* What libvips failed with, as a fault: cancelled, out of memory, or a bad picture. */
int image_fault(const char *what, struct quern_job *job, struct fault *fault);

#endif
