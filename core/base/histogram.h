/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A distribution of durations for Prometheus: fixed upper bounds, counts per bucket (not cumulative),
 * sum. One writer; about ten instructions an observation.
 */
#ifndef QUERN_BASE_HISTOGRAM_H
#define QUERN_BASE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BUCKETS 15 /* the last is +Inf */

/* Seconds: OpenTelemetry's bounds for messaging durations, with two finer ones in front. */
extern const double histogram_bounds[HISTOGRAM_BUCKETS - 1];

struct histogram {
    uint64_t buckets[HISTOGRAM_BUCKETS];
    uint64_t count;
    double sum;
};

void histogram_observe(struct histogram *h, double seconds);

#endif
