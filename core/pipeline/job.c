/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/job.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "pipeline/outbox.h"

#define SLAB_JOBS 256

struct job_slab {
    struct job_slab *next;
    struct job jobs[SLAB_JOBS];
};

static const char *const state_names[] = {
#define X(name, text) text,
    JOB_STATES(X)
#undef X
};

/* allowed[from] is the set of states that may follow. */
#define TO(state) (1u << JOB_##state)
static const uint16_t allowed[JOB_STATE_COUNT] = {
    [JOB_FREE] = TO(ADMITTED),
    [JOB_ADMITTED] = TO(WAITING) | TO(SETTLING) | TO(FENCED),
    [JOB_WAITING] = TO(RUNNING) | TO(SETTLING) | TO(FENCED),
    [JOB_RUNNING] = TO(WAITING) | TO(SETTLING) | TO(SETTLED) | TO(FENCED),
    /* From its emits to its dead letter: the last attempt failed over an emit. */
    [JOB_SETTLING] = TO(WAITING) | TO(SETTLING) | TO(SETTLED) | TO(FENCED),
    [JOB_SETTLED] = TO(FREE),
    [JOB_FENCED] = TO(FREE),
};
#undef TO

const char *job_state_name(enum job_state state)
{
    return state < JOB_STATE_COUNT ? state_names[state] : "?";
}

void job_set_state(struct job *job, enum job_state state)
{
    if (!(allowed[job->state] & (1u << state))) {
        /* Going on would mean to commit or to lose something by mistake. */
        fprintf(stderr, "quern: bug: job %lld: %s -> %s\n", (long long)job->offset,
                job_state_name(job->state), job_state_name(state));
        abort();
    }
    job->state = (uint8_t)state;
}

void job_pool_init(struct job_pool *jp)
{
    jp->slabs = NULL;
    TAILQ_INIT(&jp->free);
}

static bool add_slab(struct job_pool *jp)
{
    struct job_slab *slab = calloc(1, sizeof *slab);

    if (!slab)
        return false;
    slab->next = jp->slabs;
    jp->slabs = slab;
    for (size_t i = 0; i < SLAB_JOBS; i++)
        TAILQ_INSERT_TAIL(&jp->free, &slab->jobs[i], link);
    return true;
}

struct job *job_new(struct job_pool *jp)
{
    struct job *job = TAILQ_FIRST(&jp->free);

    if (!job) {
        if (!add_slab(jp))
            return NULL;
        job = TAILQ_FIRST(&jp->free);
    }
    TAILQ_REMOVE(&jp->free, job, link);
    memset(job, 0, sizeof *job);
    return job;
}

static void failure_free(struct failure *f)
{
    if (!f)
        return;
    free(f->code);
    free(f->text);
    free(f->backtrace);
    free(f);
}

static void drop_record(struct job *job)
{
    if (job->rec) {
        rd_kafka_message_destroy(job->rec);
        job->rec = NULL;
    } else {
        if (job->headers)
            rd_kafka_headers_destroy(job->headers);
        free(job->copy);
        job->copy = NULL;
    }
    job->headers = NULL;
}

static void drop_all(struct job *job)
{
    drop_record(job);
    failure_free(job->failure);
    outbox_free(job->outbox);
    job->failure = NULL;
    job->outbox = NULL;
}

void job_pool_done(struct job_pool *jp)
{
    while (jp->slabs) {
        struct job_slab *slab = jp->slabs;

        jp->slabs = slab->next;
        for (size_t i = 0; i < SLAB_JOBS; i++)
            if (slab->jobs[i].state != JOB_FREE)
                drop_all(&slab->jobs[i]);
        free(slab);
    }
    TAILQ_INIT(&jp->free);
}

void job_pool_each_busy(struct job_pool *jp, const struct part *part, void (*fn)(struct job *job))
{
    for (struct job_slab *slab = jp->slabs; slab; slab = slab->next)
        for (size_t i = 0; i < SLAB_JOBS; i++)
            if (slab->jobs[i].part == part && (slab->jobs[i].state == JOB_RUNNING ||
                                               slab->jobs[i].state == JOB_SETTLING))
                fn(&slab->jobs[i]);
}

void job_free(struct job_pool *jp, struct job *job)
{
    job_set_state(job, JOB_FREE);
    drop_all(job);
    job->part = NULL;
    /* The one used last is the one whose memory is warm. */
    TAILQ_INSERT_HEAD(&jp->free, job, link);
}

void job_take_record(struct job *job, rd_kafka_message_t *rec)
{
    rd_kafka_timestamp_type_t type;

    job->rec = rec;
    job->key = (struct bytes){rec->key, rec->key_len};
    job->value = (struct bytes){rec->payload, rec->len};
    job->offset = rec->offset;
    job->timestamp_ms = rd_kafka_message_timestamp(rec, &type);
    if (type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE)
        job->timestamp_ms = -1;
    if (rd_kafka_message_headers(rec, &job->headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        job->headers = NULL;
    job->bytes = (uint32_t)(rec->key_len + rec->len);
}

int job_park(struct job *job)
{
    rd_kafka_headers_t *headers = NULL;
    char *copy;

    if (!job->rec)
        return 0;
    copy = malloc(job->key.len + job->value.len + 1);
    if (!copy)
        return -ENOMEM;
    if (job->headers && rd_kafka_message_detach_headers(job->rec, &headers) != 0)
        headers = NULL;

    if (job->key.len)
        memcpy(copy, job->key.data, job->key.len);
    if (job->value.len)
        memcpy(copy + job->key.len, job->value.data, job->value.len);
    if (job->key.data)
        job->key.data = copy;
    if (job->value.data)
        job->value.data = copy + job->key.len;
    rd_kafka_message_destroy(job->rec);
    job->rec = NULL;
    job->copy = copy;
    job->headers = headers;
    return 0;
}

void job_set_failure(struct job *job, const char *code, size_t code_len, const char *text,
                     size_t text_len, int signal, const char *backtrace)
{
    struct failure *f = xcalloc(1, sizeof *f);

    f->code = code_len ? xstrndup(code, code_len) : xstrdup("unspecified");
    f->text = text_len ? xstrndup(text, text_len) : xstrdup("the plugin gave no reason");
    f->backtrace = xstrdup(backtrace ? backtrace : "");
    f->signal = signal;
    failure_free(job->failure);
    job->failure = f;
}
