/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/status.h"

#include <stdlib.h>
#include <unistd.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/xalloc.h"

static json_t *counters_of(const struct pipeline_stats *s)
{
    json_t *dead = json_object();

    for (int i = 0; i < DEAD_CAUSE_COUNT; i++)
        json_object_set_new(dead, dead_cause_names[i], json_integer((json_int_t)s->dead[i]));
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "consumed",
                     (json_int_t)s->consumed, "ok", (json_int_t)s->settled[OUTCOME_OK], "skip",
                     (json_int_t)s->settled[OUTCOME_SKIP], "dead",
                     (json_int_t)s->settled[OUTCOME_DEAD], "retries", (json_int_t)s->retries,
                     "defers", (json_int_t)s->defers, "emitted", (json_int_t)s->emitted,
                     "produce_failures", (json_int_t)s->produce_failures, "plugin_bugs",
                     (json_int_t)s->plugin_bugs, "fenced", (json_int_t)s->fenced,
                     "crashes_recovered", (json_int_t)s->crashes_recovered, "dead_by_cause", dead);
}

static json_t *workers_of(const struct pipeline *pl, const struct settings_pipeline *conf)
{
    size_t max = (size_t)conf->workers + 1;
    struct worker_status *ws = xcalloc(max, sizeof *ws);
    size_t count = pool_workers(pipeline_pool(pl), ws, max);
    json_t *array = json_array();

    for (size_t i = 0; i < count; i++) {
        json_t *o = json_pack("{s:i, s:i, s:s, s:I, s:i, s:b}", "number", (int)ws[i].number, "pid",
                              (int)ws[i].pid, "state", ws[i].state, "jobs",
                              (json_int_t)ws[i].jobs, "in_flight", (int)ws[i].in_flight, "busy",
                              ws[i].busy);

        if (ws[i].busy)
            json_object_set_new(
                o, "job",
                json_pack("{s:s, s:i, s:I, s:I}", "topic", conf->topics[ws[i].topic], "partition",
                          (int)ws[i].partition, "offset", (json_int_t)ws[i].offset, "running_ms",
                          (json_int_t)ws[i].running_ms));
        json_array_append_new(array, o);
    }
    free(ws);
    return array;
}

static json_t *partitions_of(const struct pipeline *pl, const struct settings_pipeline *conf)
{
    const struct consumer *c = pipeline_consumer(pl);
    size_t max = c ? consumer_stats(c)->assigned : 0;
    struct partition_status *ps = xcalloc(max + 1, sizeof *ps);
    size_t count = c ? consumer_partitions(c, ps, max) : 0;
    json_t *array = json_array();

    for (size_t i = 0; i < count; i++) {
        int64_t at = ps[i].committed >= 0 ? ps[i].committed : ps[i].position;
        bool known = at >= 0 && ps[i].high_watermark >= at;

        json_array_append_new(
            array, json_pack("{s:s, s:i, s:I, s:I, s:I, s:o}", "topic", conf->topics[ps[i].topic],
                             "partition", (int)ps[i].partition, "committed",
                             (json_int_t)ps[i].committed, "position", (json_int_t)ps[i].position,
                             "end", (json_int_t)ps[i].high_watermark, "lag",
                             known ? json_integer((json_int_t)(ps[i].high_watermark - at))
                                   : json_null()));
    }
    free(ps);
    return array;
}

static json_t *pool_of(const struct pool_stats *s)
{
    json_t *deaths = json_object();

    for (int i = 0; i < DEATH_CAUSES; i++)
        json_object_set_new(deaths, death_cause_names[i], json_integer((json_int_t)s->deaths[i]));
    return json_pack("{s:I, s:I, s:I, s:i, s:i, s:i, s:o}", "spawned", (json_int_t)s->spawned,
                     "recycled", (json_int_t)s->recycled, "unexplained",
                     (json_int_t)s->unexplained, "ready", (int)s->ready, "starting",
                     (int)s->starting, "in_flight", (int)s->in_flight, "deaths", deaths);
}

static json_t *pipeline_object(const struct pipeline *pl)
{
    struct pipeline_status s;
    json_t *o;

    pipeline_status(pl, &s);
    o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:I}", "name", s.settings->name, "state",
                  pipeline_state_name(s.state), "reason", s.reason, "group", s.settings->group,
                  "dead", s.settings->dead, "in_flight", (int)s.in_flight, "waiting",
                  (int)s.waiting, "in_flight_bytes", (json_int_t)s.in_flight_bytes);
    json_object_set_new(o, "plugin",
                        json_pack("{s:s, s:s, s:s, s:s}", "name", s.plugin->name, "version",
                                  s.plugin->version, "build", s.plugin->build, "path",
                                  s.plugin->path));
    json_object_set_new(o, "counters", counters_of(s.stats));
    json_object_set_new(o, "pool", pool_of(s.pool));
    json_object_set_new(o, "workers", workers_of(pl, s.settings));
    json_object_set_new(o, "partitions", partitions_of(pl, s.settings));
    json_object_set_new(o, "consumer", json_string(s.consumer ? s.consumer->state : "none"));
    return o;
}

void status_render(const struct engine *e, struct buf *out)
{
    const char *reason = engine_not_ready_reason(e);
    json_t *pipelines = json_array();
    json_t *root;
    char *text;

    for (size_t i = 0; i < engine_pipeline_count(e); i++)
        json_array_append_new(pipelines, pipeline_object(engine_pipeline(e, i)));
    root = json_pack("{s:s, s:i, s:I, s:b, s:s, s:o}", "version", QUERN_VERSION, "pid",
                     (int)getpid(), "uptime_ms",
                     (json_int_t)(clock_wall_ms() - engine_started_wall_ms(e)), "ready",
                     reason[0] == 0, "reason", reason, "pipelines", pipelines);
    text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    buf_str(out, text ? text : "{}");
    buf_char(out, '\n');
    free(text);
    json_decref(root);
}
