/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format: the picture formats of the plugin, in one table: what they are called, what may be
 * written, and how the first bytes tell them apart. What a server or a file name says about the
 * type is never asked: a decoder is chosen by the bytes alone, and only from this list.
 */
#ifndef THUMBNAIL_FORMAT_H
#define THUMBNAIL_FORMAT_H

#include <stdbool.h>
#include <stddef.h>

enum format {
    FORMAT_UNKNOWN,
    FORMAT_JPEG,
    FORMAT_PNG,
    FORMAT_WEBP,
    FORMAT_AVIF,
    FORMAT_GIF,
    FORMAT_HEIC,
    FORMAT_TIFF,
};

/* The formats that can be written come first: FORMAT_JPEG .. FORMAT_OUTPUT_LAST. */
#define FORMAT_OUTPUT_LAST  FORMAT_AVIF
#define FORMAT_OUTPUT_COUNT 4 /* so many of them */

enum format format_sniff(const void *data, size_t len);

/* Of bytes that format_sniff() does not know: the name of what they seem to be, or NULL. */
const char *format_refused_name(const void *data, size_t len);

/* The output format of that name; FORMAT_UNKNOWN where there is none. */
enum format format_output(const char *name);

const char *format_name(enum format format); /* as jobs write it: "jpeg" */
const char *format_mime(enum format format); /* "image/jpeg" */
const char *format_ext(enum format format);  /* "jpg" */

#endif
