/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start: describe and check the plugins, start the workers, make the producer, wait for brokers and
 * topics (again and again: a broker that is away is waited for, a topic that is missing is an error),
 * then let the pipelines join their groups.
 *
 * End: all pipelines at once; a deadline over all of them; then the producer, which by then owes
 * nothing that counts; then the pipelines' memory.
 */
#include "pipeline/engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "kafka/topics.h"
#include "pipeline/life.h"

#define DESCRIBE_TIMEOUT_MS 10000
#define TOPICS_TIMEOUT_MS 10000
#define TOPICS_AGAIN_MS 1000
/* A cluster that has just started, or a topic that has just been made, is not known everywhere at once:
 * missing is said when it was missing this often. */
#define TOPICS_MISSING_MAX 5
#define GROUP_LEAVE_MS 10000 /* on top of drain_timeout, for the last commit and leaving the group */
#define FLUSH_MS 5000
#define STEP_MS 20

struct engine {
    struct event_base *base;
    const struct settings *settings;
    engine_ended_fn ended;
    void *data;

    struct producer *producer;
    struct descriptor **plugins; /* of pipeline i */
    struct pipeline **pipelines;
    size_t count;

    struct topic_need *needs;
    size_t need_count;
    struct topics_job *topics;
    struct event *topics_timer;
    unsigned topics_missing; /* answers in a row that said so */
    bool topics_ready;

    struct event *stop_timer;
    int64_t stop_deadline_ns;
    bool stopping;

    char error[1024];
    char reason[1280];
    int64_t started_wall_ms;
};

/* ---- Plugins ---- */

static struct descriptor *describe(const struct settings *settings,
                                   const struct settings_pipeline *pl, struct problems *ps)
{
    struct buf error = BUF_INIT;
    struct descriptor *d = NULL;
    char *path = NULL;

    if (plugin_find(pl->plugin, settings->plugin_dirs, &error, &path) == 0)
        (void)!descriptor_load(settings->worker, path, DESCRIBE_TIMEOUT_MS, &error, &d);
    free(path);
    if (!d)
        problems_add(ps, SEVERITY_ERROR, pl->plugin_place.file, pl->plugin_place.line,
                     "pipelines.%s.plugin: %s", pl->name, buf_text(&error));
    else
        options_check(d->options, d->option_count, pl, ps);
    buf_done(&error);
    return d;
}

static bool describe_all(struct engine *e, struct problems *ps)
{
    e->plugins = xcalloc(e->count + 1, sizeof(struct descriptor *));
    for (size_t i = 0; i < e->count; i++)
        e->plugins[i] = describe(e->settings, &e->settings->pipelines[i], ps);
    return ps->errors == 0;
}

/* ---- Topics ---- */

static void need(struct engine *e, const char *name)
{
    for (size_t i = 0; i < e->need_count; i++)
        if (strcmp(e->needs[i].name, name) == 0)
            return;
    e->needs = xreallocarray(e->needs, e->need_count + 1, sizeof *e->needs);
    e->needs[e->need_count++] = (struct topic_need){name, e->settings->kafka.create_topics};
}

static void collect_needs(struct engine *e)
{
    for (size_t i = 0; i < e->count; i++) {
        const struct settings_pipeline *pl = &e->settings->pipelines[i];

        for (size_t k = 0; k < pl->topic_count; k++)
            need(e, pl->topics[k]);
        need(e, pl->dead);
        for (size_t k = 0; k < pl->emit_count; k++)
            need(e, pl->emits[k].topic);
    }
}

/* Emits are on the way of every job that has some; dead letters are not, and may wait. */
static void prepare_outputs(struct engine *e)
{
    for (size_t i = 0; i < e->count; i++)
        for (size_t k = 0; k < e->settings->pipelines[i].emit_count; k++)
            producer_prepare(e->producer, e->settings->pipelines[i].emits[k].topic);
}

static void ask_topics(struct engine *e);

static void on_topics(void *data, int err, const char *text)
{
    struct engine *e = data;

    e->topics = NULL;
    if (err == 0) {
        e->topics_ready = true;
        e->error[0] = 0;
        prepare_outputs(e);
        for (size_t i = 0; i < e->count; i++)
            pipeline_topics_ready(e->pipelines[i]);
        return;
    }
    snprintf(e->error, sizeof e->error, "%s", text);
    e->topics_missing = err == -ENOENT ? e->topics_missing + 1 : 0;
    if (err == -EAGAIN || (err == -ENOENT && e->topics_missing < TOPICS_MISSING_MAX)) {
        event_add(e->topics_timer,
                  &(struct timeval){TOPICS_AGAIN_MS / 1000, TOPICS_AGAIN_MS % 1000 * 1000});
        return;
    }
    e->ended(e->data, err == -EACCES ? ENGINE_NOT_PERMITTED : ENGINE_TOPICS_MISSING);
}

static void ask_topics(struct engine *e)
{
    e->topics = topics_ensure(e->base, producer_handle(e->producer), &e->settings->kafka, e->needs,
                              e->need_count, TOPICS_TIMEOUT_MS, on_topics, e);
}

static void on_topics_timer(evutil_socket_t fd, short what, void *data)
{
    (void)fd, (void)what;
    ask_topics(data);
}

/* ---- End ---- */

static bool all_ended(const struct engine *e)
{
    for (size_t i = 0; i < e->count; i++)
        if (!pipeline_ended(e->pipelines[i]))
            return false;
    return true;
}

