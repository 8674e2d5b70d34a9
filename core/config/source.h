/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of the settings, parsed by libconfig, each for itself, so that every setting knows its file
 * and line.
 *
 * Traps of libconfig 1.5 that end here: it wraps integers that do not fit into 32 bits without a word
 * (source_int() reads the number again, from the text); it tells a syntax error by its line only (we
 * print the line); it does not name a missing @include (we look for it); it takes quadratic time for
 * huge files (we take at most 1 MiB).
 */
#ifndef QUERN_CONFIG_SOURCE_H
#define QUERN_CONFIG_SOURCE_H

#include <libconfig.h>

#include "config/problems.h"
#include "config/settings.h"

struct source {
    char *path;
    config_t config;
};

struct sources {
    struct source **items; /* the main file first */
    size_t count;
};

/* 0; -ENOENT or -EACCES: the main file cannot be read; -EINVAL: see ps. */
__attribute__((warn_unused_result)) int sources_load(struct sources *ss, const char *path,
                                                     struct problems *ps);
/* Adds the *.conf files of a folder. */
void sources_load_dir(struct sources *ss, const char *dir, struct place place,
                      struct problems *ps);
void sources_done(struct sources *ss);

struct place source_place(const config_setting_t *setting);

/* The value of an integer setting. False: it does not fit; the problem is noted. */
bool source_int(const config_setting_t *setting, struct problems *ps, int64_t *ret);

#endif
