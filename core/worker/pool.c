/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/pool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>
#include <quern/plugin.h>

#include "base/clock.h"
#include "base/histogram.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "worker/lane.h"

#define WATCH_MS 25
#define START_DEATHS_MAX 3
#define BACKOFF_MIN_MS 250
#define BACKOFF_MAX_MS 30000
#define STICKY_JOBS 64          /* in a row to one worker, where jobs are that short */
#define QUARANTINE_IDLE_MS 5000 /* then its worker ends */
#define METRICS_MAX 64

_Static_assert(PLUGIN_METRIC_COUNTER == QUERN_METRIC_COUNTER &&
                   PLUGIN_METRIC_GAUGE == QUERN_METRIC_GAUGE &&
                   PLUGIN_METRIC_HISTOGRAM == QUERN_METRIC_HISTOGRAM,
               "the kinds of metrics are the SDK's");

struct metric {
    int32_t kind;
    char *name, *help;
    double *values; /* by lane: a gauge has one each; a counter adds up in values[0] */
    struct histogram histogram;
};

struct pool {
    struct pool_view view;
    struct pool_stats stats;
    struct lane *lanes; /* [0] quarantine, [1..workers] */
    size_t lane_count;
    struct event **respawn; /* a timer for each lane */
    struct event *watch, *quarantine_idle;
    struct lane *sticky;
    unsigned sticky_left;
    bool starved, stopping, told_failed, was_ready;

    struct metric metrics[METRICS_MAX];
    size_t metric_count;
    uint8_t (*metric_ids)[METRICS_MAX + 1]; /* by lane: the worker's id -> index + 1 */
};

const struct pool_view *pool_view(struct pool *p)
{
    return &p->view;
}

/* ---- Jobs ---- */

/* Short jobs go to one worker in runs, so that each wake carries many; longer ones to whoever has least
 * to do, so that they spread. */
static struct lane *choose(struct pool *p)
{
    struct lane *best = NULL;

    if (p->sticky && p->sticky_left > 0 && lane_has_room(p->sticky)) {
        p->sticky_left--;
        return p->sticky;
    }
    for (size_t i = 1; i < p->lane_count; i++) {
        struct lane *l = &p->lanes[i];

        if (lane_has_room(l) && (!best || (uint64_t)l->in_flight * best->depth <
                                              (uint64_t)best->in_flight * l->depth))
            best = l;
    }
    p->sticky = best;
    p->sticky_left = best && best->depth > 2 * STICKY_JOBS ? STICKY_JOBS : 0;
    return best;
}

static void start_lane(struct pool *p, struct lane *l);

static struct lane *quarantine(struct pool *p)
{
    struct lane *l = &p->lanes[0];

    event_del(p->quarantine_idle);
    if (l->state == LANE_DEAD && !p->stopping && !event_pending(p->respawn[0], EV_TIMEOUT, NULL))
        start_lane(p, l);
    return lane_has_room(l) ? l : NULL;
}

int pool_submit(struct pool *p, void *job, const struct worker_job *wj, bool alone)
{
    struct lane *l = alone ? quarantine(p) : choose(p);
    int err = l ? lane_submit(l, job, wj) : -EAGAIN;

    if (err == -EAGAIN)
        p->starved = true;
    if (err == 0 && !event_pending(p->watch, EV_TIMEOUT, NULL))
        event_add(p->watch, &(struct timeval){0, WATCH_MS * 1000});
    return err;
}

void pool_flush(struct pool *p)
{
    for (size_t i = 0; i < p->lane_count; i++)
        lane_flush(&p->lanes[i]);
}

static void on_watch(evutil_socket_t fd, short what, void *data)
{
    struct pool *p = data;
    int64_t now_ns = clock_now_ns();
    bool stopping = false;

    (void)fd, (void)what;
    for (size_t i = 0; i < p->lane_count; i++) {
        lane_watch(&p->lanes[i], now_ns);
        stopping |= p->lanes[i].state == LANE_STOPPING;
    }
    if (p->stats.in_flight > 0 || stopping)
        event_add(p->watch, &(struct timeval){0, WATCH_MS * 1000});
}

/* ---- What the lanes tell ---- */

static void tell_room(struct pool *p)
{
    if (!p->starved)
        return;
    p->starved = false;
    p->view.ops->room(p->view.data);
}

static void recycle_if_old(struct pool *p, struct lane *l)
{
    int64_t max = p->view.pl->max_jobs;

    if (max == 0 || l->state != LANE_READY || l->done + l->in_flight < (uint64_t)max)
        return;
    log_event(LOG_INFO, "worker.recycled", "a worker has done max_jobs and is replaced",
              LF_STR("pipeline", p->view.pl->name), LF_INT("worker", l->number),
              LF_INT("pid", l->pid), LF_INT("jobs", l->done));
    p->stats.recycled++;
    lane_stop(l);
    event_add(p->watch, &(struct timeval){0, WATCH_MS * 1000});
}

