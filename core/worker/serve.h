/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker process at work: takes jobs from its ring, runs the plugin on them one by one, writes
 * the verdicts, until it is told to stop. Exit codes: 0 ended as asked; 70 the plugin's `open` failed
 * or something is wrong with the channel; the reason is the last line of the log pipe.
 */
#ifndef QUERN_WORKER_SERVE_H
#define QUERN_WORKER_SERVE_H

int serve(void);

#endif
