/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a job ends, or does not yet.
 *
 *   OK, SKIP     staged emits are sent; settled when the brokers have them all
 *   RETRY        an attempt is used up; waits (backoff), or dead letter when attempts or age are
 *   DEFER        the same without using up an attempt; dead letter `expired` by age only
 *   REJECT       dead letter at once
 *   FATAL        the pipeline stops; the job stays unsettled for whoever comes next
 *   its worker died   one attempt and one crash; then alone in a quarantine worker; the max_crashes-th
 *                     crash is the dead letter
 *
 * A dead letter settles its job only when the brokers have acknowledged it. One that cannot be sent is
 * sent again, without end: the partition's commit waits, which is visible, and nothing is lost.
 *
 * A result of a fenced job is counted and dropped: its record is somebody else's.
 */
#include "pipeline/body.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <quern/plugin.h>

#include "base/clock.h"
#include "base/log.h"
#include "pipeline/outbox.h"

#define RESEND_FULL_MS 10    /* the producer's queue was full: it drains in milliseconds */
#define RESEND_FAILED_MS 1000 /* the brokers refused: somebody has to mend something */

#define LF_JOB(pl, job)                                                                            \
    LF_STR("pipeline", (pl)->conf->name), LF_STR("plugin", (pl)->plugin->name),                    \
        LF_STR("topic", (pl)->conf->topics[(job)->part->topic]),                                   \
        LF_INT("partition", (job)->part->partition), LF_INT("offset", (job)->offset)

static void arm_resend(struct pipeline *pl, int64_t ms)
{
    struct timeval tv = {ms / 1000, ms % 1000 * 1000};

    if (!event_pending(pl->resend_timer, EV_TIMEOUT, NULL))
        event_add(pl->resend_timer, &tv);
}

static void queue_unsent(struct pipeline *pl, struct job *job, int64_t ms)
{
    job->unsent = true;
    TAILQ_INSERT_TAIL(&pl->unsent, job, link);
    arm_resend(pl, ms);
}

/* ---- Done for good ---- */

static void settled(struct pipeline *pl, struct job *job, enum outcome outcome)
{
    body_set_state(job, JOB_SETTLED);
    tracker_settle(&job->part->tracker, job->seq);
    pl->stats.settled[outcome]++;
    if (__builtin_expect(job->crashes + job->timeouts > 0, 0) && outcome != OUTCOME_DEAD) {
        pl->stats.crashes_recovered++;
        log_event(LOG_INFO, "job.recovered", "a job that had killed its worker ended well",
                  LF_JOB(pl, job), LF_INT("crashes", job->crashes),
                  LF_INT("timeouts", job->timeouts));
    }
    if (job->timestamp_ms >= 0)
        histogram_observe(&pl->stats.end_to_end,
                          (double)(pl->now_wall_ms - job->timestamp_ms) / 1000.0);
    body_end_job(pl, job);
}

static bool drop_if_fenced(struct pipeline *pl, struct job *job)
{
    if (__builtin_expect(job->state != JOB_FENCED, 1))
        return false;
    if (job->unacked == 0) {
        pl->stats.fenced++;
        body_end_job(pl, job);
    }
    return true;
}

/* ---- Dead letters ---- */

static void dead_acked(void *data, rd_kafka_resp_err_t err);

static void send_dead(struct pipeline *pl, struct job *job)
{
    rd_kafka_headers_t *headers = dead_headers(pl, job, job->value_dropped);
    int err = -ENOMEM;

    if (headers)
        err = producer_send(pl->producer, pl->conf->dead, RD_KAFKA_PARTITION_UA, job->key.data,
                            job->key.len, job->value_dropped ? NULL : job->value.data,
                            job->value_dropped ? 0 : job->value.len, headers, dead_acked, job);
    if (err == 0) {
        job->unacked = 1;
        return;
    }
    if (headers)
        rd_kafka_headers_destroy(headers);
    if (err == -EMSGSIZE && !job->value_dropped) {
        /* With our headers it no longer fits: the stub says where the origin is. */
        job->value_dropped = true;
        send_dead(pl, job);
        return;
    }
    if (err != -EAGAIN) {
        pl->stats.produce_failures++;
        log_event(LOG_ERROR, "dead.failed",
                  "a dead letter cannot be sent; its partition waits. Check the topic and its rights",
                  LF_JOB(pl, job), LF_STR("dead", pl->conf->dead), LF_STR("error", strerror(-err)));
    }
    queue_unsent(pl, job, err == -EAGAIN ? RESEND_FULL_MS : RESEND_FAILED_MS);
}

