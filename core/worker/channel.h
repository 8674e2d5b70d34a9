/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The channel between the core and one worker: one sealed memfd with a control page and two rings.
 *
 *   control page   who runs what, since when; cancel; the record of a crash
 *   job ring       the core writes, the worker reads
 *   result ring    the worker writes, the core reads
 *
 * The memfd is sealed against shrinking and growing, so a worker cannot make the core fault on it.
 * Each job handed over has a serial number, which never is 0 and grows by one; `current` in the
 * control page is that of the job whose `handle` runs, published before the plugin sees the job and
 * taken back after its result was published: a worker that dies leaves the name of its last job.
 *
 * What the worker writes is hostile: see ring.h, and result_decode() in wire.h.
 */
#ifndef QUERN_WORKER_CHANNEL_H
#define QUERN_WORKER_CHANNEL_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/ring.h"

#define CHANNEL_MAGIC 0x314e5251u /* "QRN1": both binaries come from one build, this catches a mix */
#define CRASH_TEXT_MAX 6144

/* File descriptors as a worker finds them. 1 and 2 are the log pipe. */
enum channel_fd {
    CHANNEL_FD_MEMORY = 3, /* the memfd */
    CHANNEL_FD_JOBS,       /* eventfd: the core wakes the worker */
    CHANNEL_FD_RESULTS,    /* eventfd: the worker wakes the core */
    CHANNEL_FD_PASS,       /* socketpair: records larger than the ring, as sealed memfds */
    CHANNEL_FD_SPEC,       /* what to run (spec.h) */
    CHANNEL_FD_END
};

struct crash_record { /* written by the worker's signal handler */
    _Atomic uint32_t written; /* 1: the rest is valid */
    int32_t signal, code;
    uint64_t address;
    char text[CRASH_TEXT_MAX]; /* backtrace, "module+0xoffset" lines */
};

struct control {
    uint32_t magic;
    uint32_t ring_bytes;
    alignas(64) _Atomic uint32_t current; /* serial of the job that runs; 0: none. The worker's */
    alignas(64) _Atomic uint32_t cancel;  /* serial of the job that should stop. The core's */
    alignas(64) struct ring_shared jobs;
    struct ring_shared results;
    struct crash_record crash;
};

/* Size of the memfd, and where its parts are. */
#define CHANNEL_CONTROL_BYTES 8192
_Static_assert(sizeof(struct control) <= CHANNEL_CONTROL_BYTES, "the control page has no room");

struct channel {
    int fd; /* -1 once closed */
    size_t bytes;
    struct control *control;
    char *job_data, *result_data;
};

/* The core's side: makes and seals the memfd. 0 or a negative errno. */
__attribute__((warn_unused_result)) int channel_create(struct channel *ch, uint32_t ring_bytes);
/* The worker's side: maps what it was given. -EPROTO: not a channel of this build. */
__attribute__((warn_unused_result)) int channel_open(struct channel *ch, int fd);
void channel_close(struct channel *ch);

/* A sealed memfd with these bytes (write-sealed as well), or a negative errno. */
__attribute__((warn_unused_result)) int sealed_memfd(const char *name, const void *data, size_t len);
/* Maps one read-only after checking its seals and size. -EPROTO: not sealed, or not `len` bytes. */
__attribute__((warn_unused_result)) int sealed_map(int fd, size_t len, const void **ret_data);

/* Passes a file descriptor over CHANNEL_FD_PASS. 0; -EAGAIN; another negative errno. */
__attribute__((warn_unused_result)) int fd_send(int socket, int fd);
/* A file descriptor (close-on-exec), or a negative errno; -EAGAIN: none there, -EPIPE: the end. */
__attribute__((warn_unused_result)) int fd_receive(int socket);

#endif
