/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/due.h"

#include <stdlib.h>

#include "base/xalloc.h"
#include "pipeline/job.h"

void due_done(struct due *d)
{
    free(d->heap);
    *d = (struct due){0};
}

static void place(struct due *d, size_t i, struct job *job)
{
    d->heap[i] = job;
    job->heap_index = (uint32_t)i;
}

static void sift_up(struct due *d, size_t i)
{
    struct job *job = d->heap[i];

    while (i > 0 && d->heap[(i - 1) / 2]->due_ns > job->due_ns) {
        place(d, i, d->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    place(d, i, job);
}

static void sift_down(struct due *d, size_t i)
{
    struct job *job = d->heap[i];

    for (;;) {
        size_t child = 2 * i + 1;

        if (child >= d->count)
            break;
        if (child + 1 < d->count && d->heap[child + 1]->due_ns < d->heap[child]->due_ns)
            child++;
        if (d->heap[child]->due_ns >= job->due_ns)
            break;
        place(d, i, d->heap[child]);
        i = child;
    }
    place(d, i, job);
}

void due_add(struct due *d, struct job *job)
{
    if (d->count == d->capacity) {
        d->capacity = d->capacity ? d->capacity * 2 : 64;
        d->heap = xreallocarray(d->heap, d->capacity, sizeof(struct job *));
    }
    place(d, d->count, job);
    d->count++;
    sift_up(d, d->count - 1);
}

void due_remove(struct due *d, struct job *job)
{
    size_t i = job->heap_index;
    struct job *last = d->heap[--d->count];

    if (last == job)
        return;
    place(d, i, last);
    sift_up(d, i);
    sift_down(d, last->heap_index);
}

struct job *due_first(const struct due *d)
{
    return d->count ? d->heap[0] : NULL;
}
