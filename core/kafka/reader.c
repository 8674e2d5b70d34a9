/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records, from the partitions' queues to the owner.
 *
 * WHY. Here is the hot path of the room and all of its backpressure: a queue whose owner has no
 * room is simply not read. librdkafka goes on fetching until its byte limit, and nothing is thrown
 * away, as pause() would.
 *
 * DESIGN. A queue's eventfd is written when the queue becomes non-empty, and not again until it was
 * found empty; so a queue that was left with records in it stays in `active` (or in `starved`, when
 * its owner said 0) and we wake ourselves. Active queues are served in turn, one batch each, a few
 * batches a round; then the loop has its turn. A batch is bounded by the owner's room, by 256
 * records and, by the average size so far, by 256 KiB.
 *
 * Within an epoch offsets only grow. When the log was cut or made anew under us and librdkafka
 * starts over (auto.offset.reset), the epoch ends as lost and a new one begins: no tracker ever
 * sees an offset twice.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "kafka/member.h"

#define BATCH_RECORDS 256
#define BATCH_BYTES   (256 * 1024)
#define ROUND_BATCHES 8
#define ROUND_VISITS  64
#define SWEEP_PARTS   64

static void set_reading(struct member_part *part, enum reading reading)
{
    struct consumer *c = part->c;

    if (part->reading == READING_ACTIVE)
        TAILQ_REMOVE(&c->active, part, read_link);
    else if (part->reading == READING_STARVED)
        TAILQ_REMOVE(&c->starved, part, read_link);
    part->reading = reading;
    if (reading == READING_ACTIVE)
        TAILQ_INSERT_TAIL(&c->active, part, read_link);
    else if (reading == READING_STARVED)
        TAILQ_INSERT_TAIL(&c->starved, part, read_link);
}

static void on_wake(evutil_socket_t fd, short what, void *data)
{
    struct member_part *part = data;
    uint64_t count;

    (void)what;
    if (read(fd, &count, sizeof count) < 0 && errno != EAGAIN)
        log_event(LOG_ERROR, "kafka.eventfd", "an eventfd cannot be read", LF_INT("errno", errno));
    if (part->reading != READING_IDLE)
        return;
    set_reading(part, READING_ACTIVE);
    event_active(part->c->read_event, EV_TIMEOUT, 0);
}

int reader_open(struct member_part *part)
{
    static const uint64_t one = 1;
    struct consumer *c = part->c;

    part->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (part->fd < 0)
        return -errno;
    part->wake = event_new(c->base, part->fd, EV_READ | EV_PERSIST, on_wake, part);
    if (!part->wake || event_add(part->wake, NULL) != 0)
        return -ENOMEM;
    part->queue = rd_kafka_queue_get_partition(c->rk, member_topic(part), part->partition);
    if (!part->queue)
        return -ENOENT;
    rd_kafka_queue_forward(part->queue, NULL);
    rd_kafka_queue_io_event_enable(part->queue, part->fd, &one, sizeof one);
    return 0;
}

void reader_stop(struct member_part *part)
{
    set_reading(part, READING_OVER);
}

void reader_close(struct member_part *part)
{
    set_reading(part, READING_OVER);
    if (part->queue) {
        rd_kafka_queue_io_event_enable(part->queue, -1, NULL, 0);
        rd_kafka_queue_destroy(part->queue);
        part->queue = NULL;
    }
    if (part->wake)
        event_free(part->wake);
    part->wake = NULL;
    if (part->fd >= 0)
        close(part->fd);
    part->fd = -1;
}

void reader_restart(struct member_part *part, int64_t offset)
{
    struct consumer *c = part->c;

    log_event(LOG_WARN, "partition.rewound",
              "the log was cut or made anew: what comes now was not read in this epoch",
              LF_STR("pipeline", c->pl->name), LF_STR("topic", member_topic(part)),
              LF_INT("partition", part->partition), LF_INT("expected", part->position),
              LF_INT("offset", offset));
    commit_forget(part);
    part->committing = -1;
    part->committed = -1;
    c->stats.lost++;
    c->ops->revoking(c->data, part->owner);
    c->ops->revoked(c->data, part->owner, true);
    part->owner = c->ops->assigned(c->data, part->topic, part->partition, offset);
    part->position = offset;
}

/* A gap in the offsets is compaction or a transaction's marker, unless the log begins behind what
 * should have come: then retention was faster than we, and records are gone. */
static void check_gap(struct member_part *part, int64_t offset)
{
    struct consumer *c = part->c;
    int64_t low = -1, high = -1;

    if (rd_kafka_get_watermark_offsets(c->rk, member_topic(part), part->partition, &low, &high) ||
        low <= part->position || offset < low)
        return;
    log_event(LOG_WARN, "partition.out_of_range",
              "records were deleted by the topic's retention before they were read",
              LF_STR("pipeline", c->pl->name), LF_STR("topic", member_topic(part)),
              LF_INT("partition", part->partition), LF_INT("expected", part->position),
              LF_INT("first", low));
}

static void log_record_error(struct member_part *part, const rd_kafka_message_t *rec)
{
    log_event(LOG_WARN, "partition.error", "reading a partition failed; librdkafka tries on",
              LF_STR("pipeline", part->c->pl->name), LF_STR("topic", member_topic(part)),
              LF_INT("partition", part->partition), LF_STR("error", rd_kafka_err2name(rec->err)),
              LF_STR("text", rd_kafka_message_errstr(rec)));
}

