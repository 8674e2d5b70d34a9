/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time. Durations and deadlines are nanoseconds of CLOCK_MONOTONIC, which never steps and is the same
 * for all processes of the host, so a worker's stamps can be compared with the core's. Wall-clock
 * time is Unix milliseconds, as Kafka has it, and is only ever written down, never waited for.
 */
#ifndef QUERN_BASE_CLOCK_H
#define QUERN_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_US INT64_C(1000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

static inline int64_t clock_now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static inline int64_t clock_wall_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / NS_PER_MS;
}

/* RFC 3339 in UTC with milliseconds, "2026-11-24T02:16:31.123Z", into text[25]. */
void clock_format_ms(int64_t wall_ms, char text[static 25]);

#endif
