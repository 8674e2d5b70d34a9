/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fills a struct from a libconfig group by a table of keys: types, units, ranges, defaults, unknown
 * keys. Notes every problem and goes on: what could not be read keeps its default.
 */
#ifndef QUERN_CONFIG_FILL_H
#define QUERN_CONFIG_FILL_H

#include <libconfig.h>

#include "base/arena.h"
#include "config/keys.h"
#include "config/problems.h"
#include "config/settings.h"

struct fill {
    struct arena *arena; /* of all strings and lists */
    struct problems *ps;
    const char *path; /* of the group, for messages: "pipelines.thumbnail" */
};

/* group NULL: all defaults. place: of the group, for what is missing in it. */
void fill_group(const struct fill *f, const struct key *table, const config_setting_t *group,
                struct place place, void *base);
/* The text of a string setting after expansion, or of a scalar; NULL: a problem was noted. */
const char *fill_text(const struct fill *f, const config_setting_t *setting, bool *ret_secret);
char *fill_strdup(const struct fill *f, const char *text);
bool topic_is_valid(const char *name);

#endif
