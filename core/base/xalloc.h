/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocation of small fixed things that cannot sensibly be done without: failing is the end of the
 * process (the supervisor restarts it and no job is lost). Memory whose size a message decides does
 * not come from here: that can fail and has an answer.
 */
#ifndef QUERN_BASE_XALLOC_H
#define QUERN_BASE_XALLOC_H

#include <stdarg.h>
#include <stddef.h>

void *xmalloc(size_t bytes) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t count, size_t bytes) __attribute__((malloc, returns_nonnull)); /* zeroed */
void *xreallocarray(void *old, size_t count, size_t bytes) __attribute__((returns_nonnull));
char *xstrdup(const char *text) __attribute__((malloc, returns_nonnull)); /* NULL is not allowed */
char *xstrndup(const char *text, size_t len) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2), returns_nonnull));

#endif
