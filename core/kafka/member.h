/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of a consumer, for the files of this room that are its parts:
 *
 *   consumer.c   life and end of the whole; the control queue; what others may ask
 *   rebalance.c  an assignment or revocation, from librdkafka's callback to our answer
 *   reader.c     records from the partitions' queues to the owner
 *   commit.c     offsets, from the owner's commit points to the brokers
 *
 * One thread, no locks. Nothing blocks but the few calls that librdkafka's main thread answers at
 * once (subscribe, assign, unassign).
 */
#ifndef QUERN_KAFKA_MEMBER_H
#define QUERN_KAFKA_MEMBER_H

#include <sys/queue.h>

#include <event2/event.h>

#include "kafka/client.h"
#include "kafka/consumer.h"

/* Where a partition's queue is in the reading. */
enum reading {
    READING_IDLE,    /* was empty: its eventfd will tell */
    READING_ACTIVE,  /* in c->active: may hold records */
    READING_STARVED, /* in c->starved: may hold records, its owner has no room */
    READING_OVER     /* revoking or lost: never read again */
};

/* One epoch of one partition. */
struct member_part {
    TAILQ_ENTRY(member_part) link;       /* in c->parts */
    TAILQ_ENTRY(member_part) read_link;  /* in c->active or c->starved */
    TAILQ_ENTRY(member_part) dirty_link; /* in c->dirty */
    struct consumer *c;
    void *owner; /* what assigned() returned */
    rd_kafka_queue_t *queue;
    struct event *wake;
    int fd; /* eventfd that librdkafka writes when `queue` becomes non-empty */
    enum reading reading;
    uint16_t topic;
    bool dirty;    /* in c->dirty: records handed out that are not committed yet */
    bool revoking; /* told so; waits for drained() */
    bool drained;
    int32_t partition;
    int64_t position;   /* next to read; may be OFFSET_BEGINNING or _END until the first record */
    int64_t committed;  /* -1: nothing known */
    int64_t committing; /* offset under way, of the commit `commit_seq`; -1: none */
    uint64_t commit_seq;
    uint32_t record_bytes; /* moving average, for the size of a batch */
};

TAILQ_HEAD(member_list, member_part);

/* What librdkafka wants answered, in its order. */
struct rebalance {
    STAILQ_ENTRY(rebalance) link;
    rd_kafka_topic_partition_list_t *partitions;
    bool assign;
};

/* Steps of the one that is being answered (the first in c->rebalances). */
enum rebalance_step {
    REBALANCE_NONE,
    REBALANCE_FETCH,   /* the committed offsets are asked for */
    REBALANCE_REFETCH, /* that failed; waits for the next try */
    REBALANCE_DRAIN,   /* the owner finishes what runs */
    REBALANCE_COMMIT   /* the last commit is under way */
};

struct consumer {
    struct event_base *base;
    const struct settings *settings;
    const struct settings_pipeline *pl;
    const struct consumer_ops *ops;
    void *data;
    int64_t drain_ms;

    rd_kafka_t *rk;
    rd_kafka_queue_t *control; /* rebalances, errors */
    rd_kafka_queue_t *replies; /* commits, fetched offsets */
    int control_fd, reply_fd;
    struct event *control_event, *reply_event;
    struct event
        *step_event; /* activated by hand: take the next step of a rebalance or of the end */
    struct event *read_event; /* activated by hand: read on */
    struct event *tick_event; /* 100 ms */
    struct client_link link;

    struct member_list parts;
    struct member_part ***by_topic; /* [topic][partition], NULL: not ours */
    int32_t *by_topic_count;
    struct member_list active, starved, dirty;
    struct member_part *sweep; /* the next one that the tick looks at */

    STAILQ_HEAD(, rebalance) rebalances;
    enum rebalance_step step;
    uint64_t fetch_seq; /* of the request for committed offsets that counts */
    int64_t step_deadline_ns, step_retry_ns;

    uint64_t commit_seq;   /* of the last commit sent */
    bool commit_in_flight; /* the last one sent has no answer yet */
    bool commit_again;     /* asked for meanwhile */
    int64_t commit_sent_ns, next_commit_ns;
    rd_kafka_resp_err_t commit_error; /* of the last one answered */

    bool stopping, unsubscribed, closing, stopped;
    int64_t stop_deadline_ns;
    int64_t next_link_ns;
    struct consumer_stats stats;
};

/* ---- consumer.c */
struct member_part *member_find(const struct consumer *c, const char *topic, int32_t partition);
const char *member_topic(const struct member_part *part);
void member_step_soon(struct consumer *c);

/* ---- rebalance.c */
void rebalance_event(rd_kafka_t *rk, rd_kafka_resp_err_t err,
                     rd_kafka_topic_partition_list_t *partitions, void *opaque);
void rebalance_step(struct consumer *c);
/* The committed offsets arrived, or why they did not. */
void rebalance_offsets(struct consumer *c, rd_kafka_event_t *event);
/* The consumer is given up without librdkafka's consent: ends all epochs as lost. */
void rebalance_abandon(struct consumer *c);

/* ---- reader.c */
int reader_open(struct member_part *part); /* before the assignment is answered */
void reader_close(struct member_part *part);
void reader_stop(struct member_part *part); /* hands out nothing more */
void reader_round(struct consumer *c);
/* Looks at some queues whose wake-up might have been missed. */
void reader_sweep(struct consumer *c);
/* A record that came through the control queue. */
void reader_stray(struct consumer *c, rd_kafka_message_t *rec);
/* The same partition from another place: the old epoch ends as lost, a new one begins. */
void reader_restart(struct member_part *part, int64_t offset);

/* ---- commit.c */
void commit_mark(struct member_part *part); /* records of it were handed out */
void commit_forget(struct member_part *part);
/* Sends what is due; a commit that is under way makes it wait. True: something is under way now. */
bool commit_send(struct consumer *c);
void commit_reply(struct consumer *c, rd_kafka_event_t *event);
void commit_tick(struct consumer *c, int64_t now_ns);

#endif
