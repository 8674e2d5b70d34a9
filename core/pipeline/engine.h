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

/* All pipelines running or failed for good, no pipeline still starting, brokers reachable. */
bool engine_ready(const struct engine *e);
/* Why it is not ready: a sentence; "" when it is. Borrowed until the next call. */
const char *engine_not_ready_reason(const struct engine *e);
size_t engine_pipeline_count(const struct engine *e);
struct pipeline *engine_pipeline(const struct engine *e, size_t i);
const struct settings *engine_settings(const struct engine *e);
const struct producer_stats *engine_producer_stats(const struct engine *e);
int64_t engine_started_wall_ms(const struct engine *e);

#endif
