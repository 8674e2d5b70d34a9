/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a plugin's .so, in the worker process, and checking that it is one before any of its
 * callbacks run. A plugin built with an older header has a shorter struct: it is copied into one of
 * today's size, with zeros for what it does not have.
 *
 * Never dlclose()d: libraries leave threads, atexit handlers and thread-local destructors behind that
 * would then run in unmapped code. A worker process is cheap; it ends instead.
 */
#ifndef QUERN_WORKER_PLUGIN_FILE_H
#define QUERN_WORKER_PLUGIN_FILE_H

#include <quern/plugin.h>

#include "base/buf.h"
#include "options.h"
#include "worker/spec.h"

struct plugin_file {
    void *handle;
    struct quern_plugin plugin; /* complete, whatever the plugin was built with */
};

/* 0; a negative errno with a sentence in `error` that says what is wrong and what to do. */
__attribute__((warn_unused_result)) int plugin_file_open(const char *path, struct plugin_file *ret,
                                                         struct buf *error);

/* Fills the settings struct from the spec's settings. */
__attribute__((warn_unused_result)) int plugin_file_settings(const struct plugin_file *file,
                                                             const struct spec *spec,
                                                             struct options *ret, char *error,
                                                             size_t error_size);

#endif
