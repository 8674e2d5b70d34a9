/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plugin of the delivery test: each job says in its body what is to be done with it, the bad things
 * included. What it emits names the job it came from, so that the checker can tell a true effect from a
 * forged one:
 *
 *     <crc of the job> <producer> <seq> <index> <partition> <offset>
 */
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <quern/plugin.h>

#include "jobtext.h"

static int32_t emit_all(struct quern_job *job, const struct job_text *t)
{
    unsigned count = t->kind == JOB_EMIT ? t->n : 1;

    for (unsigned i = 0; i < count; i++) {
        char text[160];
        int32_t err;

        snprintf(text, sizeof text, "%08x %u %lu %u %d %lld", t->crc, t->producer, t->seq, i,
                 (int)job->partition, (long long)job->offset);
        err = quern_emit(job, "out", quern_job_key(job), quern_text(text));
        if (err)
            return quern_retry(job, "chaos_emit", "the engine refused an emit: %d", (int)err);
    }
    return QUERN_OK;
}

static void sleep_ms(unsigned ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

    nanosleep(&t, NULL);
}

static void crash(void)
{
    int *volatile nowhere = NULL;

    *(volatile int *)nowhere = 1;
}

/* True the first time this process sees the job. */
static bool defer_first(const struct job_text *t)
{
    static uint32_t seen[4096];
    uint32_t *slot = &seen[(t->seq * 4 + t->producer) % 4096];

    if (*slot == t->crc)
        return false;
    *slot = t->crc;
    return true;
}

static int32_t chaos_handle(void *self, struct quern_job *job)
{
    struct quern_bytes body = quern_job_value(job);
    struct job_text t;
    int32_t err;

    (void)self;
    if (!job_text_parse(body.data, body.len, &t))
        return quern_reject(job, "chaos_damaged", "the body is not one of the test's");
    switch (t.kind) {
    case JOB_OK:
    case JOB_EMIT:
        if (t.kind == JOB_OK && t.n > 0)
            sleep_ms(t.n);
        return emit_all(job, &t);
    case JOB_RETRY:
        if (quern_job_attempt(job) <= t.n)
            return quern_retry(job, "chaos_retry", "attempt %u fails", quern_job_attempt(job));
        return emit_all(job, &t);
    case JOB_DEFER:
        if (defer_first(&t))
            return quern_defer(job, "chaos_defer", "not now");
        return emit_all(job, &t);
    case JOB_SLEEP:
        sleep_ms(t.n);
        return emit_all(job, &t);
    case JOB_SKIP:
        err = emit_all(job, &t);
        return err == QUERN_OK ? quern_skip(job, "chaos_skip", "nothing to do") : err;
    case JOB_REJECT:
        return quern_reject(job, "chaos_reject", "job %u/%lu is bad", t.producer, t.seq);
    case JOB_EXHAUST:
        return quern_retry(job, "chaos_exhaust", "never works");
    case JOB_CRASH:
        crash();
        return QUERN_OK;
    case JOB_CRASH_ONCE:
        if (quern_job_attempt(job) == 1)
            crash();
        return emit_all(job, &t);
    case JOB_HANG:
        for (;;)
            pause();
    case JOB_KIND_COUNT:
        break;
    }
    return quern_reject(job, "chaos_unknown", "no such kind");
}

QUERN_PLUGIN(chaos, "1.2.3", "Does what each job says, the bad things included.",
             .handle = chaos_handle);
