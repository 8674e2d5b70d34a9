/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plugin's table of settings as plain data, and the check of a pipeline's `settings = { ... }`
 * against it: unknown keys with a suggestion, wrong types, values out of range, missing required
 * ones, each with file and line. Types are QUERN_TYPE_... of the SDK by value.
 */
#ifndef QUERN_CONFIG_OPTIONS_H
#define QUERN_CONFIG_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "config/settings.h"

struct option {
    char *name;
    int32_t type;    /* QUERN_TYPE_... */
    uint32_t flags;  /* QUERN_OPTION_... */
    char *fallback;  /* the default as text, or NULL */
    char *choices;   /* "a|b|c", or NULL */
    int64_t min, max; /* both 0: no bounds */
    char *help;
};

void options_check(const struct option *options, size_t count, const struct settings_pipeline *pl,
                   struct problems *ps);

#endif
