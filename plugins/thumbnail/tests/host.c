/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See host.h.
 */
#include "host.h"

#include <stdlib.h>
#include <string.h>

char test_open_error[1024];
double test_metrics[65];
char test_metric_names[65][64];

static void host_log(const struct quern_host *host, struct quern_job *job, int32_t level,
                     const char *text, size_t len)
{
    (void)host, (void)job;
    fprintf(stderr, "log %d: %.*s\n", level, (int)len, text);
}

static void host_fail(struct quern_job *job, const char *code, const char *text, size_t len)
{
    struct test_job *test = (struct test_job *)job;

    snprintf(test->code, sizeof test->code, "%s", code);
    snprintf(test->text, sizeof test->text, "%.*s", (int)len, text);
}

static void host_retry_after(struct quern_job *job, int64_t ms)
{
    ((struct test_job *)job)->retry_after_ms = ms;
}

static int32_t host_emit(struct quern_job *job, const struct quern_emit *emit)
{
    struct test_job *test = (struct test_job *)job;

    if (test->emit_error)
        return test->emit_error;
    if (strcmp(emit->alias, "done") != 0)
        return -ENOENT;
    free(test->emitted);
    test->emitted = strndup(emit->value.data, emit->value.len);
    if (emit->key.data)
        snprintf(test->emitted_key, sizeof test->emitted_key, "%.*s", (int)emit->key.len,
                 (const char *)emit->key.data);
    return 0;
}

static int64_t host_remaining_ms(struct quern_job *job)
{
    return ((struct test_job *)job)->remaining_ms;
}

static int32_t host_cancelled(struct quern_job *job)
{
    struct test_job *test = (struct test_job *)job;

    if (test->cancel_after < 0)
        return 0;
    if (test->cancel_after == 0)
        return 1;
    test->cancel_after--;
    return 0;
}

static int32_t host_metric(const struct quern_host *host, int32_t kind, const char *name,
                           const char *help, uint32_t *ret_metric)
{
    (void)host, (void)kind, (void)help;
    for (uint32_t i = 1; i < 65; i++)
        if (!test_metric_names[i][0] || strcmp(test_metric_names[i], name) == 0) {
            snprintf(test_metric_names[i], sizeof test_metric_names[i], "%s", name);
            *ret_metric = i;
            return 0;
        }
    return -ENOSPC;
}

static void host_metric_record(const struct quern_host *host, uint32_t metric, double value)
{
    (void)host;
    test_metrics[metric] += value;
}

static void host_open_error(const struct quern_context *ctx, const char *text, size_t len)
{
    (void)ctx;
    snprintf(test_open_error, sizeof test_open_error, "%.*s", (int)len, text);
}

const struct quern_host test_host = {
    .size = sizeof test_host,
    .abi_major = QUERN_ABI_MAJOR,
    .abi_minor = QUERN_ABI_MINOR,
    .log = host_log,
    .fail = host_fail,
    .retry_after = host_retry_after,
    .emit = host_emit,
    .remaining_ms = host_remaining_ms,
    .cancelled = host_cancelled,
    .metric = host_metric,
    .metric_record = host_metric_record,
    .open_error = host_open_error,
};

void test_job_init(struct test_job *job, const char *key, const void *value, size_t len)
{
    memset(job, 0, sizeof *job);
    job->job.size = sizeof job->job;
    job->job.attempt = 1;
    job->job.host = &test_host;
    job->job.key = quern_text(key);
    job->job.value.data = value;
    job->job.value.len = len;
    job->job.topic = "thumbnail-generation";
    job->job.timestamp_ms = -1;
    job->job.id = "thumbnail-generation/0/0";
    job->remaining_ms = 30000;
    job->cancel_after = -1;
}

void test_job_done(struct test_job *job)
{
    free(job->emitted);
    job->emitted = NULL;
}
