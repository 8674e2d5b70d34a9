/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quern-worker --exec: runs one job through a plugin in this process and prints what became of it.
 * No Kafka, no sandbox, no other process, so that a debugger or valgrind sees the plugin and
 * nothing else. The host is the testkit's. The arguments are what `quern exec` makes of its own:
 *
 *   --exec PLUGIN.so [--job FILE|-] [--key K] [--header N=V]... [--set N=V]... [--attempt N]
 *          [--deadline-ms N] [--json]
 */
#ifndef QUERN_WORKER_EXEC_H
#define QUERN_WORKER_EXEC_H

int exec_job(int argc, char **argv);

#endif
