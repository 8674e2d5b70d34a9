/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Topics that must exist: see topics.h.
 *
 * WHY a thread. librdkafka has no asynchronous way to ask whether a topic exists (DescribeTopics
 * came with 2.3), and its blocking one takes as long as the brokers take. So a thread of its own
 * asks and creates, in one straight line, with a handle of its own, and the loop hears of the
 * outcome through an eventfd. The handle is a consumer's that may not create topics: a producer's
 * creates what it asks for on brokers with auto.create.topics.enable, and an input topic with a
 * typing error must not come into being. `rk` is not used for that reason; it also may be replaced
 * meanwhile.
 *
 * The thread owns copies of all it reads and shares with the loop only `struct topics_job`, counted
 * by `refs`; a cancelled job is left to its thread, which ends by its own timeout.
 *
 * librdkafka's embedded broker knows no admin requests, but creates whatever is asked for by name.
 * So there topics are looked for in the list of all, and created by asking for them.
 */
#include "kafka/topics.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "kafka/client.h"

#define TEXT_LIMIT 4096
#define RETRY_MS   200

struct topics_job {
    atomic_int refs; /* the loop and the thread */
    atomic_bool cancelled;
    rd_kafka_conf_t *ask_conf, *create_conf;
    bool embedded, create;
    int partitions, replication, timeout_ms;
    struct topic_need *needs;
    bool *there;
    size_t count;
    /* Written by the thread before it writes fd, read by the loop after. */
    int err;
    struct buf text;
    int fd;
    /* The loop's. */
    struct event *event;
    topics_done_fn done;
    void *data;
};

static void job_unref(struct topics_job *job)
{
    if (atomic_fetch_sub(&job->refs, 1) != 1)
        return;
    if (job->ask_conf)
        rd_kafka_conf_destroy(job->ask_conf);
    if (job->create_conf)
        rd_kafka_conf_destroy(job->create_conf);
    for (size_t i = 0; i < job->count; i++)
        free((char *)(uintptr_t)job->needs[i].name);
    free(job->needs);
    free(job->there);
    buf_done(&job->text);
    if (job->fd >= 0)
        close(job->fd);
    free(job);
}

/* ---- the thread */

static int left_ms(int64_t deadline_ns)
{
    int64_t left = (deadline_ns - clock_now_ns()) / NS_PER_MS;

    return left > 0 ? (int)left : 0;
}

static void job_fail(struct topics_job *job, int err, const char *text)
{
    job->err = err;
    buf_reset(&job->text);
    buf_str(&job->text, text);
}

