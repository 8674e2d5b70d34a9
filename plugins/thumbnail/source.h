/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source: the bytes of the picture, whole in memory. Pictures are small (max_source_bytes), libvips
 * wants them whole, and bytes that lie in memory can be hashed, sniffed, probed and decoded without
 * being fetched twice or changing in between.
 */
#ifndef THUMBNAIL_SOURCE_H
#define THUMBNAIL_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include <quern/plugin.h>

#include "fault.h"
#include "settings.h"

struct source {
    uint8_t *data; /* from malloc */
    size_t len;
    char sha256[65]; /* lower-case hex */
};

void source_done(struct source *source);

/* The SHA-256 of `data` as lower-case hex. 0 or -EIO. */
__attribute__((warn_unused_result)) int source_sha256(const void *data, size_t len,
                                                      char ret_hex[static 65]);

/* A file:// URL. `root_fd` is the open source_root, -1: there is none. */
__attribute__((warn_unused_result)) int source_file_read(int root_fd,
                                                         const struct settings *settings,
                                                         const char *url, struct source *ret,
                                                         struct fault *fault);

/* Fetches http:// and https:// URLs; one per worker, keeps connections open between jobs. */
struct source_http;

struct source_http *source_http_new(const struct settings *settings);
void source_http_free(struct source_http *http);
__attribute__((warn_unused_result)) int source_http_fetch(struct source_http *http,
                                                          struct quern_job *job, const char *url,
                                                          struct source *ret, struct fault *fault);

#endif
