/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pictures: sources for the tests, made by libvips or byte by byte, and a temporary place with a
 * source_root ("in") and a sink_root ("out") to put them.
 */
#ifndef THUMBNAIL_TEST_PICTURES_H
#define THUMBNAIL_TEST_PICTURES_H

#include <stddef.h>
#include <stdint.h>

#include <vips/vips.h>

extern char place[256]; /* the temporary directory */

void place_make(void);
void place_remove(void);
void place_write(const char *name, const void *data, size_t len); /* beneath `place` */

/* w x h, with a red top-left, green top-right, blue bottom-left and white bottom-right quarter. */
VipsImage *picture_quarters(int w, int h);

/* Saves as in/NAME, with libvips options in the name's brackets. Takes the picture over. */
void picture_save(VipsImage *picture, const char *name);

/* in/NAME: a PNG header that promises w x h pixels, and no pixels. */
void picture_bomb(const char *name, uint32_t w, uint32_t h);

/* in/TO: the first `part` (0..1) of in/FROM. */
void picture_truncate(const char *from, const char *to, double part);

/* in/TO: in/FROM with `count` bytes from the place `part` on overwritten. */
void picture_corrupt(const char *from, const char *to, double part, size_t count);

/* in/NAME: a GIF89a of `frames` frames of 1 x 1. */
void picture_gif(const char *name, int frames);

#endif
