/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/backoff.h"

static uint64_t rng_next(struct backoff_rng *rng)
{
    uint64_t x = rng->state;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    rng->state = x;
    return x * UINT64_C(2685821657736338717);
}

int64_t backoff_delay_ms(struct backoff_rng *rng, uint32_t failures, int64_t min_ms, int64_t max_ms)
{
    int64_t ceiling = min_ms > 0 ? min_ms : 1;

    for (uint32_t i = 1; i < failures && ceiling < max_ms; i++)
        ceiling = ceiling > max_ms / 2 ? max_ms : ceiling * 2;
    if (ceiling > max_ms)
        ceiling = max_ms;
    if (ceiling <= 0)
        return 0;

    int64_t floor = ceiling / 10;
    return floor + (int64_t)(rng_next(rng) % (uint64_t)(ceiling - floor + 1));
}
