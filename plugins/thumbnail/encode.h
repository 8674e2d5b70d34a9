/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encode: a picture in memory into the bytes of a file. Nothing but pixels is written: no EXIF, no
 * profile (the pixels are sRGB, which is what readers assume), no camera, no place.
 */
#ifndef THUMBNAIL_ENCODE_H
#define THUMBNAIL_ENCODE_H

#include "image.h"
#include "request.h"

/* *ret is from g_malloc. `fast` trades bytes for time. */
__attribute__((warn_unused_result)) int encode(VipsImage *in, enum format format,
                                               const struct request *request, bool fast,
                                               struct quern_job *job, void **ret, size_t *ret_len,
                                               struct fault *fault);

#endif
