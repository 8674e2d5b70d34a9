/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker says: its stderr, and the log lines of its plugin, come through one pipe, line by line,
 * and leave as log events. A line of the host begins with \001, a level digit, a blank, the serial of
 * its job (0: none) and a blank; all others are stderr. Bounded per line, limited in rate, and only
 * ever text to be escaped: a worker can write what it wants here.
 */
#ifndef QUERN_WORKER_LOG_PIPE_H
#define QUERN_WORKER_LOG_PIPE_H

#include <stddef.h>
#include <stdint.h>

#include <event2/event.h>

struct lane;

struct log_pipe {
    struct lane *lane;
    int fd;
    struct event *event;
    char line[2048];
    size_t len;
    char last[512]; /* the last line that looked like an error, for the reason of a death at start */
    int64_t second; /* of the limit */
    unsigned lines, suppressed;
};

int log_pipe_open(struct log_pipe *lp, struct lane *lane, struct event_base *base, int fd);
void log_pipe_drain(struct log_pipe *lp); /* reads what is there now */
void log_pipe_close(struct log_pipe *lp);

#endif
