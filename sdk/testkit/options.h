/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plugin's settings struct, filled from names and texts by the plugin's own table of options. Used by
 * the worker process and by the testkit, so that a test sees exactly what production does.
 *
 * The table may come from a plugin that was built with an older header: entries are walked by the
 * plugin's option_size, and what an old entry does not have is not read.
 */
#ifndef QUERN_TESTKIT_OPTIONS_H
#define QUERN_TESTKIT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include <quern/plugin.h>

/* One `name = text`. A list has one entry an element, all of one name; an empty list has one entry
 * with text NULL. */
struct option_value {
    const char *name;
    const char *text;
    bool list;
};

struct options {
    void *settings; /* the plugin's struct; NULL where settings_size is 0 */
    void *owned;    /* private: what the struct points to */
};

/* 0; -EINVAL and a sentence in `error`: an unknown name, a wrong value, a missing required one. */
__attribute__((warn_unused_result)) int options_fill(const struct quern_plugin *plugin,
                                                     const struct option_value *values,
                                                     size_t count, struct options *ret,
                                                     char *error, size_t error_size);
void options_done(struct options *options);

/* Entry i of the plugin's table, or NULL behind the last. */
const struct quern_option *options_entry(const struct quern_plugin *plugin, size_t i);

#endif
