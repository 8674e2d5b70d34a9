/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a dead letter carries: the record's own headers untouched, then why, where, how often and on
 * which build it failed. The names are in kafka/dead_headers.h. Origin headers that a record already
 * has (it died before and was sent again) stay; those that describe the last death are replaced.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "kafka/dead_headers.h"
#include "pipeline/body.h"

#define TRUNCATED_HEADER "quern-truncated"

static bool has_header(const rd_kafka_headers_t *headers, const char *name)
{
    const void *value;
    size_t len;

    return rd_kafka_header_get_last(headers, name, &value, &len) == RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void put_text(rd_kafka_headers_t *headers, enum dead_header which, const char *text)
{
    const char *name = dead_header_names[which];

    if (!text[0])
        return;
    if (dead_header_is_origin[which]) {
        if (has_header(headers, name))
            return;
    } else {
        (void)rd_kafka_header_remove(headers, name);
    }
    rd_kafka_header_add(headers, name, -1, text, (ssize_t)strlen(text));
}

static void put_number(rd_kafka_headers_t *headers, enum dead_header which, int64_t number)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRId64, number);
    put_text(headers, which, text);
}

static void put_origin(rd_kafka_headers_t *headers, const struct pipeline *pl,
                       const struct job *job)
{
    const char *topic = pl->conf->topics[job->part->topic];
    char id[320];

    snprintf(id, sizeof id, "%s/%" PRId32 "/%" PRId64, topic, job->part->partition, job->offset);
    put_text(headers, DEAD_HEADER_TOPIC, topic);
    put_number(headers, DEAD_HEADER_PARTITION, job->part->partition);
    put_number(headers, DEAD_HEADER_OFFSET, job->offset);
    put_text(headers, DEAD_HEADER_GROUP, pl->conf->group);
    put_text(headers, DEAD_HEADER_ID, id);
}

static void put_failure(rd_kafka_headers_t *headers, const struct pipeline *pl,
                        const struct job *job)
{
    const struct failure *f = job->failure;

    put_number(headers, DEAD_HEADER_DELIVERY_COUNT, job->attempts);
    put_text(headers, DEAD_HEADER_MESSAGE, f->text);
    put_text(headers, DEAD_HEADER_CAUSE, dead_cause_names[job->dead_cause]);
    put_text(headers, DEAD_HEADER_CODE, f->code);
    put_text(headers, DEAD_HEADER_DETAIL, f->text);
    put_text(headers, DEAD_HEADER_PIPELINE, pl->conf->name);
    put_text(headers, DEAD_HEADER_PLUGIN, pl->plugin->name);
    put_text(headers, DEAD_HEADER_PLUGIN_VERSION, pl->plugin->version);
    put_text(headers, DEAD_HEADER_PLUGIN_BUILD, pl->plugin->build);
    put_text(headers, DEAD_HEADER_HOST, pl->hostname);
    put_number(headers, DEAD_HEADER_ATTEMPTS, job->attempts);
    put_number(headers, DEAD_HEADER_CRASHES, job->crashes);
    put_number(headers, DEAD_HEADER_TIMEOUTS, job->timeouts);
    put_number(headers, DEAD_HEADER_FIRST_FAILURE, job->first_failure_wall_ms);
    put_number(headers, DEAD_HEADER_LAST_FAILURE, job->last_failure_wall_ms);
    if (f->signal)
        put_number(headers, DEAD_HEADER_SIGNAL, f->signal);
    put_text(headers, DEAD_HEADER_BACKTRACE, f->backtrace);
}

rd_kafka_headers_t *dead_headers(const struct pipeline *pl, const struct job *job,
                                 bool value_dropped)
{
    rd_kafka_headers_t *headers =
        job->headers ? rd_kafka_headers_copy(job->headers) : rd_kafka_headers_new(24);

    if (!headers)
        return NULL;
    put_origin(headers, pl, job);
    put_failure(headers, pl, job);
    if (value_dropped)
        rd_kafka_header_add(headers, TRUNCATED_HEADER, -1, "value", 5);
    return headers;
}
