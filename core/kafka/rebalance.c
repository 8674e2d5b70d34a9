/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An assignment or revocation, from librdkafka's callback to our answer.
 *
 * WHY. Between "this partition is yours" and the first record lies a question (from where?), and
 * between "give it back" and giving it back lies work that still runs. Neither may block the loop,
 * and neither may be guessed: an offset that could not be fetched is not "no offset".
 *
 * DESIGN. The callback only writes down what is wanted. librdkafka waits with the rebalance until
 * assign() or unassign() is called, which need not happen inside the callback. The list of wishes
 * is worked off from the loop, one after the other, each a small state machine (enum
 * rebalance_step):
 *
 *   assign:  FETCH the group's committed offsets (REFETCH each second on an error) -> epochs made,
 *            queues taken out of the consumer's -> assign() with explicit offsets
 *   revoke:  DRAIN until the owner is done or drain_ms are over -> COMMIT, bounded -> epochs ended
 * -> unassign()
 *
 * An assignment that librdkafka calls lost (session over, kicked out) is ended at once: no drain,
 * no commit, somebody else may be reading already. When a revocation arrives while offsets are
 * being fetched, or the consumer is to stop, the assignment is answered without epochs, so that
 * librdkafka can go on; nothing reads and nothing commits it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "kafka/member.h"

#define FETCH_TIMEOUT_MS 10000
#define FETCH_LOST_NS    (20 * NS_PER_S)
#define FETCH_RETRY_NS   (NS_PER_S)
#define COMMIT_BOUND_NS  (5 * NS_PER_S)
#define COMMIT_RETRY_NS  (200 * NS_PER_MS)

static bool cooperative(const struct consumer *c)
{
    return strcmp(rd_kafka_rebalance_protocol(c->rk), "COOPERATIVE") == 0;
}

void rebalance_event(rd_kafka_t *rk, rd_kafka_resp_err_t err,
                     rd_kafka_topic_partition_list_t *partitions, void *opaque)
{
    struct consumer *c = opaque;
    struct rebalance *rb;

    (void)rk;
    if (err != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS && err != RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS)
        log_event(LOG_WARN, "rebalance.error", "a rebalance failed",
                  LF_STR("pipeline", c->pl->name), LF_STR("error", rd_kafka_err2name(err)));
    rb = xcalloc(1, sizeof *rb);
    rb->partitions = rd_kafka_topic_partition_list_copy(partitions);
    rb->assign = err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    STAILQ_INSERT_TAIL(&c->rebalances, rb, link);
    c->stats.rebalances++;
    member_step_soon(c);
}

/* Tells librdkafka; list NULL: nothing at all. */
static void answer(struct consumer *c, bool assign, const rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_error_t *error = NULL;
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR;

    if (cooperative(c))
        error = assign ? rd_kafka_incremental_assign(c->rk, list)
                       : rd_kafka_incremental_unassign(c->rk, list);
    else
        err = rd_kafka_assign(c->rk, assign ? list : NULL);
    if (error)
        err = rd_kafka_error_code(error);
    if (err)
        log_event(LOG_ERROR, "rebalance.error", "librdkafka refuses the answer to a rebalance",
                  LF_STR("pipeline", c->pl->name), LF_STR("error", rd_kafka_err2name(err)),
                  LF_STR("text", error ? rd_kafka_error_string(error) : rd_kafka_err2str(err)));
    if (error)
        rd_kafka_error_destroy(error);
}

/* The first wish is fulfilled; on with the next. */
static void next(struct consumer *c)
{
    struct rebalance *rb = STAILQ_FIRST(&c->rebalances);

    STAILQ_REMOVE_HEAD(&c->rebalances, link);
    rd_kafka_topic_partition_list_destroy(rb->partitions);
    free(rb);
    c->step = REBALANCE_NONE;
    member_step_soon(c);
}

/* ---- assign */

