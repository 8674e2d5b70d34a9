/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Topics that must exist before a pipeline starts: its inputs, dead letters and emits. Creates what is
 * missing where the settings allow it. Used by `quern run` (again and again until a broker answers)
 * and `quern check --connect`.
 */
#ifndef QUERN_KAFKA_TOPICS_H
#define QUERN_KAFKA_TOPICS_H

#include <librdkafka/rdkafka.h>

#include "config/settings.h"

struct buf;
struct event_base;
struct topics_job;

struct topic_need {
    const char *name;
    bool create; /* may be created: a dead-letter or emit topic */
};

/* Asynchronous: runs on a thread-free librdkafka admin queue in the loop. done(data, err, text): 0 when
 * all exist; -ENOENT with a sentence that names the missing ones; -EAGAIN: no broker answered within
 * timeout_ms, try again; -EACCES: not authorised. `rk`: any handle, outlives the call. */
typedef void (*topics_done_fn)(void *data, int err, const char *text);
struct topics_job *topics_ensure(struct event_base *base, rd_kafka_t *rk,
                                 const struct settings_kafka *settings,
                                 const struct topic_need *needs, size_t count, int timeout_ms,
                                 topics_done_fn done, void *data);
void topics_cancel(struct topics_job *job); /* done() is not called any more. NULL is fine */

#endif
