/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a pipeline: it starts when its workers and its topics are there, joins its group, and
 * ends in order: the group is left (which drains and commits), then the workers end.
 *
 * The consumer and the pool do not know each other; this file is where their callbacks meet. Each
 * callback of a batch only changes state; what is done once a batch (filling the workers, reading on,
 * telling the consumer that a partition has drained) is done in body_batch_done().
 */
#include "pipeline/pipeline.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "pipeline/body.h"
#include "pipeline/life.h"

#define STEP_MS 20 /* how often a pipeline that ends looks whether it has */

const char *const outcome_names[OUTCOMES] = {"ok", "skip", "dead"};
const char *const dead_cause_names[DEAD_CAUSE_COUNT] = {
#define X(name, text) text,
    DEAD_CAUSES(X)
#undef X
};

const char *pipeline_state_name(enum pipeline_state state)
{
    static const char *const names[] = {
#define X(name, text) text,
        PIPELINE_STATES(X)
#undef X
    };

    return names[state];
}

static void set_state(struct pipeline *pl, enum pipeline_state state, const char *reason)
{
    enum log_level level = state == PIPELINE_FAILED ? LOG_ERROR : LOG_INFO;

    if (pl->state != state)
        log_event(level, "pipeline.state", "a pipeline changed its state",
                  LF_STR("pipeline", pl->conf->name),
                  LF_STR("from", pipeline_state_name(pl->state)),
                  LF_STR("to", pipeline_state_name(state)),
                  LF_STR("reason", reason[0] ? reason : NULL));
    pl->state = state;
    if (reason != pl->reason) {
        free(pl->reason);
        pl->reason = xstrdup(reason);
    }
}

/* ---- Counts that must agree ---- */

void body_touch_clock(struct pipeline *pl)
{
    pl->now_ns = clock_now_ns();
    pl->now_wall_ms = clock_wall_ms();
}

static bool is_busy(uint8_t state)
{
    return state == JOB_RUNNING || state == JOB_SETTLING;
}

void body_set_state(struct job *job, enum job_state state)
{
    bool was = is_busy(job->state);

    job_set_state(job, state);
    job->part->busy += (uint32_t)is_busy((uint8_t)state) - (uint32_t)was;
}

static void free_part_if_done(struct pipeline *pl, struct part *part)
{
    if (!part->over || part->jobs > 0)
        return;
    TAILQ_REMOVE(&pl->parts, part, link);
    tracker_done(&part->tracker);
    free(part);
}

void body_end_job(struct pipeline *pl, struct job *job)
{
    struct part *part = job->part;

    pl->in_flight--;
    pl->in_flight_bytes -= job->bytes;
    job_free(&pl->jobs, job);
    part->jobs--;
    if (part->over)
        free_part_if_done(pl, part);
}

void body_batch_done(struct pipeline *pl)
{
    gate_run(pl);
    if (!pl->consumer)
        return;
    if (pl->starved) {
        pl->starved = false;
        consumer_read(pl->consumer);
    }
    if (pl->revoking)
        consumer_drained(pl->consumer);
}

/* ---- What the consumer says ---- */

static void *on_assigned(void *data, uint16_t topic, int32_t partition, int64_t offset)
{
    struct pipeline *pl = data;
    struct part *part = xcalloc(1, sizeof *part);

    part->pl = pl;
    part->topic = topic;
    part->partition = partition;
    tracker_init(&part->tracker, (uint64_t)pl->conf->window_records);
    TAILQ_INSERT_TAIL(&pl->parts, part, link);
    (void)offset; /* the tracker learns where it begins from the first record */
    return part;
}

static size_t on_room(void *data, void *part_state)
{
    struct pipeline *pl = data;
    struct part *part = part_state;
    uint64_t room = tracker_room(&part->tracker);
    uint64_t window = (uint64_t)pl->conf->window_records;

    if (pl->state != PIPELINE_RUNNING || part->revoking)
        return 0;
    if (pl->in_flight >= window || pl->in_flight_bytes >= (uint64_t)pl->conf->window_bytes)
        room = 0;
    else if (room > window - pl->in_flight)
        room = window - pl->in_flight;
    if (room == 0)
        pl->starved = true;
    return room;
}

static void on_records(void *data, void *part, rd_kafka_message_t **recs, size_t count)
{
    admit_records(data, part, recs, count);
}

static void on_consumer_batch(void *data)
{
    gate_run(data);
}

static int64_t on_commit_point(void *data, void *part_state)
{
    struct part *part = part_state;

    (void)data;
    return tracker_commit_point(&part->tracker);
}