static void fetch_offsets(struct consumer *c, const rd_kafka_topic_partition_list_t *partitions)
{
    rd_kafka_ListConsumerGroupOffsets_t *request =
        rd_kafka_ListConsumerGroupOffsets_new(c->pl->group, partitions);
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(c->rk, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS);
    char text[256];

    c->fetch_seq++;
    rd_kafka_AdminOptions_set_opaque(options, (void *)(uintptr_t)c->fetch_seq);
    if (rd_kafka_AdminOptions_set_request_timeout(options, FETCH_TIMEOUT_MS, text, sizeof text))
        log_event(LOG_ERROR, "rebalance.error", "the timeout was refused", LF_STR("text", text));
    rd_kafka_ListConsumerGroupOffsets(c->rk, &request, 1, options, c->replies);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_ListConsumerGroupOffsets_destroy(request);
    c->step = REBALANCE_FETCH;
    c->step_deadline_ns = clock_now_ns() + FETCH_LOST_NS;
}

static void refetch_later(struct consumer *c, const char *error)
{
    log_event(LOG_WARN, "rebalance.offsets_failed",
              "the group's offsets could not be fetched; trying again",
              LF_STR("pipeline", c->pl->name), LF_STR("error", error));
    c->step = REBALANCE_REFETCH;
    c->step_retry_ns = clock_now_ns() + FETCH_RETRY_NS;
}

static uint16_t topic_index(const struct consumer *c, const char *topic)
{
    for (size_t i = 0; i < c->pl->topic_count; i++)
        if (strcmp(c->pl->topics[i], topic) == 0)
            return (uint16_t)i;
    return UINT16_MAX;
}

static void index_part(struct consumer *c, struct member_part *part)
{
    int32_t *count = &c->by_topic_count[part->topic];

    if (part->partition >= *count) {
        int32_t grown = part->partition + 16;

        c->by_topic[part->topic] =
            xreallocarray(c->by_topic[part->topic], (size_t)grown, sizeof(struct member_part *));
        while (*count < grown)
            c->by_topic[part->topic][(*count)++] = NULL;
    }
    c->by_topic[part->topic][part->partition] = part;
}

static void end_part(struct member_part *part, bool lost)
{
    struct consumer *c = part->c;

    commit_forget(part);
    reader_close(part);
    if (part->owner) {
        if (lost) {
            c->stats.lost++;
            if (!part->revoking)
                c->ops->revoking(c->data, part->owner);
        }
        c->ops->revoked(c->data, part->owner, lost);
    }
    log_event(LOG_INFO, lost ? "partition.lost" : "partition.revoked", "a partition was given up",
              LF_STR("pipeline", c->pl->name), LF_STR("topic", member_topic(part)),
              LF_INT("partition", part->partition), LF_INT("committed", part->committed));
    if (c->sweep == part)
        c->sweep = NULL;
    TAILQ_REMOVE(&c->parts, part, link);
    c->by_topic[part->topic][part->partition] = NULL;
    c->stats.assigned--;
    free(part);
}

/* An epoch begins; its queue is ours before librdkafka starts to fetch. tp gets the offset. */
static void begin_part(struct consumer *c, rd_kafka_topic_partition_t *tp)
{
    uint16_t topic = topic_index(c, tp->topic);
    struct member_part *part;
    int err;

    if (topic == UINT16_MAX || member_find(c, tp->topic, tp->partition)) {
        log_event(LOG_ERROR, "rebalance.error", "a partition was assigned that should not be",
                  LF_STR("pipeline", c->pl->name), LF_STR("topic", tp->topic),
                  LF_INT("partition", tp->partition));
        return;
    }
    part = xcalloc(1, sizeof *part);
    part->c = c;
    part->topic = topic;
    part->partition = tp->partition;
    part->committed = tp->offset >= 0 ? tp->offset : -1;
    part->committing = -1;
    part->fd = -1;
    part->record_bytes = 1024;
    if (tp->offset < 0)
        tp->offset = c->pl->start == START_LATEST ? RD_KAFKA_OFFSET_END : RD_KAFKA_OFFSET_BEGINNING;
    part->position = tp->offset;
    TAILQ_INSERT_TAIL(&c->parts, part, link);
    index_part(c, part);
    c->stats.assigned++;
    err = reader_open(part);
    if (err)
        /* No descriptor left: the sweep still reads a queue that has none of its own. */
        log_event(LOG_ERROR, "partition.error",
                  "a partition cannot wake the loop; it is looked at "
                  "ten times a second",
                  LF_STR("pipeline", c->pl->name), LF_INT("errno", -err));
    part->owner = c->ops->assigned(c->data, topic, tp->partition, tp->offset);
    log_event(LOG_INFO, "partition.assigned", "a partition is ours",
              LF_STR("pipeline", c->pl->name), LF_STR("topic", tp->topic),
              LF_INT("partition", tp->partition), LF_INT("committed", part->committed));
}

