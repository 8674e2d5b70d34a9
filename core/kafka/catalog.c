/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Short questions to the brokers: see catalog.h.
 *
 * Errors that pass (no connection yet, a coordinator that loads) are tried again until the
 * deadline; the last one is then the reason that is told. On the embedded broker topics are looked
 * up in the list of all: it creates each one that is asked for by name.
 */
#include "kafka/catalog.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "kafka/client.h"

#define RETRY_MS 100

int catalog_open(struct catalog *cat, const struct settings_kafka *kafka, const char *group,
                 int timeout_ms)
{
    rd_kafka_conf_t *conf;
    char text[160];

    memset(cat, 0, sizeof *cat);
    cat->kafka = kafka;
    cat->deadline_ns = clock_now_ns() + timeout_ms * NS_PER_MS;
    conf = client_conf(kafka, "consumer", cat->error, sizeof cat->error);
    if (!conf)
        return -EINVAL;
    client_try_set(conf, "statistics.interval.ms", "0");
    client_try_set(conf, "enable.auto.commit", "false");
    client_try_set(conf, "auto.offset.reset", "earliest");
    client_try_set(conf, "enable.partition.eof", "false");
    if (kafka->embedded)
        client_try_set(conf, "fetch.wait.max.ms", "10");
    if (!client_set(conf, "allow.auto.create.topics", "false", cat->error, sizeof cat->error) ||
        (group && !client_set(conf, "group.id", group, cat->error, sizeof cat->error))) {
        rd_kafka_conf_destroy(conf);
        return -EINVAL;
    }
    cat->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    if (cat->rk)
        return 0;
    rd_kafka_conf_destroy(conf);
    snprintf(cat->error, sizeof cat->error, "librdkafka makes no handle: %s", text);
    return -EINVAL;
}

void catalog_close(struct catalog *cat)
{
    client_destroy(cat->rk, "catalog", 3000);
    cat->rk = NULL;
}

int catalog_left_ms(const struct catalog *cat)
{
    int64_t left = (cat->deadline_ns - clock_now_ns()) / NS_PER_MS;

    return left > 0 ? (int)left : 0;
}

static int fail(struct catalog *cat, rd_kafka_resp_err_t err, const char *what)
{
    if (err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
        err == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION) {
        snprintf(cat->error, sizeof cat->error, "%s does not exist", what);
        return -ENOENT;
    }
    if (err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
        err == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED) {
        snprintf(cat->error, sizeof cat->error, "not authorised to read %s", what);
        return -EACCES;
    }
    snprintf(cat->error, sizeof cat->error, "no answer from the brokers at %s in time (%s)",
             cat->kafka->brokers, rd_kafka_err2str(err));
    return -ETIMEDOUT;
}

/* Is another try worth it? Waits a little when it is. */
static bool again(const struct catalog *cat, rd_kafka_resp_err_t err)
{
    bool final = err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
                 err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
                 err == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION ||
                 err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
                 err == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;

    if (final || catalog_left_ms(cat) <= RETRY_MS)
        return false;
    usleep(RETRY_MS * 1000);
    return true;
}

static rd_kafka_resp_err_t ask(const struct catalog *cat, const char *topic, int32_t *ret_count)
{
    bool list = cat->kafka->embedded;
    rd_kafka_topic_t *rkt = list ? NULL : rd_kafka_topic_new(cat->rk, topic, NULL);
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t err;

    if (!list && !rkt)
        return RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
    err = rd_kafka_metadata(cat->rk, list, rkt, &metadata, catalog_left_ms(cat));
    if (!err) {
        err = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        for (int i = 0; i < metadata->topic_cnt; i++)
            if (strcmp(metadata->topics[i].topic, topic) == 0) {
                err = metadata->topics[i].err;
                *ret_count = metadata->topics[i].partition_cnt;
            }
        rd_kafka_metadata_destroy(metadata);
    }
    if (rkt)
        rd_kafka_topic_destroy(rkt);
    return err;
}

int catalog_partitions(struct catalog *cat, const char *topic, int32_t *ret_count)
{
    char what[128];
    rd_kafka_resp_err_t err;
    int32_t count = 0;

    do {
        err = ask(cat, topic, &count);
    } while (err && again(cat, err));
    if (err) {
        snprintf(what, sizeof what, "the topic \"%.100s\"", topic);
        return fail(cat, err, what);
    }
    *ret_count = count;
    return 0;
}

int catalog_range(struct catalog *cat, const char *topic, int32_t partition, int64_t *ret_begin,
                  int64_t *ret_end)
{
    char what[160];
    rd_kafka_resp_err_t err;
    int64_t begin, end;

    do {
        err = rd_kafka_query_watermark_offsets(cat->rk, topic, partition, &begin, &end,
                                               catalog_left_ms(cat));
    } while (err && again(cat, err));
    if (err) {
        snprintf(what, sizeof what, "partition %d of the topic \"%.100s\"", (int)partition, topic);
        return fail(cat, err, what);
    }
    *ret_begin = begin;
    *ret_end = end;
    return 0;
}

int catalog_committed(struct catalog *cat, rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_resp_err_t err;

    do {
        err = rd_kafka_committed(cat->rk, list, catalog_left_ms(cat));
        for (int i = 0; !err && i < list->cnt; i++)
            err = list->elems[i].err;
    } while (err && again(cat, err));
    if (err)
        return fail(cat, err, "the group's offsets");
    for (int i = 0; i < list->cnt; i++)
        if (list->elems[i].offset < 0)
            list->elems[i].offset = -1;
    return 0;
}
