/* SPDX-License-Identifier: Apache-2.0 */
#ifndef QUERN_PIPELINE_PIPELINE_H
#define QUERN_PIPELINE_PIPELINE_H

#include <stdbool.h>
#include <stdint.h>

#include "config/settings.h"
#include "kafka/consumer.h"
#include "worker/descriptor.h"
#include "worker/pool.h"
#include "base/histogram.h"

struct event_base;
struct pipeline;
struct producer;

#define PIPELINE_STATES(X)                                                                         \
    X(STARTING, "starting") /* workers or topics are not there yet */                              \
    X(RUNNING, "running")                                                                          \
    X(STOPPING, "stopping") /* drains; no new jobs */                                              \
    X(STOPPED, "stopped")                                                                          \
    X(FAILED, "failed") /* FATAL, or its workers do not start; nothing is dead-lettered */
enum pipeline_state {
#define X(name, text) PIPELINE_##name,
    PIPELINE_STATES(X)
#undef X
};

enum outcome { OUTCOME_OK, OUTCOME_SKIP, OUTCOME_DEAD, OUTCOMES };
extern const char *const outcome_names[OUTCOMES]; /* "ok" "skip" "dead" */

#define DEAD_CAUSES(X)                                                                             \
    X(REJECTED, "rejected")                                                                        \
    X(EXHAUSTED, "exhausted")                                                                      \
    X(CRASH, "crash")                                                                              \
    X(TIMEOUT, "timeout")                                                                          \
    X(OOM, "oom")                                                                                  \
    X(EXPIRED, "expired")                                                                          \
    X(PROTOCOL, "protocol")
enum dead_cause {
#define X(name, text) DEAD_##name,
    DEAD_CAUSES(X)
#undef X
    DEAD_CAUSE_COUNT
};
extern const char *const dead_cause_names[DEAD_CAUSE_COUNT];

/* Plain counters: one writer, the loop's thread, which is also the one that reads them. */
struct pipeline_stats {
    uint64_t consumed;                /* records taken in */
    uint64_t settled[OUTCOMES];       /* jobs ended, by outcome */
    uint64_t dead[DEAD_CAUSE_COUNT];  /* dead letters acknowledged, by cause */
    uint64_t retries;                 /* RETRY, and deaths that are tried again */
    uint64_t defers;
    uint64_t emitted;                 /* records acknowledged */
    uint64_t produce_failures;        /* dead letters and emits that had to be sent again */
    uint64_t plugin_bugs;             /* unknown results */
    uint64_t fenced;                  /* late results of a lost partition, dropped */
    uint64_t crashes_recovered;       /* jobs that crashed a worker and then ended well */
    int64_t last_record_wall_ms;      /* 0: none yet */
    struct histogram run;             /* seconds in the plugin */
    struct histogram end_to_end;      /* seconds from the record's timestamp to settled */
};

struct pipeline_status {
    const struct settings_pipeline *settings;
    const struct descriptor *plugin;
    enum pipeline_state state;
    const char *reason; /* why FAILED or STARTING; "" otherwise */
    const struct pipeline_stats *stats;
    const struct consumer_stats *consumer; /* NULL before it was made */
    const struct pool_stats *pool;
    uint32_t in_flight; /* jobs in the engine, all states */
    uint32_t waiting;   /* of these, for a retry */
    uint64_t in_flight_bytes;
};

const char *pipeline_state_name(enum pipeline_state state);
void pipeline_status(const struct pipeline *pl, struct pipeline_status *ret);
struct pool *pipeline_pool(const struct pipeline *pl);
const struct consumer *pipeline_consumer(const struct pipeline *pl); /* may be NULL */

#endif
