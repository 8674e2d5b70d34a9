/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/xalloc.h"
#include "kafka/client.h"

#define PLUGIN_METRICS_MAX 64

/* A family is written for all pipelines at once, as the format wants it: HELP, TYPE, then its series. */
struct family {
    const char *name, *type, *help;
    void (*series)(const struct pipeline *pl, const char *name, struct buf *out);
};

static void label(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "%s=\"", name);
    for (const char *c = value; *c; c++) {
        if (*c == '\\' || *c == '"')
            buf_char(out, '\\');
        if (*c == '\n')
            buf_str(out, "\\n");
        else
            buf_char(out, *c);
    }
    buf_char(out, '"');
}

/* name{pipeline="..",extra="..",} without its value. */
static void head(struct buf *out, const char *name, const char *pipeline, const char *extra,
                 const char *value)
{
    buf_printf(out, "%s{", name);
    label(out, "pipeline", pipeline);
    if (extra) {
        buf_char(out, ',');
        label(out, extra, value);
    }
    buf_str(out, "} ");
}

static void number(struct buf *out, const char *name, const char *pipeline, const char *extra,
                   const char *value, uint64_t n)
{
    head(out, name, pipeline, extra, value);
    buf_printf(out, "%" PRIu64 "\n", n);
}

static void header(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* ---- Counters that are one field ---- */

#define FIELD(function, expression)                                                                \
    static void function(const struct pipeline *pl, const char *name, struct buf *out)             \
    {                                                                                              \
        struct pipeline_status s;                                                                  \
                                                                                                   \
        pipeline_status(pl, &s);                                                                   \
        number(out, name, s.settings->name, NULL, NULL, (uint64_t)(expression));                   \
    }

FIELD(consumed, s.stats->consumed)
FIELD(in_flight, s.in_flight)
FIELD(in_flight_bytes, s.in_flight_bytes)
FIELD(retries_scheduled, s.waiting)
FIELD(retries, s.stats->retries)
FIELD(defers, s.stats->defers)
FIELD(emitted, s.stats->emitted)
FIELD(produce_failures, s.stats->produce_failures)
FIELD(plugin_bugs, s.stats->plugin_bugs)
FIELD(recovered, s.stats->crashes_recovered)
FIELD(fenced, s.stats->fenced)
FIELD(workers_ready, s.pool->ready)
FIELD(workers_spawned, s.pool->spawned)
FIELD(workers_recycled, s.pool->recycled)
FIELD(protocol_errors, s.pool->protocol_errors)
FIELD(commits, s.consumer ? s.consumer->commits : 0)
FIELD(commit_errors, s.consumer ? s.consumer->commit_errors : 0)
FIELD(rebalances, s.consumer ? s.consumer->rebalances : 0)
FIELD(assigned, s.consumer ? s.consumer->assigned : 0)
FIELD(broker_up, s.consumer && s.consumer->connected)
FIELD(up, s.state == PIPELINE_RUNNING)

static void last_record(const struct pipeline *pl, const char *name, struct buf *out)
{
    struct pipeline_status s;

    pipeline_status(pl, &s);
    head(out, name, s.settings->name, NULL, NULL);
    buf_printf(out, "%.3f\n", (double)s.stats->last_record_wall_ms / 1000.0);
}

/* ---- Counters by a closed set ---- */

static void processed(const struct pipeline *pl, const char *name, struct buf *out)
{
    struct pipeline_status s;

    pipeline_status(pl, &s);
    for (int i = 0; i < OUTCOMES; i++)
        number(out, name, s.settings->name, "outcome", outcome_names[i], s.stats->settled[i]);
}

static void dead(const struct pipeline *pl, const char *name, struct buf *out)
{
    struct pipeline_status s;

    pipeline_status(pl, &s);
    for (int i = 0; i < DEAD_CAUSE_COUNT; i++)
        number(out, name, s.settings->name, "cause", dead_cause_names[i], s.stats->dead[i]);
}

static void deaths(const struct pipeline *pl, const char *name, struct buf *out)
{
    struct pipeline_status s;

    pipeline_status(pl, &s);
    for (int i = 0; i < DEATH_CAUSES; i++)
        number(out, name, s.settings->name, "cause", death_cause_names[i], s.pool->deaths[i]);
    number(out, name, s.settings->name, "cause", "unexplained", s.pool->unexplained);
}

static void plugin_info(const struct pipeline *pl, const char *name, struct buf *out)
{
    struct pipeline_status s;

    pipeline_status(pl, &s);
    buf_printf(out, "%s{", name);
    label(out, "pipeline", s.settings->name);
    buf_char(out, ',');
    label(out, "plugin", s.plugin->name);
    buf_char(out, ',');
    label(out, "version", s.plugin->version);
    buf_char(out, ',');
    label(out, "build", s.plugin->build);
    buf_str(out, "} 1\n");
}

/* ---- Lag ---- */

static void lag(const struct pipeline *pl, const char *name, struct buf *out)
{
    const struct consumer *c = pipeline_consumer(pl);
    size_t max = c ? consumer_stats(c)->assigned : 0;
    struct partition_status *ps = xcalloc(max + 1, sizeof *ps);
    size_t count = c ? consumer_partitions(c, ps, max) : 0;
    struct pipeline_status s;

    pipeline_status(pl, &s);
    for (size_t i = 0; i < count; i++) {
        int64_t at = ps[i].committed >= 0 ? ps[i].committed : ps[i].position;

        if (at < 0 || ps[i].high_watermark < at)
            continue; /* not known: nothing is better than a wrong number */
        buf_printf(out, "%s{", name);
        label(out, "pipeline", s.settings->name);
        buf_char(out, ',');
        label(out, "topic", s.settings->topics[ps[i].topic]);
        buf_printf(out, ",partition=\"%" PRId32 "\"} %" PRId64 "\n", ps[i].partition,
                   ps[i].high_watermark - at);
    }
    free(ps);
}

/* ---- Histograms ---- */

static void buckets(struct buf *out, const char *name, const char *pipeline,
                    const uint64_t *counts, const double *bounds, size_t bucket_count, double sum,
                    uint64_t count)
{
    uint64_t below = 0;
    char bound[32];

    for (size_t i = 0; i < bucket_count; i++) {
        char series[160];

        below += counts[i];
        if (i + 1 == bucket_count)
            snprintf(bound, sizeof bound, "+Inf");
        else
            snprintf(bound, sizeof bound, "%g", bounds[i]);
        snprintf(series, sizeof series, "%s_bucket", name);
        number(out, series, pipeline, "le", bound, below);
    }
    buf_printf(out, "%s_sum{", name);
    label(out, "pipeline", pipeline);
    buf_printf(out, "} %.9g\n%s_count{", sum, name);
    label(out, "pipeline", pipeline);
    buf_printf(out, "} %" PRIu64 "\n", count);
}

static void histogram(struct buf *out, const char *name, const char *pipeline,
                      const struct histogram *h)
{
    buckets(out, name, pipeline, h->buckets, histogram_bounds, HISTOGRAM_BUCKETS, h->sum, h->count);
}

static void run_seconds(const struct pipeline *pl, const char *name, struct buf *out)
{
    struct pipeline_status s;

    pipeline_status(pl, &s);
    histogram(out, name, s.settings->name, &s.stats->run);
}

static void end_to_end(const struct pipeline *pl, const char *name, struct buf *out)
{
    struct pipeline_status s;

    pipeline_status(pl, &s);
    histogram(out, name, s.settings->name, &s.stats->end_to_end);
}

/* ---- The list ---- */

static const struct family families[] = {
    {"quern_pipeline_up", "gauge", "1 while the pipeline runs.", up},
    {"quern_plugin_info", "gauge", "The plugin of the pipeline.", plugin_info},
    {"quern_messages_consumed_total", "counter", "Records taken in.", consumed},
    {"quern_messages_processed_total", "counter", "Jobs that ended, by outcome.", processed},
    {"quern_messages_in_flight", "gauge", "Jobs in the engine.", in_flight},
    {"quern_in_flight_bytes", "gauge", "Bytes of keys and values in the engine.", in_flight_bytes},
    {"quern_last_message_timestamp_seconds", "gauge", "When records were last taken in.",
     last_record},
    {"quern_processing_duration_seconds", "histogram", "Time of an attempt in the plugin.",
     run_seconds},
    {"quern_end_to_end_latency_seconds", "histogram", "From a record's timestamp to its settling.",
     end_to_end},
    {"quern_retries_total", "counter", "Attempts that failed and are followed by another.",
     retries},
    {"quern_retries_scheduled", "gauge", "Jobs that wait for their next attempt.",
     retries_scheduled},
    {"quern_defers_total", "counter", "Attempts put off without being used up.", defers},
    {"quern_dlq_messages_total", "counter", "Dead letters acknowledged, by cause.", dead},
    {"quern_messages_emitted_total", "counter", "Emitted records acknowledged.", emitted},
    {"quern_produce_failures_total", "counter", "Dead letters and emits that had to be sent again.",
     produce_failures},
    {"quern_plugin_bugs_total", "counter", "Results that are none.", plugin_bugs},
    {"quern_crashes_recovered_total", "counter", "Jobs that killed a worker and then ended well.",
     recovered},
    {"quern_messages_fenced_total", "counter", "Late results of partitions that were lost.",
     fenced},
    {"quern_workers_ready", "gauge", "Worker processes that take jobs.", workers_ready},
    {"quern_workers_spawned_total", "counter", "Worker processes started.", workers_spawned},
    {"quern_workers_recycled_total", "counter", "Workers replaced after max_jobs.",
     workers_recycled},
    {"quern_plugin_crashes_total", "counter", "Deaths of workers, by cause.", deaths},
    {"quern_protocol_errors_total", "counter", "Workers that wrote nonsense.", protocol_errors},
    {"quern_consumer_lag_messages", "gauge", "Records behind the committed offset.", lag},
    {"quern_offset_commits_total", "counter", "Commits acknowledged.", commits},
    {"quern_offset_commit_errors_total", "counter", "Commits refused.", commit_errors},
    {"quern_rebalances_total", "counter", "Assignments and revocations.", rebalances},
    {"quern_assigned_partitions", "gauge", "Partitions that are ours.", assigned},
    {"quern_kafka_broker_up", "gauge", "1 while some broker is connected.", broker_up},
};

static void render_plugin(const struct pipeline *pl, const struct plugin_metric *m, struct buf *out)
{
    struct pipeline_status s;
    char name[96];

    pipeline_status(pl, &s);
    snprintf(name, sizeof name, "quern_plugin_%s", m->name);
    header(out, name,
           m->kind == PLUGIN_METRIC_COUNTER ? "counter"
           : m->kind == PLUGIN_METRIC_GAUGE ? "gauge"
                                           : "histogram",
           m->help);
    if (m->kind == PLUGIN_METRIC_HISTOGRAM) {
        buckets(out, name, s.settings->name, m->buckets, m->bounds, m->bucket_count, m->sum,
                m->count);
        return;
    }
    head(out, name, s.settings->name, "plugin", s.plugin->name);
    buf_printf(out, "%.17g\n", m->value);
}

static void render_process(const struct engine *e, struct buf *out)
{
    const struct producer_stats *p = engine_producer_stats(e);
    long pages = 0, page = sysconf(_SC_PAGESIZE);
    FILE *f = fopen("/proc/self/statm", "re");

    if (f) {
        if (fscanf(f, "%*d %ld", &pages) != 1)
            pages = 0;
        fclose(f);
    }
    header(out, "process_resident_memory_bytes", "gauge", "Resident memory of the engine.");
    buf_printf(out, "process_resident_memory_bytes %lld\n", (long long)pages * page);
    header(out, "process_start_time_seconds", "gauge", "When the engine started.");
    buf_printf(out, "process_start_time_seconds %.3f\n",
               (double)engine_started_wall_ms(e) / 1000.0);
    header(out, "quern_build_info", "gauge", "Versions.");
    buf_printf(out, "quern_build_info{version=\"%s\",librdkafka=\"%s\",libevent=\"%s\"} 1\n",
               QUERN_VERSION, client_library_version(), event_get_version());
    header(out, "quern_ready", "gauge", "1 when /readyz says ok.");
    buf_printf(out, "quern_ready %d\n", engine_ready(e));
    header(out, "quern_producer_outstanding", "gauge", "Records under way to the brokers.");
    buf_printf(out, "quern_producer_outstanding %u\n", p->outstanding);
    header(out, "quern_producer_queue_full_total", "counter", "Sends put off by a full queue.");
    buf_printf(out, "quern_producer_queue_full_total %" PRIu64 "\n", p->queue_full);
}

void metrics_render(const struct engine *e, struct buf *out)
{
    struct plugin_metric *pm = xcalloc(PLUGIN_METRICS_MAX, sizeof *pm);

    render_process(e, out);
    for (size_t f = 0; f < sizeof families / sizeof families[0]; f++) {
        header(out, families[f].name, families[f].type, families[f].help);
        for (size_t i = 0; i < engine_pipeline_count(e); i++)
            families[f].series(engine_pipeline(e, i), families[f].name, out);
    }
    for (size_t i = 0; i < engine_pipeline_count(e); i++) {
        const struct pipeline *pl = engine_pipeline(e, i);
        size_t count = pool_metrics(pipeline_pool(pl), pm, PLUGIN_METRICS_MAX);

        for (size_t k = 0; k < count; k++)
            render_plugin(pl, &pm[k], out);
    }
    free(pm);
}
