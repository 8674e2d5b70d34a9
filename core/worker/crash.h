/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's last words: a signal handler that writes signal, address and backtrace into the control
 * page, then lets the signal do its work. It runs on a stack of its own, so that a stack overflow is
 * told as well, and calls nothing that allocates or locks: the modules' places are noted beforehand.
 */
#ifndef QUERN_WORKER_CRASH_H
#define QUERN_WORKER_CRASH_H

#include "worker/channel.h"

/* Installs the handler. */
void crash_watch(struct crash_record *record);
/* Notes where the modules are: call again after the plugin was opened. */
void crash_note_modules(void);

#endif
