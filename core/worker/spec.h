/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker is to run: names and values, each ending in a zero byte, in a sealed memfd. The core
 * writes it when it starts a worker; nothing of it is on a command line or in the environment, where
 * others could read a plugin's secrets.
 *
 *   plugin        path of the .so             topic    name of a topic, in the order of their indexes
 *   pipeline      name                        alias    name of an emit, likewise
 *   worker        number                      setting, list, empty   a plugin setting:
 *   max_emit      bytes                                its name; the next pair is its "value"
 *   deadline_ms   of a job                    network, seccomp, landlock   "1" or "0"
 *   memory, open_files, file_bytes            read, write    a path granted
 *   parent        pid of the core
 */
#ifndef QUERN_WORKER_SPEC_H
#define QUERN_WORKER_SPEC_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "config/settings.h"

struct spec { /* the reading side: views of one block */
    const char *data;
    size_t len;
};

/* Writes the spec of a worker of this pipeline. */
void spec_write(struct buf *b, const struct settings_pipeline *pl, const char *plugin_path,
                uint32_t worker);
void spec_put(struct buf *b, const char *name, const char *value);

/* The first value of that name, or NULL. */
const char *spec_get(const struct spec *s, const char *name);
int64_t spec_int(const struct spec *s, const char *name);
/* Goes over all: *at starts at 0; false at the end. */
bool spec_next(const struct spec *s, size_t *at, const char **ret_name, const char **ret_value);
size_t spec_count(const struct spec *s, const char *name);

#endif
