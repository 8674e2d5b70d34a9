/* SPDX-License-Identifier: Apache-2.0 */
/*
 * work: one job from its JSON to its result. The order of the steps is the order of their price:
 * what can be refused without fetching is refused first, then what can be refused without decoding.
 */
#ifndef THUMBNAIL_WORK_H
#define THUMBNAIL_WORK_H

#include <stdbool.h>

#include "result.h"
#include "source.h"

/* What a worker keeps open between jobs, and the metrics' handles. */
struct work_tools {
    const struct settings *settings;
    int source_root; /* O_PATH descriptors; source_root is -1 when it is not set */
    int sink_root;
    struct source_http *http;
    bool can_write[FORMAT_OUTPUT_LAST + 1];
    uint32_t images_total, outputs_total, kept_total;
    uint32_t source_bytes, source_pixels, output_bytes;
    uint32_t fetch_seconds, decode_seconds, encode_seconds, store_seconds;
};

/* *ret_json is the result event, from malloc. */
__attribute__((warn_unused_result)) int work_run(const struct work_tools *tools,
                                                 struct quern_job *job, char **ret_json,
                                                 struct fault *fault);

#endif
