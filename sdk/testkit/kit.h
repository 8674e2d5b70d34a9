/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a testkit, shared by its own files only.
 *
 * All that a run makes hangs on one list of blocks, each a malloc() of its own and no arena: so
 * that a sanitizer sees a plugin read one byte behind what it was given.
 */
#ifndef QUERN_TESTKIT_KIT_H
#define QUERN_TESTKIT_KIT_H

#include <stdatomic.h>
#include <stdbool.h>

#include <quern/testkit.h>

#include "options.h"

#define KIT_METRICS_MAX 64
#define KIT_CODE_MAX    64
#define KIT_TEXT_MAX    4096

struct kit_block;

struct kit_metric {
    char name[64];
    int32_t kind;
    double value;
    size_t count;
};

struct quern_testkit {
    struct quern_host table; /* first: the plugin's pointer is ours */
    struct quern_context context;
    char *pipeline;

    struct option_value *values;
    size_t value_count;
    char **aliases;
    size_t alias_count;

    struct quern_plugin plugin; /* complete, whatever it was built with */
    bool is_open;
    struct options options;
    void *self;
    void *library;
    char error[1024];

    struct quern_job job;
    struct quern_testkit_result result;
    char code[KIT_CODE_MAX + 1];
    char text[KIT_TEXT_MAX + 1];
    char id[320];
    struct kit_block *run_blocks; /* what the run has made */
    struct quern_testkit_emit *emits;
    size_t emit_count, emit_cap;
    struct quern_testkit_line *lines; /* all so far; their texts are malloc()ed */
    size_t line_count, line_cap;
    struct kit_metric metrics[KIT_METRICS_MAX];
    uint32_t metric_count;
    int64_t next_offset, deadline_at_ms;

    int64_t clock_ms; /* -1: the real one */
    atomic_uint cancel_asked;
    uint32_t cancel_after, fail_alloc, alloc_count;
    int32_t fail_emit;
};

/* A block that lives until the next run; NULL: no memory. */
void *kit_take(struct quern_testkit *kit, size_t bytes);
void kit_drop_blocks(struct quern_testkit *kit);
void kit_drop_lines(struct quern_testkit *kit);
/* Ms that deadlines are counted in: the clock that stands, else one that never steps. */
int64_t kit_ticks_ms(const struct quern_testkit *kit);
void kit_fill_table(struct quern_testkit *kit, size_t size);

#endif
