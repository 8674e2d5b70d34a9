/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ladder: several sizes from one decode. The source is decoded once, scaled while it is decoded to
 * the largest size that is asked for; each smaller size is made from the one before it. For four
 * sizes that costs two thirds of four decodes, and less with slow decoders.
 *
 * Every picture that comes out lies in memory, is sRGB with 8 bits a channel, 3 bands or 4 with
 * alpha, upright, and carries no metadata.
 */
#ifndef THUMBNAIL_LADDER_H
#define THUMBNAIL_LADDER_H

#include "fit.h"
#include "image.h"

struct ladder {
    const struct image *image; /* borrowed, as are request and job */
    const struct request *request;
    struct quern_job *job;
    VipsImage *base; /* the whole picture at the largest scale asked for */
    VipsImage *step; /* the whole picture at the last scale */
    int order[REQUEST_MAX_SIZES];
    struct fit fits[REQUEST_MAX_SIZES];
};

/* Plans and decodes. `fast`: let a JPEG shrink all it can while it is decoded. */
__attribute__((warn_unused_result)) int ladder_init(struct ladder *ladder,
                                                    const struct image *image,
                                                    const struct request *request, bool fast,
                                                    struct quern_job *job, struct fault *fault);

/* The picture of request->sizes[i]. Call it in the order of ladder->order[]: largest first. The
 * caller unrefs *ret. */
__attribute__((warn_unused_result)) int ladder_render(struct ladder *ladder, int i, VipsImage **ret,
                                                      struct fault *fault);

void ladder_done(struct ladder *ladder);

#endif