static bool any_cut_short(const struct engine *e)
{
    struct pipeline_status status;

    for (size_t i = 0; i < e->count; i++) {
        pipeline_status(e->pipelines[i], &status);
        if (status.consumer && status.consumer->revoke_timeouts)
            return true;
    }
    return false;
}

static void on_stop_step(evutil_socket_t fd, short what, void *data)
{
    struct engine *e = data;
    bool late = clock_now_ns() >= e->stop_deadline_ns;

    (void)fd, (void)what;
    if (!late && !all_ended(e))
        return;
    event_del(e->stop_timer);
    if (late && !all_ended(e))
        log_event(LOG_WARN, "engine.cut_short", "drain_timeout has passed; workers are killed",
                  LF_INT("drain_timeout_ms", e->settings->drain_timeout_ms));
    e->ended(e->data, late || any_cut_short(e) ? ENGINE_CUT_SHORT : ENGINE_DRAINED);
}

void engine_stop(struct engine *e)
{
    if (e->stopping)
        return;
    e->stopping = true;
    e->stop_deadline_ns =
        clock_now_ns() + (e->settings->drain_timeout_ms + GROUP_LEAVE_MS) * NS_PER_MS;
    topics_cancel(e->topics);
    e->topics = NULL;
    event_del(e->topics_timer);
    for (size_t i = 0; i < e->count; i++)
        pipeline_stop(e->pipelines[i]);
    event_add(e->stop_timer, &(struct timeval){0, STEP_MS * 1000});
}

void engine_free(struct engine *e)
{
    if (!e)
        return;
    topics_cancel(e->topics);
    /* First the producer: it answers for every record it still has, and the jobs must be there. */
    producer_free(e->producer, FLUSH_MS);
    for (size_t i = 0; i < e->count; i++)
        pipeline_free(e->pipelines[i]);
    for (size_t i = 0; e->plugins && i < e->count; i++)
        descriptor_free(e->plugins[i]);
    if (e->topics_timer)
        event_free(e->topics_timer);
    if (e->stop_timer)
        event_free(e->stop_timer);
    free(e->plugins);
    free(e->pipelines);
    free(e->needs);
    free(e);
}

/* ---- Start ---- */

struct engine *engine_new(struct event_base *base, const struct settings *settings,
                          struct problems *ps, engine_ended_fn ended, void *data)
{
    struct engine *e = xcalloc(1, sizeof *e);
    char error[512];

    e->base = base;
    e->settings = settings;
    e->ended = ended;
    e->data = data;
    e->count = settings->pipeline_count;
    e->started_wall_ms = clock_wall_ms();
    e->pipelines = xcalloc(e->count + 1, sizeof(struct pipeline *));
    snprintf(e->error, sizeof e->error, "no broker has answered yet at %s",
             settings->kafka.brokers);
    e->topics_timer = evtimer_new(base, on_topics_timer, e);
    e->stop_timer = event_new(base, -1, EV_PERSIST, on_stop_step, e);
    if (!describe_all(e, ps))
        goto fail;
    e->producer = producer_new(base, settings, error, sizeof error);
    if (!e->producer) {
        problems_add(ps, SEVERITY_ERROR, NULL, 0, "kafka: %s", error);
        goto fail;
    }
    for (size_t i = 0; i < e->count; i++) {
        e->pipelines[i] =
            pipeline_new(base, settings, &settings->pipelines[i], e->plugins[i], e->producer);
        if (!e->pipelines[i]) {
            problems_add(ps, SEVERITY_ERROR, NULL, 0, "pipelines.%s: its workers cannot be made: %s",
                         settings->pipelines[i].name, strerror(errno));
            goto fail;
        }
    }
    collect_needs(e);
    ask_topics(e);
    return e;
fail:
    engine_free(e);
    return NULL;
}

/* ---- What admin/ asks ---- */

const char *engine_not_ready_reason(const struct engine *e)
{
    char *reason = ((struct engine *)e)->reason; /* a scratch pad, not state */
    struct pipeline_status status;

    reason[0] = 0;
    if (e->stopping) {
        snprintf(reason, sizeof e->reason, "the engine is stopping");
        return reason;
    }
    if (!e->topics_ready) {
        snprintf(reason, sizeof e->reason, "%s", e->error);
        return reason;
    }
    for (size_t i = 0; i < e->count && !reason[0]; i++) {
        pipeline_status(e->pipelines[i], &status);
        if (status.state != PIPELINE_RUNNING)
            snprintf(reason, sizeof e->reason, "pipeline %s is %s: %s", status.settings->name,
                     pipeline_state_name(status.state), status.reason);
        else if (!status.consumer->joined)
            snprintf(reason, sizeof e->reason, "pipeline %s has not joined its consumer group yet",
                     status.settings->name);
        else if (!status.consumer->connected)
            snprintf(reason, sizeof e->reason, "pipeline %s has no connection to a broker",
                     status.settings->name);
    }
    return reason;
}

bool engine_ready(const struct engine *e)
{
    return engine_not_ready_reason(e)[0] == 0;
}

const char *engine_error(const struct engine *e)
{
    return e->error;
}

size_t engine_pipeline_count(const struct engine *e)
{
    return e->count;
}

struct pipeline *engine_pipeline(const struct engine *e, size_t i)
{
    return e->pipelines[i];
}

const struct settings *engine_settings(const struct engine *e)
{
    return e->settings;
}

const struct producer_stats *engine_producer_stats(const struct engine *e)
{
    return producer_stats(e->producer);
}

int64_t engine_started_wall_ms(const struct engine *e)
{
    return e->started_wall_ms;
}
