/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thumbhash: some 25 bytes that a page can show as a blurred picture until the thumbnail has
 * arrived (the format of evanw/thumbhash: average, proportions, a few cosine terms of luma and
 * chroma).
 */
#ifndef THUMBNAIL_THUMBHASH_H
#define THUMBNAIL_THUMBHASH_H

#include <stddef.h>
#include <stdint.h>

#define THUMBHASH_MAX 25 /* bytes of a hash; fewer for wide, tall and transparent pictures */

/* `rgba`: w * h pixels of four bytes, not premultiplied; sides 1..100. Returns the hash's length.
 */
size_t thumbhash(int w, int h, const uint8_t *rgba, uint8_t ret[static THUMBHASH_MAX]);

#endif
