/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault: why a job could not be done. The parts of the plugin do not know the engine's verdicts:
 * they fill in a fault and return a negative number, and thumbnail.c turns it into the verdict at
 * the end. The one question a part has to answer is whether trying again can help: fault_reject()
 * where it cannot (the job or the picture is bad), fault_retry() where it can (a server, the disk,
 * time).
 *
 * Codes are fixed words that dead letters are filtered by; README.md lists them all.
 */
#ifndef THUMBNAIL_FAULT_H
#define THUMBNAIL_FAULT_H

#include <stdint.h>

enum fault_kind {
    FAULT_NONE,
    FAULT_REJECT,
    FAULT_RETRY,
};

struct fault {
    enum fault_kind kind;
    int64_t retry_after_ms; /* 0: the engine's own backoff */
    char code[32];
    char text[512]; /* printable ASCII: other bytes of the data are shown as '?' */
};

/* Both return a negative errno, so that `return fault_reject(...)` ends a function that failed. */
__attribute__((format(printf, 3, 4))) int fault_reject(struct fault *fault, const char *code,
                                                       const char *format, ...);
__attribute__((format(printf, 3, 4))) int fault_retry(struct fault *fault, const char *code,
                                                      const char *format, ...);

#endif