static void finish_assign(struct consumer *c, rd_kafka_topic_partition_list_t *list, bool epochs)
{
    for (int i = 0; i < list->cnt; i++) {
        list->elems[i].err = RD_KAFKA_RESP_ERR_NO_ERROR;
        if (epochs)
            begin_part(c, &list->elems[i]);
        else
            list->elems[i].offset = RD_KAFKA_OFFSET_END;
    }
    answer(c, true, list);
    if (epochs)
        c->stats.joined = true;
    next(c);
}

/* Does the answer hold an offset, or a confirmed "none", for each partition? They go into `list`.
 */
static const char *take_offsets(rd_kafka_topic_partition_list_t *list, rd_kafka_event_t *event)
{
    const rd_kafka_ListConsumerGroupOffsets_result_t *result;
    const rd_kafka_group_result_t **groups;
    const rd_kafka_topic_partition_list_t *offsets;
    size_t count = 0;

    if (rd_kafka_event_error(event))
        return rd_kafka_event_error_string(event);
    result = rd_kafka_event_ListConsumerGroupOffsets_result(event);
    groups = rd_kafka_ListConsumerGroupOffsets_result_groups(result, &count);
    if (count != 1)
        return "no group in the answer";
    if (rd_kafka_group_result_error(groups[0]))
        return rd_kafka_error_string(rd_kafka_group_result_error(groups[0]));
    offsets = rd_kafka_group_result_partitions(groups[0]);
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *tp =
            offsets ? rd_kafka_topic_partition_list_find(
                          (rd_kafka_topic_partition_list_t *)(uintptr_t)offsets,
                          list->elems[i].topic, list->elems[i].partition)
                    : NULL;

        if (!tp)
            return "a partition is missing in the answer";
        if (tp->err)
            return rd_kafka_err2str(tp->err);
        list->elems[i].offset = tp->offset;
    }
    return NULL;
}

void rebalance_offsets(struct consumer *c, rd_kafka_event_t *event)
{
    struct rebalance *rb = STAILQ_FIRST(&c->rebalances);
    const char *error;

    if (c->step != REBALANCE_FETCH || (uintptr_t)rd_kafka_event_opaque(event) != c->fetch_seq)
        return;
    error = take_offsets(rb->partitions, event);
    if (error) {
        refetch_later(c, error);
        return;
    }
    client_link_up(&c->link);
    finish_assign(c, rb->partitions, true);
}

static void step_assign(struct consumer *c, struct rebalance *rb, int64_t now)
{
    if (c->stopping || STAILQ_NEXT(rb, link) || rb->partitions->cnt == 0) {
        finish_assign(c, rb->partitions, rb->partitions->cnt == 0 && !c->stopping);
        return;
    }
    switch (c->step) {
    case REBALANCE_NONE:
        fetch_offsets(c, rb->partitions);
        break;
    case REBALANCE_FETCH:
        if (now > c->step_deadline_ns)
            refetch_later(c, "no answer");
        break;
    case REBALANCE_REFETCH:
        if (now >= c->step_retry_ns)
            fetch_offsets(c, rb->partitions);
        break;
    case REBALANCE_DRAIN:
    case REBALANCE_COMMIT:
        break;
    }
}

/* ---- revoke */

static void finish_revoke(struct consumer *c, struct rebalance *rb, bool lost)
{
    for (int i = 0; i < rb->partitions->cnt; i++) {
        struct member_part *part =
            member_find(c, rb->partitions->elems[i].topic, rb->partitions->elems[i].partition);

        if (part)
            end_part(part, lost);
    }
    answer(c, false, rb->partitions);
    next(c);
}

