/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Health, metrics and status over HTTP, on the engine's own loop.
 *
 *   GET /livez           200 while the loop turns
 *   GET /readyz          200, or 503 and the reason; an idle pipeline is ready
 *   GET /metrics         Prometheus text format 0.0.4
 *   GET /api/v1/status   what `quern status` shows, as JSON
 *   GET /version         JSON
 *
 * Bounded, because anybody on the host may connect: headers 8 KiB, no bodies, 64 connections, and ten
 * seconds for a request however slowly it drips. Reads only; there is no login, so it listens on
 * loopback unless the settings say otherwise.
 */
#ifndef QUERN_ADMIN_ADMIN_H
#define QUERN_ADMIN_ADMIN_H

#include <stddef.h>
#include <stdint.h>

#include "pipeline/engine.h"

struct admin;
struct event_base;

/* NULL and a sentence in error. */
struct admin *admin_new(struct event_base *base, const struct engine *engine,
                        const struct settings_admin *settings, char *error, size_t error_size);
uint16_t admin_port(const struct admin *a);
void admin_free(struct admin *a); /* NULL is fine */

#endif