/* What the brokers say of one topic. 0 and whether it is there; -EAGAIN: they cannot say now. */
static int judge(const struct rd_kafka_metadata *metadata, const char *name, bool *ret_there)
{
    for (int i = 0; i < metadata->topic_cnt; i++) {
        const struct rd_kafka_metadata_topic *topic = &metadata->topics[i];

        if (strcmp(topic->topic, name) != 0)
            continue;
        *ret_there = !topic->err && topic->partition_cnt > 0;
        if (*ret_there || topic->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
            topic->err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC)
            return 0;
        if (topic->err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
            return -EACCES;
        return topic->err == RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION ? -EINVAL : -EAGAIN;
    }
    *ret_there = false;
    return 0;
}

/* Asks for one topic by its name, or (list) for all there are: the embedded broker makes each topic
 * it is asked for by name, and on a real one a list of all may be long. */
static int ask(rd_kafka_t *rk, const char *name, bool list, int timeout_ms, bool *ret_there)
{
    rd_kafka_topic_t *topic = list ? NULL : rd_kafka_topic_new(rk, name, NULL);
    const struct rd_kafka_metadata *metadata = NULL;
    int result = -EAGAIN;

    if (!list && !topic)
        return -EINVAL;
    if (!rd_kafka_metadata(rk, list, topic, &metadata, timeout_ms))
        result = judge(metadata, name, ret_there);
    if (metadata)
        rd_kafka_metadata_destroy(metadata);
    if (topic)
        rd_kafka_topic_destroy(topic);
    return result;
}

/* Fills `there` for all; also waits for topics that were just made. */
static int ask_all(struct topics_job *job, rd_kafka_t *rk, int64_t deadline_ns, bool until_there)
{
    for (size_t i = 0; i < job->count; i++) {
        for (;;) {
            int err;

            if (job->there[i])
                break;
            if (atomic_load(&job->cancelled))
                return -ECANCELED;
            err = ask(rk, job->needs[i].name, job->embedded, left_ms(deadline_ns), &job->there[i]);
            if (!err && (job->there[i] || !until_there || !job->needs[i].create))
                break;
            if (err && err != -EAGAIN) {
                job_fail(job, err, "");
                buf_printf(&job->text,
                           err == -EACCES ? "not authorised to describe the topic \"%s\""
                                          : "\"%s\" is not a name that a topic can have",
                           job->needs[i].name);
                return err;
            }
            if (left_ms(deadline_ns) == 0) {
                job_fail(job, -EAGAIN, "no broker answered in time");
                return -EAGAIN;
            }
            usleep(RETRY_MS * 1000);
        }
    }
    return 0;
}

static int missing(const struct topics_job *job, bool create)
{
    int count = 0;

    for (size_t i = 0; i < job->count; i++)
        count += !job->there[i] && (job->create && job->needs[i].create) == create;
    return count;
}

static int say_missing(struct topics_job *job)
{
    int count = missing(job, false);
    bool first = true;

    job_fail(job, -ENOENT,
             count == 1 ? "this topic does not exist: " : "these topics do not exist: ");
    for (size_t i = 0; i < job->count; i++) {
        if (job->there[i] || (job->create && job->needs[i].create))
            continue;
        buf_printf(&job->text, "%s%s", first ? "" : ", ", job->needs[i].name);
        first = false;
    }
    buf_str(&job->text,
            job->create ? " (input topics are never created)" : " (create_topics is off)");
    return -ENOENT;
}

/* What a broker said to the creation of one topic. */
static int created(struct topics_job *job, const rd_kafka_topic_result_t *result)
{
    rd_kafka_resp_err_t err = rd_kafka_topic_result_error(result);
    const char *name = rd_kafka_topic_result_name(result);
    const char *text = rd_kafka_topic_result_error_string(result);

    if (!err) {
        log_event(LOG_INFO, "topic.created", "a topic was created", LF_STR("topic", name),
                  LF_INT("partitions", job->partitions), LF_INT("replication", job->replication));
        return 0;
    }
    if (err == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        return 0;
    job_fail(job, -EIO, "");
    buf_printf(&job->text, "the topic \"%s\" cannot be created: %s", name,
               text && *text ? text : rd_kafka_err2str(err));
    if (err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
        err == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED)
        job->err = -EACCES;
    else if (err == RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT || err == RD_KAFKA_RESP_ERR_NOT_CONTROLLER)
        job->err = -EAGAIN;
    return job->err;
}

static int create_answer(struct topics_job *job, rd_kafka_queue_t *queue, int timeout_ms)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, timeout_ms);
    const rd_kafka_topic_result_t **results;
    size_t count = 0;
    int err = 0;

    if (!event || rd_kafka_event_error(event)) {
        job_fail(job, -EAGAIN, event ? rd_kafka_event_error_string(event) : "no answer in time");
        err = -EAGAIN;
    } else {
        results =
            rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
        for (size_t i = 0; i < count && !err; i++)
            err = created(job, results[i]);
    }
    if (event)
        rd_kafka_event_destroy(event);
    return err;
}

static int create_missing(struct topics_job *job, rd_kafka_t *rk, int64_t deadline_ns)
{
    int timeout_ms = left_ms(deadline_ns) > 1000 ? left_ms(deadline_ns) - 500 : 500;
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_NewTopic_t **topics = xcalloc(job->count, sizeof *topics);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    size_t count = 0;
    char text[256];
    int err = 0;

    for (size_t i = 0; i < job->count && !err; i++) {
        if (job->there[i] || !job->needs[i].create)
            continue;
        topics[count] = rd_kafka_NewTopic_new(job->needs[i].name, job->partitions, job->replication,
                                              text, sizeof text);
        if (topics[count]) {
            count++;
            continue;
        }
        job_fail(job, err = -EINVAL, text);
    }
    if (rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, text, sizeof text))
        job_fail(job, err = -EINVAL, text);
    if (!err) {
        rd_kafka_CreateTopics(rk, topics, count, options, queue);
        err = create_answer(job, queue, timeout_ms + 500);
    }
    rd_kafka_NewTopic_destroy_array(topics, count);
    free(topics);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    return err;
}

static rd_kafka_t *open_handle(struct topics_job *job, rd_kafka_type_t type, rd_kafka_conf_t **conf)
{
    char text[256];
    rd_kafka_t *rk = rd_kafka_new(type, *conf, text, sizeof text);

    if (rk)
        *conf = NULL; /* it is the handle's now */
    else
        job_fail(job, -EIO, text);
    return rk;
}