static void begin_revoke(struct consumer *c, struct rebalance *rb, int64_t now)
{
    for (int i = 0; i < rb->partitions->cnt; i++) {
        struct member_part *part =
            member_find(c, rb->partitions->elems[i].topic, rb->partitions->elems[i].partition);

        if (!part)
            continue;
        reader_stop(part);
        part->revoking = true;
        c->ops->revoking(c->data, part->owner);
    }
    c->step = REBALANCE_DRAIN;
    c->step_deadline_ns = now + c->drain_ms * NS_PER_MS;
}

static bool all_drained(struct consumer *c, const struct rebalance *rb)
{
    for (int i = 0; i < rb->partitions->cnt; i++) {
        struct member_part *part =
            member_find(c, rb->partitions->elems[i].topic, rb->partitions->elems[i].partition);

        if (!part || part->drained)
            continue;
        if (!c->ops->drained(c->data, part->owner))
            return false;
        part->drained = true;
    }
    return true;
}

/* Worth another try before the partitions are given up? */
static bool commit_passing(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS ||
           err == RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE ||
           err == RD_KAFKA_RESP_ERR_NOT_COORDINATOR || err == RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT ||
           err == RD_KAFKA_RESP_ERR__TRANSPORT || err == RD_KAFKA_RESP_ERR__TIMED_OUT ||
           err == RD_KAFKA_RESP_ERR__WAIT_COORD;
}

static void step_commit(struct consumer *c, struct rebalance *rb, int64_t now)
{
    if (now > c->step_deadline_ns) {
        log_event(LOG_WARN, "commit.timeout",
                  "the last commit of partitions given up was not acknowledged; what they did "
                  "since the one before will be done again",
                  LF_STR("pipeline", c->pl->name));
        c->stats.revoke_timeouts++;
        finish_revoke(c, rb, false);
        return;
    }
    if (c->commit_in_flight || now < c->step_retry_ns)
        return;
    if (c->commit_error && !commit_passing(c->commit_error)) {
        finish_revoke(c, rb, false);
        return;
    }
    if (c->commit_error)
        c->step_retry_ns = now + COMMIT_RETRY_NS;
    c->commit_error = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (!commit_send(c) && !c->commit_error)
        finish_revoke(c, rb, false);
}

static void step_revoke(struct consumer *c, struct rebalance *rb, int64_t now)
{
    if (rd_kafka_assignment_lost(c->rk)) {
        finish_revoke(c, rb, true);
        return;
    }
    if (c->step == REBALANCE_NONE)
        begin_revoke(c, rb, now);
    if (c->step == REBALANCE_DRAIN) {
        bool drained = all_drained(c, rb);

        if (!drained && now < c->step_deadline_ns)
            return;
        if (!drained) {
            c->stats.revoke_timeouts++;
            log_event(LOG_WARN, "rebalance.drain_timeout",
                      "jobs of a partition that is taken away did not end in time; its next owner "
                      "does them again",
                      LF_STR("pipeline", c->pl->name), LF_INT("drain_ms", c->drain_ms));
        }
        c->step = REBALANCE_COMMIT;
        c->commit_error = RD_KAFKA_RESP_ERR_NO_ERROR;
        c->step_retry_ns = 0;
        c->step_deadline_ns = now + COMMIT_BOUND_NS;
    }
    step_commit(c, rb, now);
}

void rebalance_step(struct consumer *c)
{
    struct rebalance *rb = STAILQ_FIRST(&c->rebalances);

    if (!rb)
        return;
    if (rb->assign)
        step_assign(c, rb, clock_now_ns());
    else
        step_revoke(c, rb, clock_now_ns());
}

void rebalance_abandon(struct consumer *c)
{
    struct member_part *part;
    struct rebalance *rb;

    while ((part = TAILQ_FIRST(&c->parts)))
        end_part(part, true);
    while ((rb = STAILQ_FIRST(&c->rebalances))) {
        STAILQ_REMOVE_HEAD(&c->rebalances, link);
        rd_kafka_topic_partition_list_destroy(rb->partitions);
        free(rb);
    }
    c->step = REBALANCE_NONE;
}
