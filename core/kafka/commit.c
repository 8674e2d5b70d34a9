/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Offsets, from the owner's commit points to the brokers.
 *
 * WHY. A commit is a promise that all below it is done. It may come late (costs duplicates after a
 * crash), it must never come early, and within an epoch it never goes back.
 *
 * DESIGN. A partition is dirty from the moment a record of it was handed out until the offset
 * behind its last record is committed; only dirty ones are looked at, so a thousand idle partitions
 * cost nothing. One commit is under way at a time: the next one carries what was settled meanwhile,
 * and an answer belongs to exactly one request (commit_seq), also when a partition was lost and
 * came back in between. A failed commit changes nothing: the offsets are still dirty and ride in
 * the next one. Errors of a rebalance (in progress, illegal generation, unknown member) are what
 * they say: the rebalance callback comes and decides.
 */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "kafka/member.h"

/* librdkafka answers in any case; if it does not, the next commit does not wait for ever. */
#define COMMIT_LOST_NS (90 * NS_PER_S)

void commit_mark(struct member_part *part)
{
    if (part->dirty)
        return;
    part->dirty = true;
    TAILQ_INSERT_TAIL(&part->c->dirty, part, dirty_link);
}

void commit_forget(struct member_part *part)
{
    if (!part->dirty)
        return;
    part->dirty = false;
    TAILQ_REMOVE(&part->c->dirty, part, dirty_link);
}

/* The offsets that are settled and not committed, or NULL: none. */
static rd_kafka_topic_partition_list_t *collect(struct consumer *c, uint64_t seq)
{
    rd_kafka_topic_partition_list_t *list = NULL;
    struct member_part *part, *next;

    for (part = TAILQ_FIRST(&c->dirty); part; part = next) {
        int64_t point = c->ops->commit_point(c->data, part->owner);

        next = TAILQ_NEXT(part, dirty_link);
        if (point < 0 || point <= part->committed)
            continue;
        if (!list)
            list = rd_kafka_topic_partition_list_new(16);
        rd_kafka_topic_partition_list_add(list, member_topic(part), part->partition)->offset =
            point;
        part->committing = point;
        part->commit_seq = seq;
    }
    return list;
}

/* With an explicit queue the answer comes as an event and this is never called; it must be there.
 */
static void unused_commit_cb(rd_kafka_t *rk, rd_kafka_resp_err_t err,
                             rd_kafka_topic_partition_list_t *offsets, void *opaque)
{
    (void)rk;
    (void)err;
    (void)offsets;
    (void)opaque;
}

bool commit_send(struct consumer *c)
{
    rd_kafka_topic_partition_list_t *list;
    rd_kafka_resp_err_t err;

    if (c->commit_in_flight && clock_now_ns() - c->commit_sent_ns < COMMIT_LOST_NS)
        return true;
    list = collect(c, ++c->commit_seq);
    c->commit_again = false;
    if (!list)
        return false;
    err = rd_kafka_commit_queue(c->rk, list, c->replies, unused_commit_cb,
                                (void *)(uintptr_t)c->commit_seq);
    rd_kafka_topic_partition_list_destroy(list);
    c->commit_sent_ns = clock_now_ns();
    if (err) {
        c->stats.commit_errors++;
        c->commit_error = err;
        log_event(LOG_WARN, "commit.failed", "offsets could not be committed; they will be again",
                  LF_STR("pipeline", c->pl->name), LF_STR("error", rd_kafka_err2name(err)));
        return false;
    }
    c->commit_in_flight = true;
    return true;
}

static void commit_answered(struct consumer *c, const rd_kafka_topic_partition_t *tp, uint64_t seq,
                            rd_kafka_resp_err_t err)
{
    struct member_part *part = member_find(c, tp->topic, tp->partition);

    if (!part || part->commit_seq != seq || part->committing < 0)
        return;
    if (!err && part->committing > part->committed)
        part->committed = part->committing;
    part->committing = -1;
    if (part->position >= 0 && part->committed >= part->position)
        commit_forget(part);
}

void commit_reply(struct consumer *c, rd_kafka_event_t *event)
{
    uint64_t seq = (uintptr_t)rd_kafka_event_opaque(event);
    rd_kafka_resp_err_t err = rd_kafka_event_error(event), first = err;
    rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(event);

    for (int i = 0; list && i < list->cnt; i++) {
        rd_kafka_resp_err_t part_err = err ? err : list->elems[i].err;

        if (part_err && !first)
            first = part_err;
        commit_answered(c, &list->elems[i], seq, part_err);
    }
    if (first) {
        c->stats.commit_errors++;
        log_event(LOG_WARN, "commit.failed", "offsets could not be committed; they will be again",
                  LF_STR("pipeline", c->pl->name), LF_STR("error", rd_kafka_err2name(first)),
                  LF_STR("text", rd_kafka_err2str(first)));
    } else {
        c->stats.commits++;
        client_link_up(&c->link);
    }
    if (seq != c->commit_seq)
        return;
    c->commit_in_flight = false;
    c->commit_error = first;
    if (c->step == REBALANCE_COMMIT)
        member_step_soon(c);
    else if (c->commit_again)
        commit_send(c);
}

void commit_tick(struct consumer *c, int64_t now_ns)
{
    if (now_ns < c->next_commit_ns)
        return;
    c->next_commit_ns = now_ns + c->settings->commit_interval_ms * NS_PER_MS;
    /* While partitions are given up, their last commit is the rebalance's business. */
    if (!TAILQ_EMPTY(&c->dirty) && c->step != REBALANCE_COMMIT && c->step != REBALANCE_DRAIN)
        commit_send(c);
}
