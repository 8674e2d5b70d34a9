/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin of a later major version of the ABI: it must be refused, with both versions named. */
#include <quern/plugin.h>

#undef QUERN_ABI_MAJOR
#define QUERN_ABI_MAJOR 7

static int32_t other_handle(void *self, struct quern_job *job)
{
    (void)self, (void)job;
    return QUERN_OK;
}

QUERN_PLUGIN_NAMED("other-abi", "1.0.0", "Of another ABI.", .handle = other_handle);
