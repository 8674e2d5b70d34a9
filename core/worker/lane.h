/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One place for a worker process: the process that is in it now, its channel, the jobs it has.
 *
 *   DEAD -> STARTING -> READY -> STOPPING -> DEAD      any of them -> DEAD when the process dies
 *
 * A lane outlives its processes: when one dies, its jobs go back to the pool's owner and, by the pool's
 * backoff, the next one starts. The lane's table of jobs is the core's own memory: what was handed
 * over and has not been answered is known whatever the worker wrote.
 */
#ifndef QUERN_WORKER_LANE_H
#define QUERN_WORKER_LANE_H

#include <event2/event.h>

#include "base/arena.h"
#include "base/buf.h"
#include "worker/channel.h"
#include "worker/log_pipe.h"
#include "worker/pool.h"

#define LANE_SLOTS 4096 /* jobs handed over and not answered, at most; a power of two */

enum lane_state { LANE_DEAD, LANE_STARTING, LANE_READY, LANE_STOPPING };

struct lane_entry {
    void *job; /* NULL: answered */
    uint32_t serial;
    uint16_t topic;
    int32_t partition;
    int64_t offset;
};

struct lane {
    struct pool *pool;
    uint32_t number; /* from 1; 0: quarantine */
    enum lane_state state;

    pid_t pid; /* 0: none */
    int pidfd, job_fd, result_fd, pass_fd;
    struct channel channel;
    struct ring_writer jobs;
    struct ring_reader results;
    struct log_pipe log;
    struct event *death_event, *result_event, *start_timer;

    struct lane_entry *entries; /* LANE_SLOTS, by serial */
    uint32_t first, next;       /* serials: the oldest that may be unanswered, the next to give */
    uint32_t in_flight, depth;
    int64_t service_ns; /* moving average of a job's time */
    uint64_t done;      /* jobs answered by this process */
    uint64_t answers;   /* ever: progress, for the watch */

    uint32_t seen_current; /* for the watch: what ran when it last looked ... */
    uint64_t seen_answers;
    int64_t seen_since_ns; /* ... and since when */
    bool cancelled;
    int64_t stop_since_ns;
    bool stop_told;

    bool was_ready;          /* this process has been */
    bool killed;             /* by us, for `kill_cause` */
    enum death_cause kill_cause;
    const char *kill_reason;
    unsigned start_deaths;   /* in a row */
    int64_t backoff_ms;
    uint64_t oom_kills;      /* of the host, when it started */
    struct buf scratch;      /* private copy of a result */
    struct arena arena;      /* of one result's arrays */
};

/* 0 or a negative errno; on failure the lane is DEAD and the pool's backoff applies. */
int lane_start(struct lane *l);
void lane_init(struct lane *l, struct pool *pool, uint32_t number);
void lane_done(struct lane *l); /* kills what is there, tells nobody */

/* 0, -EAGAIN, -ENOMEM as pool_submit(). */
__attribute__((warn_unused_result)) int lane_submit(struct lane *l, void *job,
                                                    const struct worker_job *wj);
void lane_flush(struct lane *l);
void lane_stop(struct lane *l); /* finish, close, exit */
/* The watch: deadlines, stuck starts and stops. */
void lane_watch(struct lane *l, int64_t now_ns);
void lane_kill(struct lane *l, enum death_cause cause, const char *reason);

static inline bool lane_has_room(const struct lane *l)
{
    return l->state == LANE_READY && l->in_flight < l->depth;
}

/* ---- pool.c, for the lanes */
struct pool_view { /* what a lane needs of its pool */
    struct event_base *base;
    const struct settings *settings;
    const struct settings_pipeline *pl;
    const char *plugin_path;
    const struct pool_ops *ops;
    void *data;
    struct pool_stats *stats;
};
const struct pool_view *pool_view(struct pool *p);
void pool_lane_ready(struct pool *p, struct lane *l);
/* The process is gone and its jobs are returned; `last_words` is its last log line. */
void pool_lane_dead(struct pool *p, struct lane *l, bool at_start, const char *reason);
void pool_lane_batch(struct pool *p, struct lane *l); /* results or returns were handed out */
int pool_take_metric(struct pool *p, uint32_t lane, uint32_t id, int32_t kind, const char *name,
                     const char *help);
int pool_take_value(struct pool *p, uint32_t lane, uint32_t id, double value);

/* ---- spawn.c */
struct spawned {
    pid_t pid;
    int pidfd, job_fd, result_fd, pass_fd, log_fd;
};
/* Starts quern-worker over a channel. 0 or a negative errno. */
__attribute__((warn_unused_result)) int worker_spawn(const struct settings *settings,
                                                     const struct settings_pipeline *pl,
                                                     const char *plugin_path, uint32_t number,
                                                     const struct channel *channel,
                                                     struct spawned *ret);
/* Minimal environment for a child; the strings live as long as the process. */
char *const *worker_environment(void);

/* ---- death.c */
struct death_note {
    struct worker_death death;
    char text[512];
    char backtrace[CRASH_TEXT_MAX + 1];
};
/* Reaps the process and says how it ended. */
void death_examine(struct lane *l, struct death_note *ret);
uint64_t host_oom_kills(void);

#endif
