/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker may do: its own memory and time, the system's libraries to read, and what its pipeline
 * grants. All of it is applied before the plugin is opened, because the constructors of a shared
 * object are foreign code, too.
 *
 *   no_new_privs, rlimits (address space, files, file size, no core file), umask 077
 *   killed with its core (PDEATHSIG); first in line for the OOM killer
 *   Landlock   files: system read-only, /dev/null and the like, the granted paths. ABI 1 is enough
 *   seccomp    a deny list, because libraries such as libvips start threads and look at the machine:
 *              no exec, no ptrace, no mounts, modules, clocks, keys, bpf, io_uring; signals to itself
 *              only; sockets only where the network is granted and the plugin asks for it
 *
 * Where the kernel lacks one, the rest stands and one log line says so.
 */
#ifndef QUERN_WORKER_SANDBOX_H
#define QUERN_WORKER_SANDBOX_H

#include "worker/spec.h"

/* Before anything else. Ends the process when its core is gone already. */
void sandbox_tie_to_parent(int64_t parent_pid);
/* 0; a negative errno with a sentence: what is asked for cannot be had (not: the kernel is old). */
__attribute__((warn_unused_result)) int sandbox_enter(const struct spec *spec, const char *plugin,
                                                      char *error, size_t error_size);
/* Before the settings are known (to describe a plugin): no network, no files but the system's. */
__attribute__((warn_unused_result)) int sandbox_enter_closed(const char *plugin, char *error,
                                                             size_t error_size);

#endif
