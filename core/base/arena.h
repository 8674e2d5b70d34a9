/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory with one lifetime: allocations are cut from blocks and freed together. arena_reset() keeps
 * one block, so that a loop which resets it each round allocates nothing in the steady state.
 */
#ifndef QUERN_BASE_ARENA_H
#define QUERN_BASE_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    size_t limit;               /* bytes in all; 0: none */
    size_t used;                /* bytes handed out since the last reset */
};

void arena_init(struct arena *a, size_t limit);
void arena_done(struct arena *a);
void arena_reset(struct arena *a);

/* Aligned for any type, not zeroed. NULL: over the limit, or no memory. */
void *arena_alloc(struct arena *a, size_t bytes) __attribute__((warn_unused_result));
void *arena_copy(struct arena *a, const void *data, size_t len) __attribute__((warn_unused_result));
char *arena_strdup(struct arena *a, const char *text) __attribute__((warn_unused_result));

#endif
