/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every librdkafka handle of the house has in common: the settings (brokers, pass-through
 * properties, our defaults), the log callback that turns librdkafka's lines into our events, what
 * this version of the library can do, asked at run time, and a handle's link to its brokers.
 */
#ifndef QUERN_KAFKA_CLIENT_H
#define QUERN_KAFKA_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <librdkafka/rdkafka.h>

#include "config/settings.h"

/* A conf with all that is common, or NULL and a sentence. role: "consumer", "producer"
 * (pass-through properties of the other one are left out); it is a part of the client id's log
 * lines only. Owner: the caller until rd_kafka_new(). */
rd_kafka_conf_t *client_conf(const struct settings_kafka *kafka, const char *role, char *error,
                             size_t error_size);
/* Sets one key that must be accepted; false and a sentence in error otherwise. */
bool client_set(rd_kafka_conf_t *conf, const char *name, const char *value, char *error,
                size_t error_size);
/* Sets one key where this version knows it. */
void client_try_set(rd_kafka_conf_t *conf, const char *name, const char *value);
/* Was the key passed through by the settings? Then the house's default for it does not apply. */
bool client_passed_through(const struct settings_kafka *kafka, const char *name);

/* Cooperative rebalancing can be trusted from 2.6.1 on (2.10.0 excepted). */
bool client_cooperative(void);

/* rd_kafka_destroy() can block for ever in some versions (a removed partition, a record still
 * held). This waits for it up to timeout_ms, then leaves it behind and says so. NULL is fine.
 * Blocks. */
void client_destroy(rd_kafka_t *rk, const char *role, int timeout_ms);

/* Whether any broker is up, for one handle: says once that none is, then each minute, and once that
 * one is back. Thread: the one that polls the handle. */
struct client_link {
    const char *role;
    const char *pipeline; /* for the log line, or NULL */
    const char *brokers;
    bool connected;
    bool ever;
    bool said; /* that it is unreachable */
    int64_t down_since_ns, said_ns;
};

void client_link_init(struct client_link *link, const char *role, const char *pipeline,
                      const char *brokers);
void client_link_up(struct client_link *link); /* something came from a broker. Cheap */
void client_link_down(struct client_link *link, const char *reason);
/* librdkafka's statistics, for the states of the brokers in it. */
void client_link_stats(struct client_link *link, const char *json, size_t len);
void client_link_tick(struct client_link *link); /* each second or so */

/* Of the library this process runs on, "2.0.2". */
const char *client_library_version(void);

#endif
