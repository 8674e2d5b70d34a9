/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plugin that nobody can load: it was linked without -Wl,-z,defs and calls what is not there. The
 * engine must name the symbol.
 */
#include <quern/plugin.h>

int32_t quern_test_nowhere_to_be_found(void);

static int32_t unresolved_handle(void *self, struct quern_job *job)
{
    (void)self, (void)job;
    return quern_test_nowhere_to_be_found();
}

QUERN_PLUGIN(unresolved, "1.0.0", "Cannot be loaded.", .handle = unresolved_handle);