/* By asking with a handle that may create: the embedded broker's way. */
static int create_by_asking(struct topics_job *job, int64_t deadline_ns)
{
    rd_kafka_t *rk = open_handle(job, RD_KAFKA_CONSUMER, &job->create_conf);
    int err = 0;

    if (!rk)
        return job->err;
    for (size_t i = 0; i < job->count && !err; i++)
        if (!job->there[i] && job->needs[i].create) {
            bool there;

            err = ask(rk, job->needs[i].name, false, left_ms(deadline_ns), &there);
        }
    if (err)
        job_fail(job, err, "the embedded broker did not create a topic");
    rd_kafka_destroy(rk);
    return err;
}

static void run(struct topics_job *job)
{
    int64_t deadline_ns = clock_now_ns() + job->timeout_ms * NS_PER_MS;
    rd_kafka_t *rk = open_handle(job, RD_KAFKA_CONSUMER, &job->ask_conf);
    int err;

    if (!rk)
        return;
    err = ask_all(job, rk, deadline_ns, false);
    if (!err && missing(job, false) > 0)
        err = say_missing(job);
    if (!err && missing(job, true) > 0) {
        err = job->embedded ? create_by_asking(job, deadline_ns)
                            : create_missing(job, rk, deadline_ns);
        if (!err)
            err = ask_all(job, rk, deadline_ns, true);
    }
    job->err = err;
    rd_kafka_destroy(rk);
}

static void *thread_run(void *data)
{
    static const uint64_t one = 1;
    struct topics_job *job = data;

    run(job);
    if (write(job->fd, &one, sizeof one) != (ssize_t)sizeof one)
        log_event(LOG_ERROR, "topics.error", "the loop cannot be woken", LF_INT("errno", errno));
    job_unref(job);
    return NULL;
}

/* ---- the loop */

static void on_done(evutil_socket_t fd, short what, void *data)
{
    struct topics_job *job = data;

    (void)fd;
    (void)what;
    event_free(job->event);
    job->event = NULL;
    job->done(job->data, job->err, buf_text(&job->text));
    job_unref(job);
}

/* All signals are the loop's: the thread takes none. */
static int start_thread(struct topics_job *job)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, old;
    int err;

    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    err = pthread_create(&thread, &attr, thread_run, job);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    return -err;
}

static void take_conf(struct topics_job *job, const struct settings_kafka *kafka)
{
    char text[256];

    job->ask_conf = client_conf(kafka, "consumer", text, sizeof text);
    job->create_conf = client_conf(kafka, "consumer", text, sizeof text);
    if (!job->ask_conf || !job->create_conf) {
        job_fail(job, -EINVAL, text);
        return;
    }
    client_try_set(job->ask_conf, "allow.auto.create.topics", "false");
    client_try_set(job->create_conf, "allow.auto.create.topics", "true");
}

struct topics_job *topics_ensure(struct event_base *base, rd_kafka_t *rk,
                                 const struct settings_kafka *settings,
                                 const struct topic_need *needs, size_t count, int timeout_ms,
                                 topics_done_fn done, void *data)
{
    struct topics_job *job = xcalloc(1, sizeof *job);

    (void)rk;
    atomic_init(&job->refs, 1);
    buf_init(&job->text, TEXT_LIMIT);
    job->embedded = settings->embedded;
    job->create = settings->create_topics;
    job->partitions = settings->create_partitions;
    job->replication = settings->create_replication;
    job->timeout_ms = timeout_ms;
    job->needs = xcalloc(count ? count : 1, sizeof *job->needs);
    job->there = xcalloc(count ? count : 1, sizeof *job->there);
    for (job->count = 0; job->count < count; job->count++)
        job->needs[job->count] = (struct topic_need){xstrdup(needs[job->count].name),
                                                     needs[job->count].create && job->create};
    job->done = done;
    job->data = data;
    job->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    job->event = job->fd >= 0 ? event_new(base, job->fd, EV_READ, on_done, job) : NULL;
    if (!job->event || event_add(job->event, NULL) != 0) {
        log_event(LOG_ERROR, "topics.error", "the event loop has no room for a question",
                  LF_INT("errno", errno));
        abort();
    }
    take_conf(job, settings);
    if (!job->err) {
        atomic_fetch_add(&job->refs, 1);
        job->err = start_thread(job);
        if (!job->err)
            return job;
        atomic_fetch_sub(&job->refs, 1);
        job_fail(job, -EAGAIN, "no thread can be started");
    }
    event_active(job->event, EV_READ, 0); /* done() still comes from the loop */
    return job;
}

void topics_cancel(struct topics_job *job)
{
    if (!job)
        return;
    atomic_store(&job->cancelled, true);
    event_free(job->event);
    job->event = NULL;
    job_unref(job);
}
