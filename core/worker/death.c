/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a worker ended, in a sentence that a dead letter can carry.
 *
 * The kernel's word comes first (waitid on the pidfd: no other process can be meant); the crash record
 * that the worker's signal handler left adds address and backtrace. A SIGKILL that was not ours is
 * taken for the kernel's OOM killer when the host's count of such kills has grown since the worker
 * started, and for somebody's hand otherwise.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "worker/lane.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

const char *const death_cause_names[DEATH_CAUSES] = {"crash", "timeout", "oom", "protocol"};

uint64_t host_oom_kills(void)
{
    char line[128];
    uint64_t kills = 0;
    FILE *f = fopen("/proc/vmstat", "re");

    if (!f)
        return 0;
    while (fgets(line, sizeof line, f))
        if (strncmp(line, "oom_kill ", 9) == 0)
            kills = strtoull(line + 9, NULL, 10);
    fclose(f);
    return kills;
}

static void take_crash_record(struct lane *l, struct death_note *note, uint64_t *ret_address)
{
    struct crash_record *crash = &l->channel.control->crash;

    *ret_address = 0;
    if (!atomic_load_explicit(&crash->written, memory_order_acquire))
        return;
    memcpy(note->backtrace, crash->text, CRASH_TEXT_MAX);
    note->backtrace[CRASH_TEXT_MAX] = 0;
    /* Hostile bytes: it becomes a header and a log field. */
    for (char *c = note->backtrace; *c; c++)
        if (*c != '\n' && (*c < 0x20 || *c > 0x7e))
            *c = '?';
    *ret_address = crash->address;
}

static void say_killed(const struct lane *l, struct death_note *note)
{
    note->death.cause = l->kill_cause;
    snprintf(note->text, sizeof note->text, "killed by the engine: %s", l->kill_reason);
}

static void say_signal(struct lane *l, struct death_note *note, uint64_t address)
{
    int signal = note->death.signal;
    const char *name = sigabbrev_np(signal);

    note->death.cause = DEATH_CRASH;
    if (signal == SIGKILL && host_oom_kills() > l->oom_kills) {
        note->death.cause = DEATH_OOM;
        snprintf(note->text, sizeof note->text, "killed by the kernel: out of memory");
    } else if (note->backtrace[0]) {
        snprintf(note->text, sizeof note->text, "died of SIG%s at 0x%llx in %.*s",
                 name ? name : "?", (unsigned long long)address,
                 (int)strcspn(note->backtrace, "\n"), note->backtrace);
    } else {
        snprintf(note->text, sizeof note->text, "died of SIG%s (%d)", name ? name : "?", signal);
    }
}

void death_examine(struct lane *l, struct death_note *note)
{
    siginfo_t info = {0};
    uint64_t address;
    int rc;

    memset(note, 0, sizeof *note);
    note->death.pid = l->pid;
    take_crash_record(l, note, &address);
    do
        rc = waitid((idtype_t)P_PIDFD, (id_t)l->pidfd, &info, WEXITED);
    while (rc != 0 && errno == EINTR);
    if (info.si_code == CLD_EXITED)
        note->death.exit_status = info.si_status;
    else
        note->death.signal = info.si_status;

    if (l->killed && note->death.signal == SIGKILL) {
        say_killed(l, note);
    } else if (note->death.signal) {
        say_signal(l, note, address);
    } else {
        note->death.cause = DEATH_CRASH;
        snprintf(note->text, sizeof note->text, "exited with status %d in the middle of a job",
                 note->death.exit_status);
    }
    note->death.text = note->text;
    note->death.backtrace = note->backtrace;
}
