/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quern-worker --describe PATH: opens a plugin in this process, which is locked down for it, and
 * prints what it says of itself as one JSON object on stdout, or {"error": "..."} and exit code 65.
 *
 * quern-worker --check: a spec on stdin; opens the plugin, fills its settings, calls its `check`.
 * Exit code 0, or 78 and a sentence on stdout.
 */
#ifndef QUERN_WORKER_DESCRIBE_H
#define QUERN_WORKER_DESCRIBE_H

int describe(const char *path);
int check_settings(void);

#endif
