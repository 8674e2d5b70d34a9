/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plugin that does nothing, to measure what the engine costs: it touches one byte of its job, as the
 * bare loop does that it is compared with.
 */
#include <quern/plugin.h>

static unsigned char last_byte;

static int32_t noop_handle(void *self, struct quern_job *job)
{
    struct quern_bytes body = quern_job_value(job);

    (void)self;
    if (body.len > 0)
        last_byte ^= ((const unsigned char *)body.data)[body.len - 1];
    return QUERN_OK;
}

QUERN_PLUGIN_NAMED("bench-noop", "1.0.0", "Does nothing.", .handle = noop_handle);
