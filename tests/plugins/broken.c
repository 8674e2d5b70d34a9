/* SPDX-License-Identifier: Apache-2.0 */
/* Plugins that should not be loaded, or do not start; which one: by the define. */
#include <unistd.h>

#include <quern/plugin.h>

QUERN_UNUSED static int32_t handle(void *self, struct quern_job *job)
{
    (void)self, (void)job;
    return QUERN_OK;
}

#if defined(BAD_START)
static int32_t bad_open(const struct quern_context *ctx, const void *settings, void **ret_self)
{
    (void)settings, (void)ret_self;
    return quern_open_error(ctx, -2, "there is no moon");
}
QUERN_PLUGIN(bad_start, "1", "Does not start.", .open = bad_open, .handle = handle);
#elif defined(SLOW_START)
static int32_t slow_open(const struct quern_context *ctx, const void *settings, void **ret_self)
{
    (void)ctx, (void)settings, (void)ret_self;
    sleep(60);
    return 0;
}
QUERN_PLUGIN(slow_start, "1", "Starts too slowly.", .open = slow_open, .handle = handle);
#elif defined(NO_HANDLE)
QUERN_PLUGIN(no_handle, "1", "Handles nothing.", .needs = 0);
#elif defined(NO_SYMBOL)
QUERN_EXPORT extern const int something_else;
const int something_else = 1;
#endif
