/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings: what the operator decides for the thumbnail plugin. The engine fills this struct from
 * the option table in thumbnail.c; nothing changes after `open`. The rest of the plugin takes it as
 * const and never asks for a default: defaults, units and ranges stand in the table alone.
 */
#ifndef THUMBNAIL_SETTINGS_H
#define THUMBNAIL_SETTINGS_H

#include <stdint.h>

struct settings {
    const char *source_root;            /* "": file:// sources are refused */
    const char *sink_root;              /* absolute */
    const char *const *formats_allowed; /* output formats, NULL at the end */
    const char *quality_mode;           /* "fast" or "balanced" */
    const char *durability;             /* "none", "file" or "full" */
    const char *frames_over;            /* "first" or "reject" */
    int64_t max_source_bytes;
    int64_t max_pixels;      /* of the source */
    int64_t max_side;        /* of the source, pixels */
    int64_t max_output_side; /* pixels */
    int64_t max_frames;
    int64_t connect_timeout; /* ms */
    int64_t fetch_timeout;   /* ms */
    int64_t low_speed_time;  /* ms */
    int64_t low_speed_bytes; /* a second */
    int32_t allow_private;
};

#endif
