/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of a pipeline, for the files of this room. The main path, in the order a job walks it:
 *
 *   admit.c    records -> jobs; the tracker gets their offsets
 *   gate.c     may it run now? due time, room at a worker -> the worker's ring
 *   settle.c   the plugin's verdict, or a worker's death -> settled, again later, or dead letter
 *   dead.c     what a dead letter carries
 *   pipeline.c life and end of the whole
 *
 * One thread, no locks. Counters that must agree are changed in one place each: a job's state in
 * body_set_state(), the end of a job in body_end_job().
 */
#ifndef QUERN_PIPELINE_BODY_H
#define QUERN_PIPELINE_BODY_H

#include <event2/event.h>

#include "kafka/producer.h"
#include "pipeline/backoff.h"
#include "pipeline/due.h"
#include "pipeline/job.h"
#include "pipeline/pipeline.h"
#include "pipeline/tracker.h"

/* More headers than that, and a record is refused: what a worker gets is bounded. */
#define JOB_HEADERS_MAX 128

/* One epoch of one partition. Freed when it is over and its last job is back. */
struct part {
    TAILQ_ENTRY(part) link;
    struct pipeline *pl;
    uint16_t topic;
    int32_t partition;
    struct tracker tracker;
    uint32_t jobs;  /* that point here */
    uint32_t busy;  /* of these, RUNNING or SETTLING */
    bool revoking;  /* no more of its jobs start */
    bool over;      /* fenced */
};

struct pipeline {
    struct event_base *base;
    const struct settings *settings;
    const struct settings_pipeline *conf;
    const struct descriptor *plugin;
    struct producer *producer; /* borrowed */
    struct consumer *consumer; /* NULL until topics and workers are there */
    struct pool *pool;
    char hostname[64];

    enum pipeline_state state;
    char *reason;
    bool topics_ready, workers_ready, stopping;
    struct event *step_timer;   /* looks whether an ending has ended */
    struct event *due_timer;    /* for the first of `due` */
    struct event *resend_timer; /* for what the producer did not take */

    TAILQ_HEAD(, part) parts;
    struct job_pool jobs;
    struct job_list ready; /* may run as soon as a worker has room */
    struct job_list alone; /* likewise, in the quarantine worker */
    struct job_list back;  /* came back from a dead worker; goes in front of `ready` */
    struct job_list unsent; /* SETTLING, and the producer's queue was full or the send failed */
    struct due due;
    struct backoff_rng rng;

    uint32_t in_flight, waiting;
    uint64_t in_flight_bytes;
    uint32_t revoking; /* parts that are being taken away */
    bool in_batch; /* of finished(): its clock has been read */
    bool starved; /* room() said 0 since the last consumer_read() */

    int64_t now_ns, now_wall_ms; /* of this batch */
    struct pipeline_stats stats;
};

/* ---- pipeline.c */
void body_touch_clock(struct pipeline *pl);
/* The one way to change a job's state: keeps the counts of its part. */
void body_set_state(struct job *job, enum job_state state);
/* The job leaves the engine (SETTLED or FENCED). */
void body_end_job(struct pipeline *pl, struct job *job);
/* After a batch of anything: fills the workers, reads on, tells the consumer of progress. */
void body_batch_done(struct pipeline *pl);
/* The pipeline stops for good, visibly; nothing is dead-lettered. */
void body_fail(struct pipeline *pl, const char *reason);

/* ---- admit.c */
void admit_records(struct pipeline *pl, struct part *part, rd_kafka_message_t **recs, size_t count);

/* ---- gate.c */
/* Hands ready jobs to the workers until they have no room. */
void gate_run(struct pipeline *pl);
/* The job waits for a worker: in front (it was there before) or behind the others. */
void gate_enqueue(struct pipeline *pl, struct job *job, bool front);
/* The job came back from a worker that died, uncharged: in front again, in the order of the calls. */
void gate_put_back(struct pipeline *pl, struct job *job);
/* The job waits for delay_ms, copied out of librdkafka's memory. */
void gate_wait(struct pipeline *pl, struct job *job, int64_t delay_ms);
/* Takes a WAITING job out of whatever it waits in. */
void gate_remove(struct pipeline *pl, struct job *job);
void gate_due(struct pipeline *pl); /* the due timer fired */

/* ---- settle.c */
void settle_result(struct pipeline *pl, struct job *job, const struct worker_result *res);
void settle_death(struct pipeline *pl, struct job *job, const struct worker_death *death);
void settle_resend(struct pipeline *pl); /* the resend timer fired */
/* To the dead-letter topic; job->failure says why. */
void settle_dead(struct pipeline *pl, struct job *job, enum dead_cause cause);
/* A job that is bad on its face, before any plugin saw it. */
void settle_refuse(struct pipeline *pl, struct job *job, const char *code, const char *text);

/* ---- dead.c */
/* The headers of a dead letter: the record's own, then ours. NULL: no memory. Owner: the caller. */
rd_kafka_headers_t *dead_headers(const struct pipeline *pl, const struct job *job,
                                 bool value_dropped);

#endif
