/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which settings of librdkafka may be passed through. An allow-list: librdkafka also knows settings
 * that load code or run programs (plugin.library.paths, ssl.engine.location,
 * sasl.kerberos.kinit.cmd), and some on which the delivery promise rests.
 */
#ifndef QUERN_CONFIG_PROPERTIES_H
#define QUERN_CONFIG_PROPERTIES_H

#include <stdbool.h>

struct property_rule {
    const char *name;
    bool secret;
};

/* The rule of an allowed property, or NULL. */
const struct property_rule *property_find(const char *name);
/* Why a property is not allowed: a sentence, with what was probably meant. Static buffer. */
const char *property_refusal(const char *name);

#endif
