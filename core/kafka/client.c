/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all handles have in common.
 *
 * WHY. Consumers, the producer and the short-lived handles of the verbs must reach the same brokers
 * with the same credentials, log in one way and agree on what this librdkafka can be trusted with.
 *
 * DESIGN. Order of settings: ours first, then what the configuration passes through, then (by the
 * caller) what must not be changed. Properties are the consumer's, the producer's or both's;
 * librdkafka complains of those that are not its own, so they are sorted out here.
 *
 * librdkafka tells when the last broker was lost, but not when one came back: that is read from its
 * statistics, whose JSON lists the brokers with their states before anything that grows with the
 * number of partitions.
 *
 * librdkafka logs from its own threads; base/log allows that.
 */
#include "kafka/client.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/xalloc.h"

/* Properties of one side only; a trailing '.' or '_' makes a prefix. Topic-level ones included. */
static const char *const consumer_only[] = {
    "fetch.",
    "queued.",
    "session.timeout.ms",
    "heartbeat.interval.ms",
    "max.poll.",
    "group.",
    "isolation.level",
    "auto.offset.reset",
    "check.crcs",
    "partition.assignment.strategy",
    "coordinator.query.interval.ms",
    "enable.partition.eof",
    "enable.auto.",
    "auto.commit.",
    "allow.auto.create.topics",
    "consume.callback.",
    "max.partition.fetch.bytes",
};
static const char *const producer_only[] = {
    "linger.ms",
    "batch.",
    "compression.",
    "queue.buffering.",
    "message.timeout.ms",
    "delivery.timeout.ms",
    "retries",
    "message.send.max.retries",
    "acks",
    "request.required.acks",
    "request.timeout.ms",
    "enable.idempotence",
    "enable.gapless.guarantee",
    "partitioner",
    "sticky.partitioning.linger.ms",
    "transactional.id",
    "transaction.timeout.ms",
    "msg_order_cmp",
    "queuing.strategy",
    "delivery.report.only.error",
};

static bool name_in(const char *const *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(list[i]);

        if (list[i][len - 1] == '.' ? strncmp(name, list[i], len) == 0 : strcmp(name, list[i]) == 0)
            return true;
    }
    return false;
}

/* syslog's levels, which librdkafka uses. */
static enum log_level level_of(int syslog_level)
{
    if (syslog_level <= 3)
        return LOG_ERROR;
    if (syslog_level <= 4)
        return LOG_WARN;
    return syslog_level <= 6 ? LOG_INFO : LOG_DEBUG;
}

/* Thread: any of librdkafka's. */
static void on_log(const rd_kafka_t *rk, int level, const char *fac, const char *text)
{
    enum log_level ours = level_of(level);

    if (strcasestr(text, "authentication fail") || strcasestr(text, "authentication error")) {
        log_event(LOG_ERROR, "kafka.authentication",
                  "the brokers refuse our credentials: look at kafka.properties",
                  LF_STR("client", rk ? rd_kafka_name(rk) : NULL), LF_STR("text", text));
        return;
    }
    /* An old broker, or the embedded one, says at each request that it cannot be told not to. */
    if (strcmp(fac, "AUTOCREATE") == 0)
        ours = LOG_DEBUG;
    /* A broker that cannot be reached fills pages with this, and client_link says it in one line.
     */
    if (ours == LOG_ERROR && (strcmp(fac, "FAIL") == 0 || strcmp(fac, "ERROR") == 0))
        ours = LOG_DEBUG;
    log_event(ours, "kafka.log", "a message of librdkafka", LF_INT("level", level),
              LF_STR("fac", fac), LF_STR("client", rk ? rd_kafka_name(rk) : NULL),
              LF_STR("text", text));
}

bool client_set(rd_kafka_conf_t *conf, const char *name, const char *value, char *error,
                size_t error_size)
{
    char text[256];

    if (rd_kafka_conf_set(conf, name, value, text, sizeof text) == RD_KAFKA_CONF_OK)
        return true;
    snprintf(error, error_size, "librdkafka %s refuses %s: %s", rd_kafka_version_str(), name, text);
    return false;
}

void client_try_set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char text[256];

    if (rd_kafka_conf_set(conf, name, value, text, sizeof text) != RD_KAFKA_CONF_OK)
        log_event(LOG_DEBUG, "kafka.setting", "this librdkafka does not have a setting",
                  LF_STR("name", name), LF_STR("text", text));
}

/* Two names of one property: by its other name it was passed through as well. */
static const char *other_name(const char *name)
{
    static const char *const twins[][2] = {
        {"fetch.message.max.bytes", "max.partition.fetch.bytes"},
        {"linger.ms", "queue.buffering.max.ms"},
        {"compression.codec", "compression.type"},
    };

    for (size_t i = 0; i < sizeof twins / sizeof *twins; i++)
        if (strcmp(name, twins[i][0]) == 0)
            return twins[i][1];
    return name;
}

