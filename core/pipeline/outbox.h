/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Emits of a job that did not fit into the producer's queue: copied out of the worker's ring, sent
 * when the queue has room again. One allocation.
 */
#ifndef QUERN_PIPELINE_OUTBOX_H
#define QUERN_PIPELINE_OUTBOX_H

#include <stddef.h>

#include "worker/pool.h"

struct outbox {
    size_t count;
    size_t next; /* the first one that is not sent yet */
    struct worker_emit emits[];
};

/* A deep copy, or NULL: no memory. */
struct outbox *outbox_new(const struct worker_emit *emits, size_t count)
    __attribute__((warn_unused_result));
void outbox_free(struct outbox *box); /* NULL is fine */

#endif
