/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests ask a broker, by librdkafka's plain API and no code of the engine's.
 *
 *     probe ready BROKERS MS                      0 when metadata with a live broker came in time
 *     probe create BROKERS TOPIC PARTITIONS
 *     probe offsets BROKERS GROUP TOPIC...        "committed TOPIC P N" and "end TOPIC P N" lines
 *     probe watch BROKERS TOPIC                   sum of the end offsets, every 50 ms, till stdin ends
 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>

#define TIMEOUT_MS 15000

static rd_kafka_t *client_new(rd_kafka_type_t type, const char *brokers, const char *group)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char error[256];
    rd_kafka_t *rk;

    rd_kafka_conf_set(conf, "bootstrap.servers", brokers, NULL, 0);
    rd_kafka_conf_set(conf, "log_level", "0", NULL, 0);
    rd_kafka_conf_set(conf, "reconnect.backoff.max.ms", "300", NULL, 0);
    if (group) {
        rd_kafka_conf_set(conf, "group.id", group, NULL, 0);
        rd_kafka_conf_set(conf, "enable.auto.commit", "false", NULL, 0);
    }
    rk = rd_kafka_new(type, conf, error, sizeof error);
    if (!rk) {
        fprintf(stderr, "probe: %s\n", error);
        exit(1);
    }
    return rk;
}

static int ready(const char *brokers, int timeout_ms)
{
    rd_kafka_t *rk = client_new(RD_KAFKA_PRODUCER, brokers, NULL);
    const struct rd_kafka_metadata *md;
    int code = 1;

    for (int waited = 0; code && waited < timeout_ms; waited += 200) {
        if (rd_kafka_metadata(rk, 0, NULL, &md, 2000) == RD_KAFKA_RESP_ERR_NO_ERROR) {
            code = md->broker_cnt > 0 ? 0 : 1;
            rd_kafka_metadata_destroy(md);
        }
        if (code)
            usleep(200 * 1000);
    }
    rd_kafka_destroy(rk);
    return code;
}

static int create(const char *brokers, const char *topic, int partitions)
{
    rd_kafka_t *rk = client_new(RD_KAFKA_PRODUCER, brokers, NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    char error[256];
    rd_kafka_NewTopic_t *nt = rd_kafka_NewTopic_new(topic, partitions, 1, error, sizeof error);
    const rd_kafka_topic_result_t **results;
    rd_kafka_event_t *event;
    size_t count = 0;
    int code = 1;

    if (!nt) {
        fprintf(stderr, "probe: %s\n", error);
        return 1;
    }
    rd_kafka_CreateTopics(rk, &nt, 1, NULL, queue);
    event = rd_kafka_queue_poll(queue, TIMEOUT_MS);
    if (event) {
        results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
        if (count == 1 && !rd_kafka_topic_result_error(results[0]))
            code = 0;
        else if (count == 1)
            fprintf(stderr, "probe: %s\n", rd_kafka_topic_result_error_string(results[0]));
        rd_kafka_event_destroy(event);
    }
    rd_kafka_NewTopic_destroy(nt);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(rk);
    return code;
}

static int partition_count(rd_kafka_t *rk, const char *topic)
{
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
    const struct rd_kafka_metadata *md;
    int count = -1;

    if (rd_kafka_metadata(rk, 0, rkt, &md, TIMEOUT_MS) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (md->topic_cnt == 1 && !md->topics[0].err)
            count = md->topics[0].partition_cnt;
        rd_kafka_metadata_destroy(md);
    }
    rd_kafka_topic_destroy(rkt);
    return count;
}

static int offsets_of(rd_kafka_t *rk, const char *topic)
{
    int count = partition_count(rk, topic);
    rd_kafka_topic_partition_list_t *list;

    if (count < 0) {
        fprintf(stderr, "probe: no topic %s\n", topic);
        return 1;
    }
    list = rd_kafka_topic_partition_list_new(count);
    for (int p = 0; p < count; p++)
        rd_kafka_topic_partition_list_add(list, topic, p);
    if (rd_kafka_committed(rk, list, TIMEOUT_MS)) {
        fprintf(stderr, "probe: committed offsets cannot be read\n");
        return 1;
    }
    for (int p = 0; p < count; p++) {
        int64_t low, high;

        if (rd_kafka_query_watermark_offsets(rk, topic, p, &low, &high, TIMEOUT_MS))
            return 1;
        printf("committed %s %d %" PRId64 "\n", topic, p, list->elems[p].offset);
        printf("end %s %d %" PRId64 "\n", topic, p, high);
    }
    rd_kafka_topic_partition_list_destroy(list);
    return 0;
}

static int offsets(const char *brokers, const char *group, char **topics)
{
    rd_kafka_t *rk = client_new(RD_KAFKA_CONSUMER, brokers, group);
    int code = 0;

    for (; *topics && !code; topics++)
        code = offsets_of(rk, *topics);
    rd_kafka_destroy(rk);
    return code;
}

static int watch(const char *brokers, const char *topic)
{
    rd_kafka_t *rk = client_new(RD_KAFKA_CONSUMER, brokers, "probe-watch");
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    int count = partition_count(rk, topic);

    while (count > 0 && poll(&in, 1, 50) == 0) {
        int64_t sum = 0, low, high;
        int p;

        for (p = 0; p < count; p++) {
            if (rd_kafka_query_watermark_offsets(rk, topic, p, &low, &high, TIMEOUT_MS))
                break;
            sum += high;
        }
        if (p == count) {
            printf("%" PRId64 "\n", sum);
            fflush(stdout);
        }
    }
    rd_kafka_destroy(rk);
    return count > 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "ready") == 0)
        return ready(argv[2], atoi(argv[3]));
    if (argc == 5 && strcmp(argv[1], "create") == 0)
        return create(argv[2], argv[3], atoi(argv[4]));
    if (argc >= 5 && strcmp(argv[1], "offsets") == 0)
        return offsets(argv[2], argv[3], argv + 4);
    if (argc == 4 && strcmp(argv[1], "watch") == 0)
        return watch(argv[2], argv[3]);
    fprintf(stderr, "usage: probe ready|create|offsets|watch BROKERS ...\n");
    return 64;
}
