/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far a pipeline's group is behind: see lag.h.
 *
 * Committed offsets are fetched first and the ends after them, so that a group which works
 * meanwhile seems a little further behind than it is, never ahead.
 */
#include "kafka/lag.h"

#include <stdio.h>

#include "base/xalloc.h"
#include "kafka/catalog.h"

int64_t lag_records(const struct lag *lag, enum start start)
{
    int64_t from = lag->committed;

    if (from < 0)
        from = start == START_LATEST ? lag->end : lag->begin;
    if (from < lag->begin)
        from = lag->begin;
    return from < lag->end ? lag->end - from : 0;
}

static int list_partitions(struct catalog *cat, const struct settings_pipeline *pl,
                           rd_kafka_topic_partition_list_t *list)
{
    for (size_t t = 0; t < pl->topic_count; t++) {
        int32_t partitions = 0;
        int err = catalog_partitions(cat, pl->topics[t], &partitions);

        if (err)
            return err;
        for (int32_t p = 0; p < partitions; p++)
            rd_kafka_topic_partition_list_add(list, pl->topics[t], p)->opaque =
                (void *)(uintptr_t)t;
    }
    return 0;
}

static int fill_rows(struct catalog *cat, const rd_kafka_topic_partition_list_t *list,
                     struct lag *rows)
{
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *tp = &list->elems[i];
        int err;

        rows[i] = (struct lag){(uint16_t)(uintptr_t)tp->opaque, tp->partition, tp->offset, 0, 0};
        err = catalog_range(cat, tp->topic, tp->partition, &rows[i].begin, &rows[i].end);
        if (err)
            return err;
    }
    return 0;
}

int lag_read(const struct settings_kafka *kafka, const struct settings_pipeline *pl, int timeout_ms,
             struct lag **rows, size_t *count, char *error, size_t error_size)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
    struct catalog cat;
    int err = catalog_open(&cat, kafka, pl->group, timeout_ms);

    if (!err)
        err = list_partitions(&cat, pl, list);
    if (!err && list->cnt > 0)
        err = catalog_committed(&cat, list);
    if (!err && list->cnt > 0) {
        *rows = xreallocarray(*rows, *count + (size_t)list->cnt, sizeof **rows);
        err = fill_rows(&cat, list, *rows + *count);
        if (!err)
            *count += (size_t)list->cnt;
    }
    if (err)
        snprintf(error, error_size, "%s", cat.error);
    rd_kafka_topic_partition_list_destroy(list);
    catalog_close(&cat);
    return err;
}
