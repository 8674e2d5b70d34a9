/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's state as JSON: /api/v1/status, and what `quern status` draws its tables from. */
#ifndef QUERN_ADMIN_STATUS_H
#define QUERN_ADMIN_STATUS_H

#include "base/buf.h"
#include "pipeline/engine.h"

void status_render(const struct engine *e, struct buf *out);

#endif
