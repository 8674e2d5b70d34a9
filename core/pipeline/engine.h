/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine: all pipelines of one settings tree, the producer they share, and their orderly end.
 * What `quern run` runs and what admin/ looks at.
 */
#ifndef QUERN_PIPELINE_ENGINE_H
#define QUERN_PIPELINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/settings.h"
#include "kafka/producer.h"
#include "pipeline/pipeline.h"

struct engine;
struct event_base;

/* How it ended. */
enum engine_end {
    ENGINE_DRAINED,       /* all that ran was finished and committed */
    ENGINE_CUT_SHORT,     /* drain_timeout passed: what still ran is run again by the next owner */
    ENGINE_TOPICS_MISSING, /* it could not start; engine_error() names them */
    ENGINE_NOT_PERMITTED   /* the brokers refuse; engine_error() says what */
};
typedef void (*engine_ended_fn)(void *data, enum engine_end end);

/* Finds and describes each plugin and checks the pipelines' plugin settings; what is wrong goes into
 * `ps`. Then starts workers and producer. `settings` is borrowed and outlives the engine. NULL: see ps.
 * ended() comes once, after engine_stop() or when the engine cannot start. */
struct engine *engine_new(struct event_base *base, const struct settings *settings,
                          struct problems *ps, engine_ended_fn ended, void *data);
/* SIGTERM: drain, commit, leave the groups, end the workers. Bounded by drain_timeout and 10 s. */
void engine_stop(struct engine *e);
void engine_free(struct engine *e); /* at any time; what is not settled is the next owner's */

/* All pipelines running, brokers reachable. */
bool engine_ready(const struct engine *e);
/* Why it is not ready: a sentence; "" when it is. Borrowed until the next call. */
const char *engine_not_ready_reason(const struct engine *e);
const char *engine_error(const struct engine *e);
size_t engine_pipeline_count(const struct engine *e);
struct pipeline *engine_pipeline(const struct engine *e, size_t i);
const struct settings *engine_settings(const struct engine *e);
const struct producer_stats *engine_producer_stats(const struct engine *e);
int64_t engine_started_wall_ms(const struct engine *e);

#endif
