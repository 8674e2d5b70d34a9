/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs that wait for a time: a binary heap by due time. Each job knows its place, so that one can be
 * taken out of the middle when its partition goes.
 */
#ifndef QUERN_PIPELINE_DUE_H
#define QUERN_PIPELINE_DUE_H

#include <stddef.h>
#include <stdint.h>

struct job;

struct due {
    struct job **heap;
    size_t count, capacity;
};

void due_done(struct due *d);
void due_add(struct due *d, struct job *job); /* by job->due_ns */
void due_remove(struct due *d, struct job *job);
/* The job that is due next, or NULL. */
struct job *due_first(const struct due *d);

#endif
