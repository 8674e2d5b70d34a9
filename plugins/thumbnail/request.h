/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request: the job's JSON, checked and typed. Everything that can be wrong with a job before a byte
 * is fetched is found here, and named: the field, what it holds, what it may hold. What comes out
 * needs no further checks but one: that the format can be written by this build.
 */
#ifndef THUMBNAIL_REQUEST_H
#define THUMBNAIL_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include <quern/plugin.h>

#include "fault.h"
#include "format.h"
#include "settings.h"

#define REQUEST_MAX_BODY  65536 /* bytes of JSON */
#define REQUEST_MAX_SIZES 16
#define REQUEST_NAME_MAX  64

enum fit_mode {
    FIT_INSIDE,
    FIT_COVER,
    FIT_CONTAIN,
    FIT_FILL,
};

enum gravity {
    GRAVITY_CENTER,
    GRAVITY_ATTENTION,
    GRAVITY_ENTROPY,
    GRAVITY_FOCAL,
};

struct request_size {
    char name[REQUEST_NAME_MAX + 1]; /* [A-Za-z0-9_-], unique in the request */
    int w, h;                        /* pixels; one of them may be 0 with FIT_INSIDE: no bound */
    enum fit_mode fit;
    enum gravity gravity;
    double focal_x, focal_y; /* 0..1, from the left and the top */
};

struct request {
    char *source; /* the URL as given */
    char *sink;   /* the same; NULL: none was given */
    struct request_size sizes[REQUEST_MAX_SIZES];
    enum format formats[FORMAT_OUTPUT_COUNT];
    int quality[FORMAT_OUTPUT_LAST + 1]; /* by format, 1..100; PNG has none */
    uint8_t background[3];
    int size_count, format_count;
    bool transparent; /* `background` is "transparent" */
    bool thumbhash;
    bool strict, if_absent, upscale;
};

/* On failure *ret is left empty. */
__attribute__((warn_unused_result)) int request_parse(struct quern_bytes body,
                                                      const struct settings *settings,
                                                      struct request *ret, struct fault *fault);
void request_done(struct request *request);

#endif
