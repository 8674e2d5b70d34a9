/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of this room share: a broker of their own, settings that point at it, a loop that
 * runs until something is true, and an owner of partitions that checks what it is handed.
 *
 * Brokers in this process: the tests are small and see to it that all members of a group have one
 * assignor. Sessions are 4 s, since the mock waits a session less a second at each later rebalance.
 */
#ifndef QUERN_TESTS_KAFKA_RIG_H
#define QUERN_TESTS_KAFKA_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <event2/event.h>

#include "config/settings.h"
#include "kafka/broker.h"
#include "kafka/consumer.h"
#include "kafka/producer.h"

#define RIG_PARTS 8

/* One epoch, as the owner sees it. */
struct rig_part {
    struct rig_owner *owner;
    bool live, revoking;
    int32_t partition;
    int64_t start, next; /* next: what must come */
    int64_t settled;     /* commit point; -1: none */
};

/* The pipeline's place: takes records, checks their order, settles them when told to. */
struct rig_owner {
    struct consumer *consumer;
    struct rig_part *parts[RIG_PARTS]; /* live ones by partition */
    size_t room;                       /* answer of room(), less what was taken since it was set */
    bool bounded;                      /* else there is always room */
    bool hold;                         /* do not settle */
    bool undrained;                    /* drained() says no */
    uint64_t records, batches;
    uint64_t bad_order; /* an offset that was not the next one of its epoch */
    uint64_t over_room; /* more records than there was room for */
    uint64_t late;      /* records after revoking() */
    uint32_t assigned, revoked, lost, revoking, drained_asked;
    uint8_t *seen[RIG_PARTS]; /* by offset; how often */
};

struct rig {
    struct event_base *base;
    struct broker *broker;
    struct settings settings;
    struct settings_pipeline pl;
    char *topics[2];
};

extern const struct consumer_ops rig_ops;

void rig_init(struct rig *rig, bool with_broker);
void rig_done(struct rig *rig);
/* A topic and a group nobody else uses. */
void rig_topic(struct rig *rig, const char *name, int32_t partitions);
/* Runs the loop until *flag-like check is true; false after timeout_ms. */
bool rig_until(struct rig *rig, bool (*check)(void *data), void *data, int timeout_ms);
void rig_run_ms(struct rig *rig, int ms);
/* Puts count records, "0", "1", ... on the partition and waits for their acks. */
void rig_produce(struct rig *rig, int32_t partition, int count);
struct consumer *rig_consumer(struct rig *rig, struct rig_owner *owner, int64_t drain_ms);
void rig_owner_done(struct rig_owner *owner);
/* What the group has committed for the partition; -1: nothing. Blocks. */
int64_t rig_committed(struct rig *rig, int32_t partition);
/* Stops, waits until it has, frees. Asserts that it took no longer than timeout_ms. */
void rig_stop(struct rig *rig, struct rig_owner *owner, int timeout_ms);

/* Runs each test in a process of its own, all at once: they spend their time waiting for
 * rebalances, and a mock that aborts takes only its own test along. Returns main()'s exit code. */
int rig_main(const struct CMUnitTest *tests, size_t count);

#endif
