/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's state in Prometheus' text format 0.0.4. Names: docs/metrics.md. */
#ifndef QUERN_ADMIN_METRICS_H
#define QUERN_ADMIN_METRICS_H

#include "base/buf.h"
#include "pipeline/engine.h"

void metrics_render(const struct engine *e, struct buf *out);

#endif