static void dead_acked(void *data, rd_kafka_resp_err_t err)
{
    struct job *job = data;
    struct pipeline *pl = job->part->pl;

    job->unacked = 0;
    if (drop_if_fenced(pl, job))
        return;
    if (err) {
        pl->stats.produce_failures++;
        job->value_dropped |= err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
        log_event(LOG_ERROR, "dead.failed", "a dead letter was not taken; it is sent again",
                  LF_JOB(pl, job), LF_STR("dead", pl->conf->dead),
                  LF_STR("error", rd_kafka_err2str(err)));
        queue_unsent(pl, job, RESEND_FAILED_MS);
        return;
    }
    pl->stats.dead[job->dead_cause]++;
    body_touch_clock(pl);
    settled(pl, job, OUTCOME_DEAD);
    body_batch_done(pl);
}

void settle_dead(struct pipeline *pl, struct job *job, enum dead_cause cause)
{
    log_event(LOG_WARN, "job.dead", "a job goes to the dead-letter topic", LF_JOB(pl, job),
              LF_STR("cause", dead_cause_names[cause]), LF_STR("code", job->failure->code),
              LF_STR("reason", job->failure->text), LF_INT("attempts", job->attempts),
              LF_INT("crashes", job->crashes), LF_STR("dead", pl->conf->dead));
    body_set_state(job, JOB_SETTLING);
    job->outcome = OUTCOME_DEAD;
    job->dead_cause = (uint8_t)cause;
    send_dead(pl, job);
}

static void note_failure(struct pipeline *pl, struct job *job)
{
    job->last_failure_wall_ms = pl->now_wall_ms;
    if (!job->first_failure_wall_ms)
        job->first_failure_wall_ms = pl->now_wall_ms;
}

void settle_refuse(struct pipeline *pl, struct job *job, const char *code, const char *text)
{
    job_set_failure(job, code, strlen(code), text, strlen(text), 0, NULL);
    note_failure(pl, job);
    settle_dead(pl, job, DEAD_REJECTED);
}

/* ---- Again later ---- */

static bool too_old(const struct pipeline *pl, const struct job *job)
{
    return pl->now_wall_ms - job->first_failure_wall_ms >= pl->conf->max_age_ms;
}

