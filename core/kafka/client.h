/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every librdkafka handle of the house has in common: the settings (brokers, pass-through
 * properties, our defaults), the log callback that turns librdkafka's lines into our events, and what
 * this version of the library can do, asked at run time.
 */
#ifndef QUERN_KAFKA_CLIENT_H
#define QUERN_KAFKA_CLIENT_H

#include <stdbool.h>

#include <librdkafka/rdkafka.h>

#include "config/settings.h"

/* A conf with all that is common, or NULL and a sentence. Owner: the caller until rd_kafka_new(). */
rd_kafka_conf_t *client_conf(const struct settings_kafka *kafka, const char *role, char *error,
                             size_t error_size);
/* Sets one key that must be accepted; false and a sentence in error otherwise. */
bool client_set(rd_kafka_conf_t *conf, const char *name, const char *value, char *error,
                size_t error_size);
/* Sets one key where this version knows it. */
void client_try_set(rd_kafka_conf_t *conf, const char *name, const char *value);

/* Cooperative rebalancing can be trusted from 2.6.1 on (2.10.0 excepted). */
bool client_cooperative(void);

#endif
