/* SPDX-License-Identifier: Apache-2.0 */
/*
 * May a job run now? A job waits for one thing at a time:
 *
 *   due time          in a heap; one timer for the first of them
 *   room at a worker  in `ready` (or `alone`, for the quarantine worker), first come first served
 *
 * Waiting costs no attempt. What parks for a time is copied out of librdkafka's memory.
 */
#include "pipeline/body.h"

#include <errno.h>

#include "base/clock.h"

/* A job that only waits for room moves on within milliseconds; one that waits for a time may hold a
 * fetch buffer of a megabyte for minutes. */
#define PARK_AFTER_MS 50

static struct job_list *list_of(struct pipeline *pl, const struct job *job)
{
    if (job->wait == JOB_WAIT_BACK)
        return &pl->back;
    return job->alone ? &pl->alone : &pl->ready;
}

void gate_enqueue(struct pipeline *pl, struct job *job, bool front)
{
    body_set_state(job, JOB_WAITING);
    job->wait = JOB_WAIT_ROOM;
    if (front)
        TAILQ_INSERT_HEAD(list_of(pl, job), job, link);
    else
        TAILQ_INSERT_TAIL(list_of(pl, job), job, link);
}

void gate_put_back(struct pipeline *pl, struct job *job)
{
    body_set_state(job, JOB_WAITING);
    job->wait = JOB_WAIT_BACK;
    TAILQ_INSERT_TAIL(&pl->back, job, link);
}

static void merge_back(struct pipeline *pl)
{
    struct job *job;

    while ((job = TAILQ_LAST(&pl->back, job_list))) {
        TAILQ_REMOVE(&pl->back, job, link);
        job->wait = JOB_WAIT_ROOM;
        TAILQ_INSERT_HEAD(list_of(pl, job), job, link);
    }
}

static void arm_due_timer(struct pipeline *pl)
{
    const struct job *first = due_first(&pl->due);
    struct timeval tv;
    int64_t wait_ns;

    if (!first) {
        event_del(pl->due_timer);
        return;
    }
    wait_ns = first->due_ns - clock_now_ns();
    if (wait_ns < 0)
        wait_ns = 0;
    tv.tv_sec = wait_ns / NS_PER_S;
    tv.tv_usec = (wait_ns % NS_PER_S) / NS_PER_US + 1; /* never before it is due */
    event_add(pl->due_timer, &tv);
}

void gate_wait(struct pipeline *pl, struct job *job, int64_t delay_ms)
{
    body_set_state(job, JOB_WAITING);
    job->wait = JOB_WAIT_DUE;
    job->due_ns = pl->now_ns + delay_ms * NS_PER_MS;
    if (delay_ms >= PARK_AFTER_MS)
        (void)job_park(job); /* no memory: it waits where it is */
    due_add(&pl->due, job);
    pl->waiting++;
    if (due_first(&pl->due) == job)
        arm_due_timer(pl);
}

void gate_remove(struct pipeline *pl, struct job *job)
{
    if (job->wait == JOB_WAIT_DUE) {
        due_remove(&pl->due, job);
        pl->waiting--;
    } else {
        TAILQ_REMOVE(list_of(pl, job), job, link);
    }
}

void gate_due(struct pipeline *pl)
{
    struct job *job;

    body_touch_clock(pl);
    while ((job = due_first(&pl->due)) && job->due_ns <= pl->now_ns) {
        due_remove(&pl->due, job);
        pl->waiting--;
        /* It was read before those that have not run yet: it goes in front. */
        job->wait = JOB_WAIT_ROOM;
        TAILQ_INSERT_HEAD(list_of(pl, job), job, link);
    }
    arm_due_timer(pl);
    body_batch_done(pl);
}

static size_t collect_headers(const struct job *job, struct worker_header *ret)
{
    size_t count = 0;
    const char *name;
    const void *value;
    size_t len;

    if (!job->headers)
        return 0;
    while (count < JOB_HEADERS_MAX &&
           !rd_kafka_header_get_all(job->headers, count, &name, &value, &len)) {
        ret[count] = (struct worker_header){name, {value, len}};
        count++;
    }
    return count;
}

static int submit(struct pipeline *pl, struct job *job)
{
    struct worker_header headers[JOB_HEADERS_MAX];
    struct worker_job wj;

    wj.attempt = job->attempts + 1;
    wj.topic = job->part->topic;
    wj.partition = job->part->partition;
    wj.offset = job->offset;
    wj.timestamp_ms = job->timestamp_ms;
    wj.key = job->key;
    wj.value = job->value;
    wj.headers = headers;
    wj.header_count = job->headers ? collect_headers(job, headers) : 0;
    return pool_submit(pl->pool, job, &wj, job->alone);
}

static bool run_list(struct pipeline *pl, struct job_list *list)
{
    struct job *job;
    bool any = false;

    while ((job = TAILQ_FIRST(list))) {
        int err = submit(pl, job);
        if (err == -ENOMEM) /* no room() follows: the resend timer looks again */
            event_add(pl->resend_timer, &(struct timeval){0, 100000});
        if (err)
            break;
        TAILQ_REMOVE(list, job, link);
        body_set_state(job, JOB_RUNNING);
        any = true;
    }
    return any;
}

void gate_run(struct pipeline *pl)
{
    bool any;

    if (pl->state != PIPELINE_RUNNING)
        return;
    merge_back(pl);
    any = run_list(pl, &pl->ready);
    any |= run_list(pl, &pl->alone);
    if (any)
        pool_flush(pl->pool);
}