void pool_lane_batch(struct pool *p, struct lane *l)
{
    if (l->number == 0 && l->state == LANE_READY && l->in_flight == 0)
        event_add(p->quarantine_idle, &(struct timeval){QUARANTINE_IDLE_MS / 1000, 0});
    p->view.ops->batch_done(p->view.data);
    recycle_if_old(p, l);
    tell_room(p);
}

void pool_lane_ready(struct pool *p, struct lane *l)
{
    (void)l;
    p->starved |= !p->was_ready;
    p->was_ready = true;
    p->told_failed = false;
}

static void schedule_start(struct pool *p, struct lane *l)
{
    struct timeval tv = {l->backoff_ms / 1000, l->backoff_ms % 1000 * 1000};

    event_add(p->respawn[l->number], &tv);
}

static void back_off(struct lane *l)
{
    l->start_deaths++;
    l->backoff_ms = l->backoff_ms ? l->backoff_ms * 2 : BACKOFF_MIN_MS;
    if (l->backoff_ms > BACKOFF_MAX_MS)
        l->backoff_ms = BACKOFF_MAX_MS;
}

static void tell_failed(struct pool *p, const char *reason)
{
    if (p->told_failed)
        return;
    p->told_failed = true;
    log_event(LOG_ERROR, "pool.failed", "workers end before they are ready, again and again",
              LF_STR("pipeline", p->view.pl->name), LF_STR("reason", reason));
    p->view.ops->failed(p->view.data, reason);
}

void pool_lane_dead(struct pool *p, struct lane *l, bool at_start, const char *reason)
{
    if (p->sticky == l)
        p->sticky = NULL;
    if (at_start && !p->stopping) {
        back_off(l);
        if (l->start_deaths >= START_DEATHS_MAX)
            tell_failed(p, reason);
    }
    if (!p->stopping && l->number > 0)
        schedule_start(p, l);
    else if (at_start && !p->stopping)
        schedule_start(p, l); /* a quarantine worker somebody waits for */
    p->starved = true;
    p->view.ops->batch_done(p->view.data);
    tell_room(p);
}

static void start_lane(struct pool *p, struct lane *l)
{
    int err;

    if (p->stopping || l->state != LANE_DEAD)
        return;
    err = lane_start(l);
    if (!err)
        return;
    log_event(LOG_ERROR, "worker.not_started", "a worker process could not be started",
              LF_STR("pipeline", p->view.pl->name), LF_STR("worker_binary", p->view.settings->worker),
              LF_STR("error", strerror(-err)));
    back_off(l);
    if (l->start_deaths >= START_DEATHS_MAX)
        tell_failed(p, strerror(-err));
    schedule_start(p, l);
}

static void on_respawn(evutil_socket_t fd, short what, void *data)
{
    struct lane *l = data;

    (void)fd, (void)what;
    start_lane(l->pool, l);
}

static void on_quarantine_idle(evutil_socket_t fd, short what, void *data)
{
    struct pool *p = data;

    (void)fd, (void)what;
    if (p->lanes[0].in_flight == 0)
        lane_stop(&p->lanes[0]);
    event_add(p->watch, &(struct timeval){0, WATCH_MS * 1000});
}

/* ---- Metrics of the plugin ---- */

int pool_take_metric(struct pool *p, uint32_t lane, uint32_t id, int32_t kind, const char *name,
                     const char *help)
{
    size_t i = 0;

    if (id == 0 || id > METRICS_MAX || kind < QUERN_METRIC_COUNTER ||
        kind > QUERN_METRIC_HISTOGRAM || name[0] == 0 ||
        strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(name))
        return -EPROTO;
    while (i < p->metric_count && strcmp(p->metrics[i].name, name) != 0)
        i++;
    if (i == METRICS_MAX || (i < p->metric_count && p->metrics[i].kind != kind))
        return -EPROTO;
    if (i == p->metric_count) {
        struct metric *m = &p->metrics[p->metric_count++];

        m->kind = kind;
        m->name = xstrdup(name);
        m->help = xstrdup(help);
        m->values = xcalloc(p->lane_count, sizeof *m->values);
    }
    p->metrics[i].values[lane] = kind == QUERN_METRIC_GAUGE ? 0 : p->metrics[i].values[lane];
    p->metric_ids[lane][id] = (uint8_t)(i + 1);
    return 0;
}

int pool_take_value(struct pool *p, uint32_t lane, uint32_t id, double value)
{
    struct metric *m;

    if (id == 0 || id > METRICS_MAX || p->metric_ids[lane][id] == 0)
        return -EPROTO;
    m = &p->metrics[p->metric_ids[lane][id] - 1];
    if (value != value)
        return 0;
    if (m->kind == QUERN_METRIC_HISTOGRAM)
        histogram_observe(&m->histogram, value);
    else if (m->kind == QUERN_METRIC_GAUGE)
        m->values[lane] = value;
    else if (value > 0)
        m->values[0] += value;
    return 0;
}