/* Jobs of the part that wait are the next owner's. */
static void drop_waiting(struct pipeline *pl, struct part *part)
{
    struct job_list *lists[] = {&pl->ready, &pl->alone, &pl->back};
    struct job *job, *next;

    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        for (job = TAILQ_FIRST(lists[i]); job; job = next) {
            next = TAILQ_NEXT(job, link);
            if (job->part != part)
                continue;
            gate_remove(pl, job);
            body_set_state(job, JOB_FENCED);
            body_end_job(pl, job);
        }
    }
    for (size_t i = 0; i < pl->due.count;) {
        job = pl->due.heap[i];
        if (job->part != part) {
            i++;
            continue;
        }
        gate_remove(pl, job);
        body_set_state(job, JOB_FENCED);
        body_end_job(pl, job);
        i = 0; /* the heap has moved */
    }
}

static void on_revoking(void *data, void *part_state)
{
    struct part *part = part_state;

    part->revoking = true;
    part->pl->revoking++;
    drop_waiting(data, part);
}

static bool on_drained(void *data, void *part_state)
{
    struct part *part = part_state;

    (void)data;
    return part->busy == 0;
}

/* What still runs or is under way is fenced: whatever comes of it is dropped. */
static void fence(struct job *job)
{
    body_set_state(job, JOB_FENCED);
}

static void fence_busy(struct pipeline *pl, struct part *part)
{
    struct job *job, *next;

    for (job = TAILQ_FIRST(&pl->unsent); job; job = next) {
        next = TAILQ_NEXT(job, link);
        if (job->part != part)
            continue;
        TAILQ_REMOVE(&pl->unsent, job, link);
        job->unsent = false;
        body_set_state(job, JOB_FENCED);
        if (job->unacked == 0)
            body_end_job(pl, job);
    }
    job_pool_each_busy(&pl->jobs, part, fence);
}

static void on_revoked(void *data, void *part_state, bool lost)
{
    struct pipeline *pl = data;
    struct part *part = part_state;

    if (!part->revoking)
        on_revoking(data, part);
    pl->revoking--;
    if (part->jobs > 0)
        log_event(LOG_WARN, "partition.fenced", "jobs were still running when their partition went",
                  LF_STR("pipeline", pl->conf->name), LF_STR("topic", pl->conf->topics[part->topic]),
                  LF_INT("partition", part->partition), LF_INT("jobs", part->jobs),
                  LF_INT("lost", lost));
    part->jobs++; /* holds the part while its jobs go */
    fence_busy(pl, part);
    part->jobs--;
    part->over = true;
    free_part_if_done(pl, part);
}

static const struct consumer_ops consumer_ops = {
    .assigned = on_assigned,
    .room = on_room,
    .records = on_records,
    .batch_done = on_consumer_batch,
    .commit_point = on_commit_point,
    .revoking = on_revoking,
    .drained = on_drained,
    .revoked = on_revoked,
};

/* ---- What the pool says ---- */

static void start_if_ready(struct pipeline *pl)
{
    char error[512];

    if (pl->consumer || pl->stopping || !pl->topics_ready || !pl->workers_ready)
        return;
    pl->consumer = consumer_new(pl->base, pl->settings, pl->conf, pl->settings->drain_timeout_ms,
                                &consumer_ops, pl, error, sizeof error);
    if (pl->consumer)
        set_state(pl, PIPELINE_RUNNING, "");
    else
        body_fail(pl, error);
}

static void on_finished(void *data, void *job, const struct worker_result *res)
{
    struct pipeline *pl = data;

    if (!pl->in_batch) {
        pl->in_batch = true;
        body_touch_clock(pl);
    }
    settle_result(pl, job, res);
}

static void on_returned(void *data, void *job, const struct worker_death *death)
{
    body_touch_clock(data);
    settle_death(data, job, death);
}

static void on_pool_room(void *data)
{
    struct pipeline *pl = data;

    pl->workers_ready = true;
    start_if_ready(pl);
    gate_run(pl);
}

static void on_pool_failed(void *data, const char *reason)
{
    struct pipeline *pl = data;

    /* The pool goes on trying: no end, but nobody should have to guess. */
    if (pl->state == PIPELINE_STARTING)
        set_state(pl, PIPELINE_STARTING, reason);
    log_event(LOG_ERROR, "pipeline.no_workers", "the workers of a pipeline do not start",
              LF_STR("pipeline", pl->conf->name), LF_STR("plugin", pl->plugin->name),
              LF_STR("reason", reason));
}

static void on_pool_batch(void *data)
{
    struct pipeline *pl = data;

    pl->in_batch = false;
    body_batch_done(pl);
}

static const struct pool_ops pool_ops = {
    .finished = on_finished,
    .returned = on_returned,
    .room = on_pool_room,
    .failed = on_pool_failed,
    .batch_done = on_pool_batch,
};

/* ---- Life ---- */

static void on_due(evutil_socket_t fd, short what, void *data)
{
    (void)fd, (void)what;
    gate_due(data);
}

