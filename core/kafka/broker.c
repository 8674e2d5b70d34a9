/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The embedded broker: see broker.h.
 *
 * librdkafka marks the API as experimental, so all use of it in the house is in this file. The
 * cluster needs a client handle to live in; that one is never used for anything else. Newer
 * versions let the first rebalance of a group start without its three seconds of waiting; that
 * function is looked up at run time, since the headers we build with may not have it.
 */
#include "kafka/broker.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "base/xalloc.h"
#include "kafka/client.h"

struct broker {
    rd_kafka_t *rk;
    rd_kafka_mock_cluster_t *cluster;
};

static void shorten_first_rebalance(struct broker *br)
{
    typedef void delay_fn(rd_kafka_mock_cluster_t * cluster, int32_t delay_ms);
    delay_fn *delay;

    *(void **)&delay = dlsym(RTLD_DEFAULT, "rd_kafka_mock_group_initial_rebalance_delay_ms");
    if (delay)
        delay(br->cluster, 100);
}

/* Its thread must take no signal: it ends at the first EINTR, and then destroying it waits for ever. */
static rd_kafka_mock_cluster_t *new_cluster(rd_kafka_t *rk)
{
    rd_kafka_mock_cluster_t *cluster;
    sigset_t all, old;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    cluster = rd_kafka_mock_cluster_new(rk, 1);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return cluster;
}

struct broker *broker_new(char *error, size_t error_size)
{
    struct settings_kafka none = {.client_id = (char[]){"quern-broker"}, .brokers = (char[]){""}};
    struct broker *br = xcalloc(1, sizeof *br);
    rd_kafka_conf_t *conf = client_conf(&none, "producer", error, error_size);
    char text[256];

    if (!conf)
        goto fail;
    br->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (!br->rk) {
        rd_kafka_conf_destroy(conf);
        snprintf(error, error_size, "librdkafka makes no handle: %s", text);
        goto fail;
    }
    br->cluster = new_cluster(br->rk);
    if (!br->cluster) {
        snprintf(error, error_size, "librdkafka makes no mock cluster");
        goto fail;
    }
    shorten_first_rebalance(br);
    return br;
fail:
    broker_free(br);
    return NULL;
}

void broker_free(struct broker *br)
{
    if (!br)
        return;
    if (br->cluster)
        rd_kafka_mock_cluster_destroy(br->cluster);
    client_destroy(br->rk, "broker", 5000);
    free(br);
}

const char *broker_address(const struct broker *br)
{
    return rd_kafka_mock_cluster_bootstraps(br->cluster);
}

int broker_topic(struct broker *br, const char *name, int32_t partitions)
{
    rd_kafka_resp_err_t err;

    if (partitions < 1 || partitions > 10000)
        return -EINVAL;
    err = rd_kafka_mock_topic_create(br->cluster, name, partitions, 1);
    if (err == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        return -EEXIST;
    return err ? -EINVAL : 0;
}

void broker_set_down(struct broker *br, int down)
{
    if (down)
        rd_kafka_mock_broker_set_down(br->cluster, -1);
    else
        rd_kafka_mock_broker_set_up(br->cluster, -1);
}

void broker_push_error(struct broker *br, int16_t api_key, int err, size_t count)
{
    while (count-- > 0)
        rd_kafka_mock_push_request_errors(br->cluster, api_key, 1, (rd_kafka_resp_err_t)err);
}
