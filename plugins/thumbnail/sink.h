/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sink: where thumbnails go: files beneath sink_root.
 *
 * A reader of the directory sees a thumbnail whole or not at all: bytes go to a hidden file beside
 * the target (".<random>.part"), which then takes the target's name. A job that runs twice writes
 * the same names again, so repeats do no harm. A worker that is killed in mid-write leaves its
 * .part behind.
 */
#ifndef THUMBNAIL_SINK_H
#define THUMBNAIL_SINK_H

#include "path.h"
#include "request.h"

/* What a template's placeholders stand for. */
struct sink_names {
    struct quern_bytes key; /* {key}: the record's key, made safe */
    const char *sha256;     /* {sha256}: of the source */
    const char *name;       /* {name}: of the size */
    enum format format;     /* {ext} */
};

/* The path of an output, relative to sink_root. `url` is the request's sink, NULL: the root. */
__attribute__((warn_unused_result)) int sink_path(const struct settings *settings, const char *url,
                                                  const struct sink_names *names,
                                                  char ret_path[static PATH_TEXT_MAX],
                                                  struct fault *fault);

/* "file:///root/path", percent-encoded, from malloc; NULL: no memory. */
char *sink_url(const struct settings *settings, const char *path);

/* Writes the file, its directories too. When it returns 0, what `durability` promises is done. */
__attribute__((warn_unused_result)) int sink_store(int root_fd, const struct settings *settings,
                                                   const char *path, const void *data, size_t len,
                                                   struct fault *fault);

/* The bytes of an output that is there already (from malloc). 0, -ENOENT: none that can be used. */
__attribute__((warn_unused_result)) int sink_load(int root_fd, const char *path, size_t max_bytes,
                                                  void **ret, size_t *ret_len);

#endif