static int64_t longer(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* An attempt is used up. `cause`: of the dead letter, when it was the last. */
static void try_again(struct pipeline *pl, struct job *job, int64_t retry_after_ms,
                      enum dead_cause cause)
{
    int64_t delay_ms;

    job->attempts++;
    job->defers = 0;
    if (job->attempts >= (uint32_t)pl->conf->attempts || too_old(pl, job)) {
        settle_dead(pl, job, cause);
        return;
    }
    delay_ms = backoff_delay_ms(&pl->rng, job->attempts, pl->conf->backoff_min_ms,
                                pl->conf->backoff_max_ms);
    delay_ms = longer(delay_ms, retry_after_ms);
    pl->stats.retries++;
    log_event(LOG_INFO, "job.retry", "a job failed and runs again later", LF_JOB(pl, job),
              LF_INT("attempts", job->attempts), LF_INT("max_attempts", pl->conf->attempts),
              LF_INT("delay_ms", delay_ms), LF_STR("code", job->failure->code),
              LF_STR("reason", job->failure->text));
    gate_wait(pl, job, delay_ms);
}

static void defer(struct pipeline *pl, struct job *job, int64_t retry_after_ms)
{
    int64_t delay_ms;

    if (too_old(pl, job)) {
        settle_dead(pl, job, DEAD_EXPIRED);
        return;
    }
    job->defers++;
    delay_ms = backoff_delay_ms(&pl->rng, job->defers, pl->conf->backoff_min_ms,
                                pl->conf->backoff_max_ms);
    delay_ms = longer(delay_ms, retry_after_ms);
    pl->stats.defers++;
    log_event(LOG_INFO, "job.deferred", "a job waits, no attempt used up", LF_JOB(pl, job),
              LF_INT("delay_ms", delay_ms), LF_STR("code", job->failure->code),
              LF_STR("reason", job->failure->text));
    gate_wait(pl, job, delay_ms);
}

/* ---- Emits ---- */

/* Sending the same again cannot help: the job's next run may emit something else, or use up its
 * attempts. Anything else is an outage, for which no job pays. */
static bool is_permanent(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ||
           err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
           err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
           err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
           err == RD_KAFKA_RESP_ERR_INVALID_MSG || err == RD_KAFKA_RESP_ERR_INVALID_RECORD;
}

static void emits_done(struct pipeline *pl, struct job *job)
{
    char text[256];

    if (drop_if_fenced(pl, job))
        return;
    outbox_free(job->outbox);
    job->outbox = NULL;
    body_touch_clock(pl);
    if (!job->spoiled) {
        settled(pl, job, (enum outcome)job->outcome);
    } else {
        job->spoiled = false;
        pl->stats.produce_failures++;
        snprintf(text, sizeof text, "an emitted record was not taken: %s",
                 rd_kafka_err2str(job->produce_error));
        job_set_failure(job, "emit_failed", 11, text, strlen(text), 0, NULL);
        note_failure(pl, job);
        if (is_permanent(job->produce_error))
            try_again(pl, job, 0, DEAD_EXHAUSTED);
        else
            defer(pl, job, RESEND_FAILED_MS);
    }
    body_batch_done(pl);
}

static bool all_sent(const struct job *job)
{
    return !job->outbox || job->outbox->next == job->outbox->count;
}

static void emit_acked(void *data, rd_kafka_resp_err_t err)
{
    struct job *job = data;
    struct pipeline *pl = job->part->pl;

    job->unacked--;
    if (err) {
        job->spoiled = true;
        job->produce_error = err;
    } else {
        pl->stats.emitted++;
    }
    if (job->unacked == 0 && !job->sending && (all_sent(job) || job->state == JOB_FENCED))
        emits_done(pl, job);
}

static int send_emit(struct pipeline *pl, struct job *job, const struct worker_emit *emit)
{
    rd_kafka_headers_t *headers = NULL;
    int err;

    if (emit->header_count) {
        headers = rd_kafka_headers_new(emit->header_count);
        for (size_t i = 0; i < emit->header_count; i++)
            rd_kafka_header_add(headers, emit->headers[i].name, -1, emit->headers[i].value.data,
                                (ssize_t)emit->headers[i].value.len);
    }
    err = producer_send(pl->producer, pl->conf->emits[emit->alias].topic, RD_KAFKA_PARTITION_UA,
                        emit->key.data, emit->key.len, emit->value.data, emit->value.len, headers,
                        emit_acked, job);
    if (err && headers)
        rd_kafka_headers_destroy(headers);
    if (!err)
        job->unacked++;
    return err;
}

/* The number sent before something went wrong; *ret_err says what, 0: nothing. */
static size_t send_emits(struct pipeline *pl, struct job *job, const struct worker_emit *emits,
                         size_t count, int *ret_err)
{
    size_t i = 0;

    *ret_err = 0;
    job->sending = true;
    while (i < count && (*ret_err = send_emit(pl, job, &emits[i])) == 0)
        i++;
    job->sending = false;
    return i;
}

static void spoil(struct job *job, int err)
{
    job->spoiled = true;
    job->produce_error = err == -EMSGSIZE ? RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE
                         : err == -ENOENT ? RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC
                                          : RD_KAFKA_RESP_ERR__FAIL;
}

static void settle_emits(struct pipeline *pl, struct job *job, const struct worker_result *res)
{
    size_t sent;
    int err;

    body_set_state(job, JOB_SETTLING);
    sent = send_emits(pl, job, res->emits, res->emit_count, &err);
    if (err == -EAGAIN) {
        job->outbox = outbox_new(res->emits + sent, res->emit_count - sent);
        if (job->outbox) {
            queue_unsent(pl, job, RESEND_FULL_MS);
            return;
        }
    }
    if (err)
        spoil(job, err);
    if (job->unacked == 0)
        emits_done(pl, job);
}

static void resend_outbox(struct pipeline *pl, struct job *job)
{
    struct outbox *box = job->outbox;
    int err;

    box->next += send_emits(pl, job, box->emits + box->next, box->count - box->next, &err);
    if (err == -EAGAIN) {
        queue_unsent(pl, job, RESEND_FULL_MS);
        return;
    }
    if (err) {
        spoil(job, err);
        box->next = box->count;
    }
    if (job->unacked == 0)
        emits_done(pl, job);
}

void settle_resend(struct pipeline *pl)
{
    struct job_list now = TAILQ_HEAD_INITIALIZER(now);
    struct job *job;

    TAILQ_CONCAT(&now, &pl->unsent, link);
    while ((job = TAILQ_FIRST(&now))) {
        TAILQ_REMOVE(&now, job, link);
        job->unsent = false;
        if (job->outcome == OUTCOME_DEAD)
            send_dead(pl, job);
        else
            resend_outbox(pl, job);
    }
    body_batch_done(pl);
}

/* ---- What the workers say ---- */

static void take_failure(struct pipeline *pl, struct job *job, const struct worker_result *res)
{
    job_set_failure(job, res->code.data, res->code.len, res->text.data, res->text.len, 0, NULL);
    note_failure(pl, job);
}

static void settle_bad_result(struct pipeline *pl, struct job *job, int32_t result)
{
    char text[96];

    pl->stats.plugin_bugs++;
    snprintf(text, sizeof text, "the plugin returned %d, which is not a result", (int)result);
    log_event(LOG_ERROR, "plugin.bad_result", "the plugin returned something that is not a result",
              LF_JOB(pl, job), LF_INT("result", result));
    job_set_failure(job, "bad_result", 10, text, strlen(text), 0, NULL);
    note_failure(pl, job);
    try_again(pl, job, 0, DEAD_EXHAUSTED);
}

static void settle_fatal(struct pipeline *pl, struct job *job, const struct worker_result *res)
{
    char reason[512];

    snprintf(reason, sizeof reason, "the plugin gave up (FATAL, %.*s): %.*s", (int)res->code.len,
             res->code.len ? (const char *)res->code.data : "", (int)res->text.len,
             res->text.len ? (const char *)res->text.data : "no reason given");
    gate_enqueue(pl, job, true);
    body_fail(pl, reason);
}

void settle_result(struct pipeline *pl, struct job *job, const struct worker_result *res)
{
    if (drop_if_fenced(pl, job))
        return;
    histogram_observe(&pl->stats.run, (double)res->run_ns / 1e9);
    switch (res->result) {
    case QUERN_OK:
    case QUERN_SKIP:
        job->outcome = res->result == QUERN_OK ? OUTCOME_OK : OUTCOME_SKIP;
        if (res->emit_count)
            settle_emits(pl, job, res);
        else
            settled(pl, job, (enum outcome)job->outcome);
        break;
    case QUERN_RETRY:
        take_failure(pl, job, res);
        try_again(pl, job, res->retry_after_ms, DEAD_EXHAUSTED);
        break;
    case QUERN_DEFER:
        take_failure(pl, job, res);
        defer(pl, job, res->retry_after_ms);
        break;
    case QUERN_REJECT:
        take_failure(pl, job, res);
        job->attempts++;
        settle_dead(pl, job, DEAD_REJECTED);
        break;
    case QUERN_FATAL:
        settle_fatal(pl, job, res);
        break;
    default: /* foreign numbers, QUERN_PENDING of a later ABI among them */
        settle_bad_result(pl, job, res->result);
        break;
    }
}

static enum dead_cause cause_of(enum death_cause death)
{
    switch (death) {
    case DEATH_TIMEOUT:
        return DEAD_TIMEOUT;
    case DEATH_OOM:
        return DEAD_OOM;
    case DEATH_PROTOCOL:
        return DEAD_PROTOCOL;
    case DEATH_CRASH:
    case DEATH_CAUSES:
        break;
    }
    return DEAD_CRASH;
}

void settle_death(struct pipeline *pl, struct job *job, const struct worker_death *death)
{
    const char *code;

    if (drop_if_fenced(pl, job))
        return;
    if (!death) {
        gate_put_back(pl, job);
        return;
    }
    code = death_cause_names[death->cause];
    job_set_failure(job, code, strlen(code), death->text, strlen(death->text), death->signal,
                    death->backtrace);
    note_failure(pl, job);
    if (death->cause == DEATH_TIMEOUT)
        job->timeouts++;
    else
        job->crashes++;
    job->alone = true;
    if (job->crashes + job->timeouts >= (uint32_t)pl->conf->max_crashes) {
        job->attempts++;
        settle_dead(pl, job, cause_of(death->cause));
        return;
    }
    try_again(pl, job, 0, cause_of(death->cause));
}