size_t pool_metrics(const struct pool *p, struct plugin_metric *ret, size_t max)
{
    size_t n = p->metric_count < max ? p->metric_count : max;

    for (size_t i = 0; i < n; i++) {
        const struct metric *m = &p->metrics[i];

        ret[i] = (struct plugin_metric){.kind = (enum plugin_metric_kind)m->kind, .name = m->name, .help = m->help};
        for (size_t k = 0; k < p->lane_count; k++)
            ret[i].value += m->values[k];
        if (m->kind != QUERN_METRIC_HISTOGRAM)
            continue;
        ret[i].buckets = m->histogram.buckets;
        ret[i].bounds = histogram_bounds;
        ret[i].bucket_count = HISTOGRAM_BUCKETS;
        ret[i].sum = m->histogram.sum;
        ret[i].count = m->histogram.count;
    }
    return n;
}

/* ---- Life ---- */

struct pool *pool_new(struct event_base *base, const struct settings *settings,
                      const struct settings_pipeline *pl, const char *plugin_path,
                      const struct pool_ops *ops, void *data)
{
    struct pool *p = xcalloc(1, sizeof *p);

    p->view = (struct pool_view){base, settings, pl, plugin_path, ops, data, &p->stats};
    p->lane_count = (size_t)pl->workers + 1;
    p->lanes = xcalloc(p->lane_count, sizeof *p->lanes);
    p->respawn = xcalloc(p->lane_count, sizeof(struct event *));
    p->metric_ids = xcalloc(p->lane_count, sizeof *p->metric_ids);
    p->watch = evtimer_new(base, on_watch, p);
    p->quarantine_idle = evtimer_new(base, on_quarantine_idle, p);
    for (size_t i = 0; i < p->lane_count; i++) {
        lane_init(&p->lanes[i], p, (uint32_t)i);
        p->respawn[i] = evtimer_new(base, on_respawn, &p->lanes[i]);
        if (!p->respawn[i] || !p->watch || !p->quarantine_idle || !p->lanes[i].start_timer) {
            pool_free(p);
            errno = ENOMEM;
            return NULL;
        }
    }
    for (size_t i = 1; i < p->lane_count; i++)
        schedule_start(p, &p->lanes[i]);
    return p;
}

void pool_stop(struct pool *p)
{
    if (p->stopping)
        return;
    p->stopping = true;
    for (size_t i = 0; i < p->lane_count; i++) {
        event_del(p->respawn[i]);
        lane_stop(&p->lanes[i]);
    }
    event_add(p->watch, &(struct timeval){0, WATCH_MS * 1000});
}

bool pool_stopped(const struct pool *p)
{
    if (!p->stopping)
        return false;
    for (size_t i = 0; i < p->lane_count; i++)
        if (p->lanes[i].state != LANE_DEAD)
            return false;
    return true;
}

static void free_timer(struct event *ev)
{
    if (ev)
        event_free(ev);
}

void pool_free(struct pool *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->lane_count; i++) {
        if (p->lanes[i].pool)
            lane_done(&p->lanes[i]);
        free_timer(p->respawn[i]);
    }
    free_timer(p->watch);
    free_timer(p->quarantine_idle);
    for (size_t i = 0; i < p->metric_count; i++) {
        free(p->metrics[i].name);
        free(p->metrics[i].help);
        free(p->metrics[i].values);
    }
    free(p->metric_ids);
    free(p->respawn);
    free(p->lanes);
    free(p);
}

const struct pool_stats *pool_stats(const struct pool *p)
{
    return &p->stats;
}

static const char *state_name(enum lane_state state)
{
    switch (state) {
    case LANE_STARTING:
        return "starting";
    case LANE_READY:
        return "ready";
    case LANE_STOPPING:
        return "stopping";
    case LANE_DEAD:
        break;
    }
    return "dead";
}

static void status_of(const struct lane *l, int64_t now_ns, struct worker_status *ret)
{
    uint32_t current = l->channel.control ? atomic_load(&l->channel.control->current) : 0;
    const struct lane_entry *e = &l->entries[current & (LANE_SLOTS - 1)];

    *ret = (struct worker_status){.number = l->number,
                                  .pid = l->pid,
                                  .state = state_name(l->state),
                                  .jobs = l->done,
                                  .in_flight = l->in_flight,
                                  .running_ms = -1};
    if (!current || !e->job || e->serial != current)
        return;
    ret->busy = true;
    ret->running_ms =
        l->seen_current == current ? (now_ns - l->seen_since_ns) / NS_PER_MS : 0;
    ret->topic = e->topic;
    ret->partition = e->partition;
    ret->offset = e->offset;
}

size_t pool_workers(const struct pool *p, struct worker_status *ret, size_t max)
{
    int64_t now_ns = clock_now_ns();
    size_t n = 0;

    for (size_t i = 0; i < p->lane_count && n < max; i++)
        if (i > 0 || p->lanes[i].state != LANE_DEAD)
            status_of(&p->lanes[i], now_ns, &ret[n++]);
    return n;
}
