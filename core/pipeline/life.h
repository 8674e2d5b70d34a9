/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a pipeline, for the engine that owns it: new (workers start), topics_ready (it may join
 * its group), stop (drain, commit, leave, end the workers), ended, free.
 */
#ifndef QUERN_PIPELINE_LIFE_H
#define QUERN_PIPELINE_LIFE_H

#include <stdbool.h>

#include "pipeline/pipeline.h"

/* All arguments are borrowed and outlive the pipeline. NULL: out of memory or descriptors (errno). */
struct pipeline *pipeline_new(struct event_base *base, const struct settings *settings,
                              const struct settings_pipeline *conf,
                              const struct descriptor *plugin, struct producer *producer);
/* Its topics exist. */
void pipeline_topics_ready(struct pipeline *pl);
/* Orderly end. Bounded by drain_timeout and a few seconds for the group. */
void pipeline_stop(struct pipeline *pl);
bool pipeline_ended(const struct pipeline *pl);
/* Frees at once: workers are killed, what is not settled is the next owner's. The producer must have
 * given all its answers before. NULL is fine. */
void pipeline_free(struct pipeline *pl);

#endif
