/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verbs.h"

#include <stddef.h>

const struct verb *const cli_verbs[] = {
    &verb_run,
    &verb_check,
    &verb_config,
    &verb_status,
    &verb_lag,
    &verb_dlq,
    &verb_produce,
    &verb_plugin,
    &verb_exec,
    &verb_new,
    &verb_demo,
    &verb_broker,
    &verb_version,
    NULL,
};