static void on_resend(evutil_socket_t fd, short what, void *data)
{
    (void)fd, (void)what;
    body_touch_clock(data);
    settle_resend(data);
}

static bool ended(const struct pipeline *pl)
{
    return (!pl->consumer || consumer_stopped(pl->consumer)) && pool_stopped(pl->pool);
}

/* The group first, then the workers: a drain needs them. */
static void on_step(evutil_socket_t fd, short what, void *data)
{
    struct pipeline *pl = data;

    (void)fd, (void)what;
    if (!pl->consumer || consumer_stopped(pl->consumer))
        pool_stop(pl->pool);
    if (!ended(pl))
        return;
    event_del(pl->step_timer);
    if (pl->state != PIPELINE_FAILED)
        set_state(pl, PIPELINE_STOPPED, "");
}

struct pipeline *pipeline_new(struct event_base *base, const struct settings *settings,
                              const struct settings_pipeline *conf,
                              const struct descriptor *plugin, struct producer *producer)
{
    struct pipeline *pl = xcalloc(1, sizeof *pl);

    pl->base = base;
    pl->settings = settings;
    pl->conf = conf;
    pl->plugin = plugin;
    pl->producer = producer;
    pl->reason = xstrdup("");
    pl->rng.state = (uint64_t)clock_now_ns() | 1;
    TAILQ_INIT(&pl->parts);
    TAILQ_INIT(&pl->ready);
    TAILQ_INIT(&pl->alone);
    TAILQ_INIT(&pl->back);
    TAILQ_INIT(&pl->unsent);
    job_pool_init(&pl->jobs);
    if (gethostname(pl->hostname, sizeof pl->hostname - 1) != 0)
        pl->hostname[0] = 0;
    body_touch_clock(pl);
    pl->step_timer = event_new(base, -1, EV_PERSIST, on_step, pl);
    pl->due_timer = evtimer_new(base, on_due, pl);
    pl->resend_timer = evtimer_new(base, on_resend, pl);
    pl->pool = pool_new(base, settings, conf, plugin->path, &pool_ops, pl);
    if (!pl->step_timer || !pl->due_timer || !pl->resend_timer || !pl->pool) {
        int err = errno;

        pipeline_free(pl);
        errno = err;
        return NULL;
    }
    set_state(pl, PIPELINE_STARTING, "waits for its workers and topics");
    return pl;
}

void pipeline_topics_ready(struct pipeline *pl)
{
    pl->topics_ready = true;
    start_if_ready(pl);
}

static void begin_end(struct pipeline *pl)
{
    if (pl->stopping)
        return;
    pl->stopping = true;
    if (pl->consumer)
        consumer_stop(pl->consumer);
    event_add(pl->step_timer, &(struct timeval){0, STEP_MS * 1000});
}

void pipeline_stop(struct pipeline *pl)
{
    if (pl->state == PIPELINE_RUNNING || pl->state == PIPELINE_STARTING)
        set_state(pl, PIPELINE_STOPPING, "");
    begin_end(pl);
}

void body_fail(struct pipeline *pl, const char *reason)
{
    if (pl->state == PIPELINE_FAILED)
        return;
    set_state(pl, PIPELINE_FAILED, reason);
    begin_end(pl);
}

bool pipeline_ended(const struct pipeline *pl)
{
    return pl->stopping && ended(pl);
}

void pipeline_free(struct pipeline *pl)
{
    struct part *part;

    if (!pl)
        return;
    pool_free(pl->pool);
    job_pool_done(&pl->jobs);
    due_done(&pl->due);
    consumer_free(pl->consumer);
    while ((part = TAILQ_FIRST(&pl->parts))) {
        TAILQ_REMOVE(&pl->parts, part, link);
        tracker_done(&part->tracker);
        free(part);
    }
    struct event *timers[] = {pl->step_timer, pl->due_timer, pl->resend_timer};
    for (size_t i = 0; i < sizeof timers / sizeof timers[0]; i++)
        if (timers[i])
            event_free(timers[i]);
    free(pl->reason);
    free(pl);
}

void pipeline_status(const struct pipeline *pl, struct pipeline_status *ret)
{
    *ret = (struct pipeline_status){
        .settings = pl->conf,
        .plugin = pl->plugin,
        .state = pl->state,
        .reason = pl->reason,
        .stats = &pl->stats,
        .consumer = pl->consumer ? consumer_stats(pl->consumer) : NULL,
        .pool = pool_stats(pl->pool),
        .in_flight = pl->in_flight,
        .waiting = pl->waiting,
        .in_flight_bytes = pl->in_flight_bytes,
    };
}

struct pool *pipeline_pool(const struct pipeline *pl)
{
    return pl->pool;
}

const struct consumer *pipeline_consumer(const struct pipeline *pl)
{
    return pl->consumer;
}
