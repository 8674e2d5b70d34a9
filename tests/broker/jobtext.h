/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of a job of the delivery test, as the producer writes it and as the plugin and the checker
 * read it. None of them shares anything else, and none shares a line with the engine.
 *
 *     <crc> <producer> <seq> <kind> <n> <pad...>      crc: 8 hex digits, over all behind it
 *
 * kind says what the plugin does with the job; see the list. The checker derives from it how the job
 * must have ended. The pad is arbitrary bytes, zero bytes among them.
 */
#ifndef JOBTEXT_H
#define JOBTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* X(symbol, name, jobs in 10,000) */
#define JOB_KINDS(X)                                                                               \
    X(OK, "ok", 8500)          /* n ms, then emits once */                                        \
    X(EMIT, "emit", 900)       /* emits n times */                                                 \
    X(RETRY, "retry", 200)     /* fails n times, then emits once */                                \
    X(DEFER, "defer", 50)      /* defers once per worker process, then emits once */               \
    X(SLEEP, "sleep", 100)     /* n ms, then emits once */                                         \
    X(SKIP, "skip", 50)        /* emits once */                                                    \
    X(REJECT, "reject", 150)   /* dead: rejected */                                                \
    X(EXHAUST, "exhaust", 25)  /* always fails. dead: exhausted */                                 \
    X(CRASH, "crash", 10)      /* always SIGSEGV. dead: crash */                                   \
    X(CRASH_ONCE, "crash1", 13) /* SIGSEGV at its first attempt, then emits once */                \
    X(HANG, "hang", 2)         /* never ends by itself. dead: timeout */

enum job_kind {
#define X(symbol, name, weight) JOB_##symbol,
    JOB_KINDS(X)
#undef X
    JOB_KIND_COUNT
};

static const char *const job_kind_names[JOB_KIND_COUNT] __attribute__((unused)) = {
#define X(symbol, name, weight) [JOB_##symbol] = name,
    JOB_KINDS(X)
#undef X
};

struct job_text {
    uint32_t crc;
    unsigned producer;
    unsigned long seq;
    enum job_kind kind;
    unsigned n;
};

static inline uint32_t job_crc(const void *data, size_t len)
{
    const unsigned char *p = data;
    uint32_t crc = 0xffffffffu;

    while (len--) {
        crc ^= *p++;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1u)));
    }
    return ~crc;
}

/* False: not such a body, or its checksum is wrong. */
static inline bool job_text_parse(const void *body, size_t len, struct job_text *ret)
{
    char head[80], kind[12];
    size_t head_len = len < sizeof head - 1 ? len : sizeof head - 1;
    struct job_text t = {0};

    if (!body || len < 10)
        return false;
    memcpy(head, body, head_len);
    head[head_len] = 0;
    if (sscanf(head, "%8x %u %lu %11s %u ", &t.crc, &t.producer, &t.seq, kind, &t.n) != 5)
        return false;
    for (t.kind = 0; t.kind < JOB_KIND_COUNT; t.kind++)
        if (strcmp(kind, job_kind_names[t.kind]) == 0)
            break;
    if (t.kind == JOB_KIND_COUNT || job_crc((const char *)body + 9, len - 9) != t.crc)
        return false;
    *ret = t;
    return true;
}

#endif
