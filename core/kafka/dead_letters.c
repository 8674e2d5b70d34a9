/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a dead-letter topic: see dead_letters.h.
 *
 * DESIGN. assign() with explicit offsets, no group: looking must not move anything. The end of each
 * partition is taken once, at the start, so that a topic that grows while it is read does not keep
 * the reader for ever. The last offsets of a partition may hold no record (a transaction's marker,
 * a compacted one); so when nothing came for a while, librdkafka's own position is looked at.
 */
#include "kafka/dead_letters.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/xalloc.h"
#include "kafka/catalog.h"

#define POLL_MS  100
#define QUIET_NS (2 * NS_PER_S)

struct reading {
    struct catalog cat;
    rd_kafka_topic_partition_list_t *list; /* offset: where to begin */
    int64_t *ends;                         /* by partition; 0: nothing to read */
    int32_t partitions;
    int32_t open; /* partitions that are not at their end yet */
};

void dead_fields_read(const rd_kafka_message_t *rec, struct dead_fields *ret)
{
    rd_kafka_headers_t *headers = NULL;

    memset(ret, 0, sizeof *ret);
    if (rd_kafka_message_headers(rec, &headers) || !headers)
        return;
    for (int i = 0; i < DEAD_HEADER_COUNT; i++) {
        const void *value = NULL;
        size_t len = 0;

        if (rd_kafka_header_get_last(headers, dead_header_names[i], &value, &len) || !value)
            continue;
        ret->text[i] = value;
        ret->len[i] = len;
    }
}

static void reading_done(struct reading *rd)
{
    if (rd->list)
        rd_kafka_topic_partition_list_destroy(rd->list);
    free(rd->ends);
    catalog_close(&rd->cat);
}

static int reading_begin(struct reading *rd, const struct settings_kafka *kafka, const char *topic,
                         int timeout_ms)
{
    /* assign() is only for handles with a group id; none is ever joined or committed to. */
    int err = catalog_open(&rd->cat, kafka, "quern-dead-letter-reader", timeout_ms);

    rd->list = rd_kafka_topic_partition_list_new(8);
    if (!err)
        err = catalog_partitions(&rd->cat, topic, &rd->partitions);
    if (!err)
        rd->ends = xcalloc((size_t)rd->partitions + 1, sizeof *rd->ends);
    return err;
}

/* Ends the reading of a partition whose records up to `position` have come. */
static void mark_position(struct reading *rd, int32_t partition, int64_t position)
{
    if (partition < 0 || partition >= rd->partitions || rd->ends[partition] == 0 ||
        position < rd->ends[partition])
        return;
    rd->ends[partition] = 0;
    rd->open--;
}

/* Marks those whose last offsets held no record, by librdkafka's own position. */
static void mark_all(struct reading *rd)
{
    if (rd_kafka_position(rd->cat.rk, rd->list))
        return;
    for (int i = 0; i < rd->list->cnt; i++)
        if (rd->list->elems[i].offset >= 0)
            mark_position(rd, rd->list->elems[i].partition, rd->list->elems[i].offset);
}

static int read_on(struct reading *rd, dead_letter_fn fn, void *data)
{
    int64_t last_ns = clock_now_ns();
    bool any = false;

    rd_kafka_poll_set_consumer(rd->cat.rk);
    if (rd_kafka_assign(rd->cat.rk, rd->list))
        return -EINVAL;
    while (rd->open > 0) {
        rd_kafka_message_t *rec = rd_kafka_consumer_poll(rd->cat.rk, POLL_MS);
        bool enough = false;

        if (rec && !rec->err && rec->partition < rd->partitions &&
            rec->offset < rd->ends[rec->partition]) {
            struct dead_fields fields;

            dead_fields_read(rec, &fields);
            enough = !fn(data, rec, &fields);
        }
        if (rec && !rec->err) {
            mark_position(rd, rec->partition, rec->offset + 1);
            last_ns = clock_now_ns();
            any = true;
        }
        if (rec)
            rd_kafka_message_destroy(rec);
        if (enough)
            break;
        if (!rec && any && clock_now_ns() - last_ns > QUIET_NS) {
            mark_all(rd);
            last_ns = clock_now_ns();
        }
        if (catalog_left_ms(&rd->cat) == 0) {
            snprintf(rd->cat.error, sizeof rd->cat.error,
                     "not all dead letters could be read in time");
            return -ETIMEDOUT;
        }
    }
    return 0;
}

int dead_letters_read(const struct settings_kafka *kafka, const char *topic, int timeout_ms,
                      dead_letter_fn fn, void *data, char *error, size_t error_size)
{
    struct reading rd = {0};
    int err = reading_begin(&rd, kafka, topic, timeout_ms);

    for (int32_t p = 0; !err && p < rd.partitions; p++) {
        int64_t begin = 0, end = 0;

        err = catalog_range(&rd.cat, topic, p, &begin, &end);
        if (err || begin >= end)
            continue;
        rd.ends[p] = end;
        rd.open++;
        rd_kafka_topic_partition_list_add(rd.list, topic, p)->offset = begin;
    }
    if (!err && rd.open > 0)
        err = read_on(&rd, fn, data);
    if (err)
        snprintf(error, error_size, "%s", rd.cat.error);
    reading_done(&rd);
    return err;
}

/* For one record: stops after the first, and takes it only when it is the right one. */
struct single {
    int64_t offset;
    dead_letter_fn fn;
    void *data;
    bool found;
};

static bool take_single(void *data, const rd_kafka_message_t *rec, const struct dead_fields *fields)
{
    struct single *one = data;

    one->found = rec->offset == one->offset;
    if (one->found)
        one->fn(one->data, rec, fields);
    return false;
}

int dead_letters_read_one(const struct settings_kafka *kafka, const char *topic, int32_t partition,
                          int64_t offset, int timeout_ms, dead_letter_fn fn, void *data,
                          char *error, size_t error_size)
{
    struct single one = {.offset = offset, .fn = fn, .data = data};
    struct reading rd = {0};
    int64_t begin = 0, end = 0;
    int err = reading_begin(&rd, kafka, topic, timeout_ms);

    if (!err && (partition < 0 || partition >= rd.partitions)) {
        snprintf(rd.cat.error, sizeof rd.cat.error, "the topic \"%.100s\" has %d partitions", topic,
                 (int)rd.partitions);
        err = -ENOENT;
    }
    if (!err)
        err = catalog_range(&rd.cat, topic, partition, &begin, &end);
    if (!err && offset >= begin && offset < end) {
        rd.ends[partition] = end;
        rd.open = 1;
        rd_kafka_topic_partition_list_add(rd.list, topic, partition)->offset = offset;
        err = read_on(&rd, take_single, &one);
    }
    if (!err && !one.found) {
        snprintf(rd.cat.error, sizeof rd.cat.error,
                 "there is no dead letter at %d/%lld (the partition holds offsets %lld to %lld)",
                 (int)partition, (long long)offset, (long long)begin, (long long)end - 1);
        err = -ENOENT;
    }
    if (err)
        snprintf(error, error_size, "%s", rd.cat.error);
    reading_done(&rd);
    return err;
}
