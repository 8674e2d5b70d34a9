/* SPDX-License-Identifier: Apache-2.0 */
/*
 * path: paths that come from jobs. Two gates, each of which would do alone: the text is checked (no
 * "..", no empty or odd names, beneath the root by its letters), and the kernel resolves it beneath
 * an open directory without links. A path is used relative to its root everywhere after the first.
 */
#ifndef THUMBNAIL_PATH_H
#define THUMBNAIL_PATH_H

#include "fault.h"

#define PATH_TEXT_MAX 4096

/* From file:///root/a%20b to "a b": the host part must be empty or "localhost", the path must lie
 * beneath `root`. `field` names the job's field in faults. */
__attribute__((warn_unused_result)) int path_from_url(const char *url, const char *root,
                                                      const char *field,
                                                      char ret_path[static PATH_TEXT_MAX],
                                                      struct fault *fault);

/* Checks a relative path: names of 1 to 255 bytes, none "." or "..", no control characters. */
__attribute__((warn_unused_result)) int path_check(const char *path, const char *field,
                                                   struct fault *fault);

/* A descriptor (close-on-exec), or a negative errno: -EXDEV out of the root, -ELOOP a link. */
int path_open_beneath(int root_fd, const char *path, int flags);

#endif
