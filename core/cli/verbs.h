/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs, one file each. A new one is declared here and put into the table of verbs.c. */
#ifndef QUERN_CLI_VERBS_H
#define QUERN_CLI_VERBS_H

#include "cli/cli.h"

extern const struct verb verb_run, verb_check, verb_config, verb_status, verb_lag, verb_dlq,
    verb_produce, verb_plugin, verb_new, verb_exec, verb_demo, verb_broker, verb_version;

#endif
