/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One record on its way through the engine.
 *
 * A job is made when its record is read and ends when the record is settled, or when its partition was
 * lost (fenced). While it moves it borrows the record's memory from librdkafka; when it parks for a
 * retry it copies the record out and lets librdkafka's go, because one held record pins the whole
 * fetch buffer it came in (about 1 MB).
 *
 * All state changes go through job_set_state(), which knows the allowed ones:
 *
 *   ADMITTED -> WAITING -> RUNNING -> SETTLING -> SETTLED
 *                  ^---------|           |            any but SETTLED -> FENCED
 *                  ^---------------------|  (an emit could not be delivered: the job runs again)
 */
#ifndef QUERN_PIPELINE_JOB_H
#define QUERN_PIPELINE_JOB_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <librdkafka/rdkafka.h>

#include "pipeline/pipeline.h"
#include "worker/pool.h"

#define JOB_STATES(X)                                                                              \
    X(FREE, "free")         /* in the pool of unused ones */                                       \
    X(ADMITTED, "admitted") /* the tracker has it */                                               \
    X(WAITING, "waiting")   /* for `wait` */                                                       \
    X(RUNNING, "running")   /* handed to the workers */                                            \
    X(SETTLING, "settling") /* emits or dead letter are on their way to the brokers */             \
    X(SETTLED, "settled")                                                                          \
    X(FENCED, "fenced") /* its partition is somebody else's now: whatever comes is dropped */
enum job_state {
#define X(name, text) JOB_##name,
    JOB_STATES(X)
#undef X
    JOB_STATE_COUNT
};

enum job_wait {
    JOB_WAIT_ROOM, /* at a worker */
    JOB_WAIT_BACK, /* likewise; came back uncharged and goes in front of the others */
    JOB_WAIT_DUE   /* for its time */
};

struct part;
struct outbox;

struct job {
    TAILQ_ENTRY(job) link; /* in the list of what it waits for, or of its part's fenced ones */
    struct part *part;
    rd_kafka_message_t *rec;      /* NULL once copied out */
    void *copy;                   /* key and value, when copied out */
    rd_kafka_headers_t *headers;  /* NULL: none. Owned by rec, or by the job when copied out */
    struct bytes key, value;
    int64_t offset;
    int64_t timestamp_ms;
    uint64_t seq; /* in the tracker */
    uint32_t bytes;

    uint8_t state; /* enum job_state */
    uint8_t wait;  /* enum job_wait */
    bool alone;    /* it crashed a worker: runs in the quarantine worker */
    bool spoiled;  /* an emit of it failed while others were under way */
    bool sending;  /* its emits are being handed over: an ack must not end it yet */
    bool unsent;   /* in the pipeline's list of what is to be sent again */
    bool value_dropped; /* its dead letter does not fit: sent without the value */

    uint32_t attempts;            /* used up */
    uint32_t defers;              /* in a row */
    uint32_t crashes, timeouts;
    int64_t first_failure_wall_ms; /* 0: has not failed */
    int64_t last_failure_wall_ms;
    int64_t due_ns;
    uint32_t heap_index;

    uint32_t unacked;      /* records under way to the brokers */
    rd_kafka_resp_err_t produce_error;
    struct failure *failure; /* why it failed last; NULL: it has not */
    struct outbox *outbox;   /* emits that did not fit into the producer's queue; NULL: none */
    uint8_t dead_cause;      /* enum dead_cause, while SETTLING as a dead letter */
    uint8_t outcome;         /* enum outcome, while SETTLING */
};

TAILQ_HEAD(job_list, job);

/* Why a job failed: for its log line and its dead letter. One allocation, made on the cold path. */
struct failure {
    char *code;      /* short word */
    char *text;      /* sentence */
    char *backtrace; /* "" unless a worker crashed */
    int signal;      /* 0: none */
};

/* Slabs of jobs with a free list: in the steady state nothing is allocated. */
struct job_pool {
    struct job_slab *slabs;
    struct job_list free;
};

void job_pool_init(struct job_pool *jp);
/* Frees all, whatever state it is in. */
void job_pool_done(struct job_pool *jp);
/* Calls fn for each RUNNING or SETTLING job of `part`. O(all jobs): for revocations. */
void job_pool_each_busy(struct job_pool *jp, const struct part *part,
                        void (*fn)(struct job *job));

/* A zeroed job in state FREE, or NULL: no memory. */
struct job *job_new(struct job_pool *jp) __attribute__((warn_unused_result));
/* Gives back all it holds (record, copies, failure, outbox). */
void job_free(struct job_pool *jp, struct job *job);

void job_set_state(struct job *job, enum job_state state);
const char *job_state_name(enum job_state state);

/* Takes the record: key, value, headers point into it. */
void job_take_record(struct job *job, rd_kafka_message_t *rec);
/* Copies the record out and lets librdkafka's go. -ENOMEM: it stays as it is, which is allowed. */
int job_park(struct job *job);

void job_set_failure(struct job *job, const char *code, size_t code_len, const char *text,
                     size_t text_len, int signal, const char *backtrace);

#endif
