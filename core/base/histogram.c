/* SPDX-License-Identifier: Apache-2.0 */
#include "base/histogram.h"

const double histogram_bounds[HISTOGRAM_BUCKETS - 1] = {
    0.0001, 0.001, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 10,
};

void histogram_observe(struct histogram *h, double seconds)
{
    size_t i = 0;

    while (i < HISTOGRAM_BUCKETS - 1 && seconds > histogram_bounds[i])
        i++;
    h->buckets[i]++;
    h->count++;
    h->sum += seconds;
}
