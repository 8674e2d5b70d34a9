/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plugin as somebody built it years ago: with a header that lacks the newest function and the
 * newest field. It uses a bit of everything else, and must run on today's engine as it did then.
 */
#include "v1.0/plugin.h"

struct settings {
    const char *word;
    int64_t times;
};

struct state {
    const struct settings *settings;
    uint32_t jobs;
};

static const struct quern_option options[] = {
    QUERN_STRING(struct settings, word, "old", "What to answer."),
    QUERN_INT(struct settings, times, "1", 1, 9, "How often."),
    QUERN_OPTIONS_END,
};

static int32_t old_open(const struct quern_context *ctx, const void *settings, void **ret_self)
{
    static struct state state;
    int err;

    state.settings = settings;
    err = quern_metric(ctx, QUERN_METRIC_COUNTER, "jobs_total", "Jobs seen.", &state.jobs);
    quern_log(ctx, QUERN_LOG_INFO, "open, worker %u", (unsigned)ctx->worker);
    *ret_self = &state;
    return err;
}

static int32_t old_handle(void *self, struct quern_job *job)
{
    const struct state *state = self;
    char *copy = quern_alloc(job, 16);

    if (quern_job_value(job).len == 0)
        return quern_reject(job, "empty", "the job has no body");
    if (!copy)
        return QUERN_RETRY;
    snprintf(copy, 16, "%.15s", state->settings->word);
    for (int64_t i = 0; i < state->settings->times; i++)
        if (quern_emit(job, "out", quern_job_key(job), quern_text(copy)) != 0)
            return quern_retry(job, "no_emit", "not staged");
    quern_metric_record(job, state->jobs, 1);
    return quern_job_cancelled(job) || quern_job_remaining_ms(job) <= 0 ? QUERN_RETRY : QUERN_OK;
}

QUERN_PLUGIN_NAMED("plugin-old", "1.0.0", "Was built with the header of an older engine.",
                   .options = options, .settings_size = sizeof(struct settings), .open = old_open,
                   .handle = old_handle);
