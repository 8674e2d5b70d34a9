/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's side of the plugin ABI: the table of services, and the one job that runs.
 *
 * A worker runs one job at a time on one thread, so the state of "the job" is one struct. What the
 * plugin stages (emits, code, text) is collected here and written into the result ring when `handle`
 * returns. Nothing here talks to the core but by rings and the log pipe.
 */
#ifndef QUERN_WORKER_HOST_H
#define QUERN_WORKER_HOST_H

#include <quern/plugin.h>

#include "base/arena.h"
#include "base/buf.h"
#include "worker/channel.h"
#include "worker/spec.h"
#include "worker/wire.h"

#define HOST_METRICS_MAX 64

struct host {
    struct quern_host table; /* first: the plugin's pointer is ours */
    const struct spec *spec;
    struct control *control;
    struct ring_writer *results;
    void (*wait_for_room)(struct host *h, size_t len);
    int64_t max_emit, deadline_ms;
    const char **topics, **aliases;
    size_t topic_count, alias_count;
    struct quern_context context;

    struct quern_job job;
    uint32_t serial;
    int64_t started_ns;
    char id[320];
    struct arena arena; /* quern_alloc() */
    struct wire_result result;
    char code[WIRE_CODE_MAX];
    char text[WIRE_TEXT_MAX];
    struct buf emits; /* encoded */
    int64_t emit_bytes;

    char open_error[1024];
    struct {
        char name[64];
        char help[256];
        int32_t kind;
        double pending; /* counter: to be sent with the next results */
    } metrics[HOST_METRICS_MAX];
    uint32_t metric_count;
    uint32_t counters_dirty;
};

void host_init(struct host *h, const struct spec *spec, struct control *control,
               struct ring_writer *results);
/* Makes `job` of a wire job and its body; valid until host_end_job(). */
void host_begin_job(struct host *h, const struct wire_job *head, const char *body,
                    struct quern_header *headers);
/* Writes the result into the ring (not published). */
void host_end_job(struct host *h, int32_t verdict, int pass_fd);
/* Sends the counters that grew: once a batch. */
void host_send_metrics(struct host *h);
/* One line into the log pipe. */
void host_say(uint32_t serial, int level, const char *text, size_t len);

#endif
