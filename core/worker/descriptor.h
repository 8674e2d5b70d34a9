/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a plugin says of itself, read without running it in this process: `quern-worker --describe`
 * opens the .so in a locked-down child and prints the descriptor as JSON, which is parsed here. So the
 * core can check a pipeline's settings, with file and line, and still never loads a plugin.
 */
#ifndef QUERN_WORKER_DESCRIPTOR_H
#define QUERN_WORKER_DESCRIPTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/options.h"

struct buf;

struct descriptor {
    char *path;    /* the .so */
    char *name, *version, *summary;
    char *build;   /* build id of the .so (ELF note), hex; "" when it has none */
    char *sha256;  /* of the file, hex */
    int abi_major, abi_minor, min_minor;
    uint32_t needs; /* QUERN_NEEDS_... */
    struct option *options;
    size_t option_count;
};

/* 0; a negative errno with a sentence in `error` (what is wrong with the .so and the remedy: missing
 * file, not an ELF shared object, an unresolved symbol and its name, no quern_plugin_v1, another ABI).
 * `worker`: path of quern-worker. Blocks for at most timeout_ms. */
__attribute__((warn_unused_result)) int descriptor_load(const char *worker, const char *path,
                                                        int timeout_ms, struct buf *error,
                                                        struct descriptor **ret);
void descriptor_free(struct descriptor *d); /* NULL is fine */

/* Runs the plugin's own `check` over the pipeline's settings, in a locked-down child. 0; -EINVAL and
 * the plugin's sentence; another negative errno. */
__attribute__((warn_unused_result)) int descriptor_check(const char *worker,
                                                         const struct settings_pipeline *pl,
                                                         const char *path, int timeout_ms,
                                                         struct buf *error);

/* Finds the .so of `plugin` (a name, or a path with a '/') in `dirs`: "<dir>/<name>.so". 0 and a path
 * to free(); -ENOENT and a sentence that names what is installed and what was probably meant. */
__attribute__((warn_unused_result)) int plugin_find(const char *plugin, char *const *dirs,
                                                    struct buf *error, char **ret_path);

#endif
