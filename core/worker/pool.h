/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The workers of one pipeline: starts them, feeds them, watches them, replaces them.
 *
 * WHY. A plugin is foreign code over foreign data. It runs in processes of its own, and the pool is
 * what makes those look like a function that takes a job and later gives back exactly one answer:
 * finished() with what the plugin said, or returned() when the worker under it died. Whatever a
 * worker does (crash, hang, lie, flood), each submitted job comes back exactly once.
 *
 * DESIGN. Each worker has a channel: one sealed memfd with a job ring (the pool writes), a result
 * ring (the worker writes) and a control page; an eventfd each way, used only when the other side
 * sleeps; a socketpair for records that are larger than the ring; a pipe for stderr and log lines; a
 * pidfd. What a worker writes is hostile: the pool keeps its own copy of every index, checks every
 * length and slot against its own table, copies a result out before it reads it twice, and kills a
 * worker that talks nonsense (cause "protocol").
 *
 * A job that made a worker crash is submitted again with `alone`: it then runs in a quarantine worker
 * that has nothing else in its ring.
 *
 * Thread: the loop's thread only. Callbacks come from the event loop, never from inside pool_submit().
 * Allocates nothing per job in the steady state.
 */
#ifndef QUERN_WORKER_POOL_H
#define QUERN_WORKER_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "config/settings.h"

struct event_base;
struct pool;

struct bytes { /* data NULL: absent */
    const void *data;
    size_t len;
};

struct worker_header {
    const char *name;
    struct bytes value;
};

/* A job on its way to a worker. Borrowed: copied by pool_submit(). */
struct worker_job {
    uint32_t attempt;
    uint16_t topic; /* index into the pipeline's topics */
    int32_t partition;
    int64_t offset;
    int64_t timestamp_ms;
    struct bytes key, value;
    const struct worker_header *headers;
    size_t header_count;
};

struct worker_emit {
    uint16_t alias; /* index into the pipeline's emits; checked */
    struct bytes key, value;
    const struct worker_header *headers;
    size_t header_count;
};

/* What the plugin said. Borrowed until finished() returns; every length and index has been checked. */
struct worker_result {
    int32_t result;         /* QUERN_OK ... QUERN_FATAL, or any other number */
    int64_t retry_after_ms; /* 0: not said */
    struct bytes code;      /* short word, text_is_clean(); may be empty */
    struct bytes text;      /* UTF-8, at most 4 KiB; may be empty */
    const struct worker_emit *emits;
    size_t emit_count;
    int64_t run_ns; /* in `handle` */
};

enum death_cause { DEATH_CRASH, DEATH_TIMEOUT, DEATH_OOM, DEATH_PROTOCOL, DEATH_CAUSES };
extern const char *const death_cause_names[DEATH_CAUSES]; /* "crash" "timeout" "oom" "protocol" */

/* How the worker that ran this job ended. Borrowed. */
struct worker_death {
    enum death_cause cause;
    pid_t pid;
    int signal;            /* 0: it exited */
    int exit_status;       /* when signal == 0 */
    const char *text;      /* one sentence: "killed by SIGSEGV at 0x0 in thumbnail.so+0x12f3" */
    const char *backtrace; /* "module+0xoffset" lines; "" when there is none */
};

struct pool_ops {
    /* The worker answered this job. */
    void (*finished)(void *data, void *job, const struct worker_result *res);
    /* The job came back undone. death: it was running and is charged; NULL: it was only waiting in the
     * ring of a worker that ended, and is not. Several come in the order they were submitted. */
    void (*returned)(void *data, void *job, const struct worker_death *death);
    /* After pool_submit() said -EAGAIN: there is room again. Also called once when the first worker is
     * ready. */
    void (*room)(void *data);
    /* Workers of this pipeline die at start, three times in a row: the pipeline cannot run. Comes
     * once; the pool goes on trying, at its slowest. `reason` is a sentence. */
    void (*failed)(void *data, const char *reason);
    /* Called after each batch of finished()/returned(), for what is done once a batch. */
    void (*batch_done)(void *data);
};

struct pool_stats {
    uint64_t spawned, deaths[DEATH_CAUSES], recycled, unexplained; /* workers */
    uint64_t wakes;          /* eventfd writes by the core */
    uint64_t protocol_errors;
    uint32_t ready, starting; /* workers now, the quarantine worker included */
    uint32_t in_flight;       /* jobs submitted and not yet back */
};

struct worker_status {
    uint32_t number;   /* from 1; 0: quarantine */
    pid_t pid;         /* 0: none now */
    const char *state; /* "starting" "ready" "stopping" "dead" */
    uint64_t jobs;     /* done by this process */
    uint32_t in_flight;
    int64_t running_ms; /* the current job's time so far; -1: none */
    bool busy;
    /* the job that runs now, when busy */
    uint16_t topic;
    int32_t partition;
    int64_t offset;
};

/* QUERN_METRIC_... of the SDK, for the rooms above, which do not see it. */
enum plugin_metric_kind {
    PLUGIN_METRIC_COUNTER = 1,
    PLUGIN_METRIC_GAUGE,
    PLUGIN_METRIC_HISTOGRAM
};

/* A metric the plugin made (quern_metric()). */
struct plugin_metric {
    enum plugin_metric_kind kind;
    const char *name, *help;
    double value;             /* counter: sum over workers, dead ones included; gauge: sum of the live */
    const uint64_t *buckets;  /* histogram: counts per bucket, not cumulative */
    const double *bounds;     /* upper bounds, bucket_count - 1 of them; the last bucket is +Inf */
    size_t bucket_count;
    double sum;
    uint64_t count;
};

/* `pl` and `settings` must outlive the pool; plugin_path is the resolved .so. Starts the workers at
 * once (they are ready later). NULL: out of memory or file descriptors (errno). */
struct pool *pool_new(struct event_base *base, const struct settings *settings,
                      const struct settings_pipeline *pl, const char *plugin_path,
                      const struct pool_ops *ops, void *data);

/* Hands a job to the worker with most room. 0: taken, it comes back by a callback. -EAGAIN: no room
 * now, room() follows. -ENOMEM: no memory or descriptors for a large record; try later. */
__attribute__((warn_unused_result)) int pool_submit(struct pool *p, void *job,
                                                    const struct worker_job *wj, bool alone);

/* Publishes what was submitted since the last call and wakes sleeping workers: once a batch. */
void pool_flush(struct pool *p);

/* Orderly end: workers finish what is in their rings, then close and exit. */
void pool_stop(struct pool *p);
bool pool_stopped(const struct pool *p); /* no worker process left */

/* Kills what is left (jobs in flight are not reported) and frees. NULL is fine. */
void pool_free(struct pool *p);

const struct pool_stats *pool_stats(const struct pool *p);
size_t pool_workers(const struct pool *p, struct worker_status *ret, size_t max);
size_t pool_metrics(const struct pool *p, struct plugin_metric *ret, size_t max);

#endif