bool client_passed_through(const struct settings_kafka *kafka, const char *name)
{
    for (size_t i = 0; i < kafka->property_count; i++)
        if (strcmp(kafka->properties[i].name, name) == 0 ||
            strcmp(kafka->properties[i].name, other_name(name)) == 0)
            return true;
    return false;
}

static bool pass_through(rd_kafka_conf_t *conf, const struct settings_kafka *kafka,
                         const char *role, char *error, size_t error_size)
{
    bool consumer = strcmp(role, "consumer") == 0;

    for (size_t i = 0; i < kafka->property_count; i++) {
        const struct property *prop = &kafka->properties[i];
        char text[256];

        if (consumer
                ? name_in(producer_only, sizeof producer_only / sizeof *producer_only, prop->name)
                : name_in(consumer_only, sizeof consumer_only / sizeof *consumer_only, prop->name))
            continue;
        if (client_set(conf, prop->name, prop->value, text, sizeof text))
            continue;
        /* librdkafka's sentence quotes the value. */
        snprintf(error, error_size, "%s:%d: %s", prop->place.file ? prop->place.file : "settings",
                 prop->place.line, prop->secret ? "librdkafka refuses this secret" : text);
        return false;
    }
    return true;
}

rd_kafka_conf_t *client_conf(const struct settings_kafka *kafka, const char *role, char *error,
                             size_t error_size)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();

    rd_kafka_conf_set_log_cb(conf, on_log);
    client_try_set(conf, "socket.nagle.disable", "true");
    client_try_set(conf, "log.connection.close", "false");
    client_try_set(conf, "client.software.name", "quern");
    client_try_set(conf, "client.software.version", QUERN_VERSION);
    client_try_set(conf, "reconnect.backoff.max.ms", "5000");
    client_try_set(conf, "statistics.interval.ms", "2000");
    if (!client_set(conf, "log_level", log_enabled(LOG_DEBUG) ? "7" : "5", error, error_size) ||
        !client_set(conf, "client.id", kafka->client_id, error, error_size) ||
        !client_set(conf, "bootstrap.servers", kafka->brokers, error, error_size) ||
        !pass_through(conf, kafka, role, error, error_size)) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    return conf;
}

bool client_cooperative(void)
{
    int version = rd_kafka_version(); /* 0xMMmmrrpp */

    return version >= 0x02060100 && (version & ~0xff) != 0x020a0000;
}

struct destroyer {
    rd_kafka_t *rk;
    pthread_mutex_t lock;
    pthread_cond_t done_cond;
    bool done, abandoned;
};

static void destroyer_free(struct destroyer *d)
{
    pthread_mutex_destroy(&d->lock);
    pthread_cond_destroy(&d->done_cond);
    free(d);
}

static void *destroy_run(void *data)
{
    struct destroyer *d = data;
    bool mine;

    rd_kafka_destroy_flags(d->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    pthread_mutex_lock(&d->lock);
    d->done = true;
    mine = d->abandoned;
    pthread_cond_signal(&d->done_cond);
    pthread_mutex_unlock(&d->lock);
    if (mine)
        destroyer_free(d);
    return NULL;
}

void client_destroy(rd_kafka_t *rk, const char *role, int timeout_ms)
{
    struct destroyer *d;
    struct timespec until;
    pthread_condattr_t attr;
    pthread_attr_t detached;
    pthread_t thread;
    int64_t end_ns = clock_now_ns() + timeout_ms * NS_PER_MS;
    bool done;

    if (!rk)
        return;
    d = xcalloc(1, sizeof *d);
    d->rk = rk;
    pthread_mutex_init(&d->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&d->done_cond, &attr);
    pthread_condattr_destroy(&attr);
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &detached, destroy_run, d) != 0) {
        pthread_attr_destroy(&detached);
        destroy_run(d);
        destroyer_free(d);
        return;
    }
    pthread_attr_destroy(&detached);
    until.tv_sec = (time_t)(end_ns / NS_PER_S);
    until.tv_nsec = (long)(end_ns % NS_PER_S);
    pthread_mutex_lock(&d->lock);
    while (!d->done)
        if (pthread_cond_timedwait(&d->done_cond, &d->lock, &until) == ETIMEDOUT)
            break;
    done = d->done;
    d->abandoned = !done;
    pthread_mutex_unlock(&d->lock);
    if (done)
        destroyer_free(d);
    else
        log_event(LOG_WARN, "kafka.destroy_stuck", "librdkafka does not end a handle: left behind",
                  LF_STR("role", role), LF_INT("timeout_ms", timeout_ms));
}

const char *client_library_version(void)
{
    return rd_kafka_version_str();
}
