/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records become jobs. From here on each of them is accounted for: the tracker has its offset, and
 * only the end of the job (settled, or fenced with its partition) gives it back.
 */
#include "pipeline/body.h"

#include <stdio.h>

#include "base/log.h"

static void check_and_enqueue(struct pipeline *pl, struct job *job)
{
    char text[128];

    if (__builtin_expect((int64_t)job->bytes > pl->conf->max_record_bytes, 0)) {
        snprintf(text, sizeof text, "the record has %u bytes, more than max_record = %lld",
                 job->bytes, (long long)pl->conf->max_record_bytes);
        settle_refuse(pl, job, "too_large", text);
        return;
    }
    if (__builtin_expect(job->headers != NULL, 0)) {
        size_t count = rd_kafka_header_cnt(job->headers);

        if (count > JOB_HEADERS_MAX) {
            snprintf(text, sizeof text, "the record has %zu headers, more than %d", count,
                     JOB_HEADERS_MAX);
            settle_refuse(pl, job, "too_many_headers", text);
            return;
        }
    }
    gate_enqueue(pl, job, false);
}

/* False: the record was not taken in, and must come again. */
static bool admit(struct pipeline *pl, struct part *part, rd_kafka_message_t *rec)
{
    struct job *job = job_new(&pl->jobs);

    if (!job)
        return false;
    job->part = part;
    int err = tracker_add(&part->tracker, rec->offset, &job->seq);
    if (err) {
        log_event(LOG_ERROR, "job.unexpected", "a record does not follow the one before it",
                  LF_STR("pipeline", pl->conf->name), LF_INT("partition", part->partition),
                  LF_INT("offset", rec->offset), LF_INT("errno", -err));
        job->state = JOB_FENCED; /* never was the tracker's: straight back */
        job_free(&pl->jobs, job);
        return false;
    }
    job_take_record(job, rec);
    job_set_state(job, JOB_ADMITTED);
    part->jobs++;
    pl->in_flight++;
    pl->in_flight_bytes += job->bytes;
    pl->stats.consumed++;
    check_and_enqueue(pl, job);
    return true;
}

void admit_records(struct pipeline *pl, struct part *part, rd_kafka_message_t **recs, size_t count)
{
    body_touch_clock(pl);
    pl->stats.last_record_wall_ms = pl->now_wall_ms;
    for (size_t i = 0; i < count; i++) {
        if (admit(pl, part, recs[i]))
            continue;
        /* A record that cannot be entered would be passed by the next commit: better to stop. */
        for (; i < count; i++)
            rd_kafka_message_destroy(recs[i]);
        body_fail(pl, "a record could not be taken in (no memory, or its offset is out of order)");
    }
}