/* Hands over recs[count], whose offsets grow from part->position. */
static void hand_over(struct member_part *part, rd_kafka_message_t **recs, size_t count,
                      size_t bytes)
{
    struct consumer *c = part->c;

    part->position = recs[count - 1]->offset + 1;
    part->record_bytes = (uint32_t)((3 * (uint64_t)part->record_bytes + bytes / count) / 4);
    c->stats.records += count;
    c->stats.bytes += bytes;
    commit_mark(part);
    c->ops->records(c->data, part->owner, recs, count);
}

/* Sorts errors out and hands the rest over. Returns how many records that were. */
static size_t deliver(struct member_part *part, rd_kafka_message_t **recs, size_t count)
{
    size_t kept = 0, bytes = 0, total = 0;
    int64_t expected = part->position;

    for (size_t i = 0; i < count; i++) {
        rd_kafka_message_t *rec = recs[i];

        if (rec->err) {
            log_record_error(part, rec);
            rd_kafka_message_destroy(rec);
            continue;
        }
        if (expected >= 0 && rec->offset < expected) {
            if (kept > 0)
                hand_over(part, recs, kept, bytes);
            total += kept;
            memmove(recs, recs + i, (count - i) * sizeof *recs);
            count -= i;
            i = 0;
            kept = bytes = 0;
            reader_restart(part, rec->offset);
        } else if (kept == 0 && expected >= 0 && rec->offset > expected) {
            check_gap(part, rec->offset);
        }
        expected = rec->offset + 1;
        bytes += rec->len + rec->key_len;
        recs[kept++] = rec;
    }
    if (kept > 0)
        hand_over(part, recs, kept, bytes);
    return total + kept;
}

/* One batch. Returns whether records were handed over. */
static bool read_part(struct member_part *part)
{
    struct consumer *c = part->c;
    rd_kafka_message_t *recs[BATCH_RECORDS];
    size_t want = c->ops->room(c->data, part->owner), by_size;
    ssize_t got;

    if (want == 0) {
        set_reading(part, READING_STARVED);
        return false;
    }
    by_size = BATCH_BYTES / (part->record_bytes + 1) + 1;
    want = want < BATCH_RECORDS ? want : BATCH_RECORDS;
    want = want < by_size ? want : by_size;
    got = rd_kafka_consume_batch_queue(part->queue, 0, recs, want);
    if (got < 0) {
        log_event(LOG_ERROR, "partition.error", "a partition's queue cannot be read",
                  LF_STR("pipeline", c->pl->name),
                  LF_STR("error", rd_kafka_err2name(rd_kafka_last_error())));
        got = 0;
    }
    /* To the end of the line, or out of it; before the owner is called, who may ask for more. */
    set_reading(part, (size_t)got < want ? READING_IDLE : READING_ACTIVE);
    return got > 0 && deliver(part, recs, (size_t)got) > 0;
}

void reader_round(struct consumer *c)
{
    struct member_part *part;
    size_t batches = 0, visits = 0;

    while (batches < ROUND_BATCHES && visits++ < ROUND_VISITS && (part = TAILQ_FIRST(&c->active)))
        batches += read_part(part);
    if (batches > 0) {
        client_link_up(&c->link);
        c->ops->batch_done(c->data);
    }
    if (!TAILQ_EMPTY(&c->active))
        event_active(c->read_event, EV_TIMEOUT, 0);
}

void consumer_read(struct consumer *c)
{
    struct member_part *part;

    if (TAILQ_EMPTY(&c->starved))
        return;
    TAILQ_FOREACH(part, &c->starved, read_link)
    part->reading = READING_ACTIVE;
    TAILQ_CONCAT(&c->active, &c->starved, read_link);
    event_active(c->read_event, EV_TIMEOUT, 0);
}

void reader_sweep(struct consumer *c)
{
    struct member_part *part = c->sweep;
    bool found = false;

    for (size_t n = 0; n < SWEEP_PARTS; n++) {
        if (!part)
            part = TAILQ_FIRST(&c->parts);
        if (!part)
            break;
        if (part->reading == READING_IDLE && rd_kafka_queue_length(part->queue) > 0) {
            set_reading(part, READING_ACTIVE);
            found = true;
        }
        part = TAILQ_NEXT(part, link);
        if (part == c->sweep)
            break;
    }
    c->sweep = part;
    if (found)
        event_active(c->read_event, EV_TIMEOUT, 0);
}

void reader_stray(struct consumer *c, rd_kafka_message_t *rec)
{
    struct member_part *part =
        rec->rkt ? member_find(c, rd_kafka_topic_name(rec->rkt), rec->partition) : NULL;

    log_event(LOG_ERROR, "kafka.stray", "a record came through the control queue",
              LF_STR("pipeline", c->pl->name), LF_INT("partition", rec->partition),
              LF_INT("offset", rec->offset));
    if (part && part->reading != READING_OVER &&
        (part->position < 0 || rec->offset >= part->position)) {
        hand_over(part, &rec, 1, rec->len + rec->key_len);
        c->ops->batch_done(c->data);
    } else {
        rd_kafka_message_destroy(rec);
    }
}
