/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a failed job waits: exponential backoff with full jitter.
 *
 * After the n-th failure the wait is uniform in [0, min(max, min * 2^(n-1))], as in "Exponential
 * Backoff And Jitter" (AWS Architecture Blog, 2015): jobs that failed together do not come back
 * together. A floor of a tenth of the range keeps a job from spinning on an unlucky draw.
 */
#ifndef QUERN_PIPELINE_BACKOFF_H
#define QUERN_PIPELINE_BACKOFF_H

#include <stdint.h>

/* xorshift64*; seed it with anything but 0. Jitter needs spread, not secrecy. */
struct backoff_rng {
    uint64_t state;
};

/* failures: 1 after the first. Result in ms, within [0, max_ms]. */
int64_t backoff_delay_ms(struct backoff_rng *rng, uint32_t failures, int64_t min_ms, int64_t max_ms);

#endif
