/* SPDX-License-Identifier: Apache-2.0 */
/*
 * result: what a finished job tells: the source as it was found, each output, and where the time
 * went. It is the body of the `done` event; README.md has its schema.
 */
#ifndef THUMBNAIL_RESULT_H
#define THUMBNAIL_RESULT_H

#include "image.h"
#include "request.h"

#define RESULT_MAX_OUTPUTS (REQUEST_MAX_SIZES * FORMAT_OUTPUT_COUNT)

struct result_output {
    const char *name; /* borrowed from the request */
    char *url;        /* owned */
    enum format format;
    int w, h;
    size_t bytes;
    char sha256[65];
    bool kept; /* was there already (if_absent) */
};

struct result {
    const struct image *image; /* borrowed */
    struct result_output outputs[RESULT_MAX_OUTPUTS];
    int output_count;
    char placeholder[64]; /* base64 of the ThumbHash; "": none was asked for */
    double fetch_ms, decode_ms, encode_ms, store_ms;
};

/* One line of JSON, from malloc; NULL: no memory. */
char *result_to_json(const struct result *result);
void result_done(struct result *result);

#endif
