/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/log_pipe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "worker/lane.h"

#define LINES_A_SECOND 50
#define READS_A_ROUND 16

static bool pass_limit(struct log_pipe *lp)
{
    int64_t second = clock_now_ns() / NS_PER_S;

    if (second != lp->second) {
        lp->second = second;
        lp->lines = 0;
    }
    if (lp->lines++ < LINES_A_SECOND)
        return true;
    lp->suppressed++;
    return false;
}

static const struct lane_entry *entry_of(const struct lane *l, uint32_t serial)
{
    const struct lane_entry *e = &l->entries[serial & (LANE_SLOTS - 1)];

    return serial && e->job && e->serial == serial ? e : NULL;
}

static void write_line(struct log_pipe *lp, enum log_level level, const char *event,
                       const char *text, size_t len, const struct lane_entry *e)
{
    const struct settings_pipeline *pl = pool_view(lp->lane->pool)->pl;
    char suppressed[16];
    const char *count = lp->suppressed ? suppressed : NULL; /* NULL: the field is left out */

    snprintf(suppressed, sizeof suppressed, "%u", lp->suppressed);
    lp->suppressed = 0;
    if (e)
        log_event(level, event, "said by the plugin", LF_STR("pipeline", pl->name),
                  LF_INT("worker", lp->lane->number), LF_STR("topic", pl->topics[e->topic]),
                  LF_INT("partition", e->partition), LF_INT("offset", e->offset),
                  LF_BYTES("text", text, len), LF_STR("suppressed", count));
    else
        log_event(level, event, "said by the worker", LF_STR("pipeline", pl->name),
                  LF_INT("worker", lp->lane->number), LF_INT("pid", lp->lane->pid),
                  LF_BYTES("text", text, len), LF_STR("suppressed", count));
}

static void take_line(struct log_pipe *lp)
{
    const char *text = lp->line;
    size_t len = lp->len;
    uint32_t serial = 0;
    enum log_level level = LOG_WARN;
    bool structured = len > 4 && text[0] == 1 && text[1] >= '0' && text[1] <= '3' && text[2] == ' ';

    lp->line[len] = 0;
    if (structured) {
        char *end;

        level = (enum log_level)(text[1] - '0');
        serial = (uint32_t)strtoul(text + 3, &end, 10);
        text = *end == ' ' ? end + 1 : end;
        len = lp->len - (size_t)(text - lp->line);
    }
    if (len == 0)
        return;
    if (!structured || level >= LOG_WARN)
        snprintf(lp->last, sizeof lp->last, "%.*s", (int)len, text);
    if (pass_limit(lp))
        write_line(lp, level, structured ? "plugin.log" : "plugin.stderr", text, len,
                   entry_of(lp->lane, serial));
}

static void take_bytes(struct log_pipe *lp, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (data[i] != '\n' && lp->len < sizeof lp->line - 1) {
            lp->line[lp->len++] = data[i];
            continue;
        }
        take_line(lp); /* a line that is too long goes on as another one */
        lp->len = 0;
        if (data[i] != '\n')
            lp->line[lp->len++] = data[i];
    }
}

void log_pipe_drain(struct log_pipe *lp)
{
    char data[4096];

    if (lp->fd < 0)
        return;
    for (int i = 0; i < READS_A_ROUND; i++) {
        ssize_t n = read(lp->fd, data, sizeof data);

        if (n > 0) {
            take_bytes(lp, data, (size_t)n);
            continue;
        }
        if (n == 0)
            event_del(lp->event); /* the end: nobody has the other side any more */
        return;
    }
}

static void on_readable(evutil_socket_t fd, short what, void *data)
{
    (void)fd, (void)what;
    log_pipe_drain(data);
}

int log_pipe_open(struct log_pipe *lp, struct lane *lane, struct event_base *base, int fd)
{
    *lp = (struct log_pipe){.lane = lane, .fd = fd};
    lp->event = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, lp);
    if (!lp->event || event_add(lp->event, NULL) != 0)
        return -ENOMEM;
    return 0;
}

void log_pipe_close(struct log_pipe *lp)
{
    if (lp->event)
        event_free(lp->event);
    lp->event = NULL;
    if (lp->fd >= 0)
        close(lp->fd);
    lp->fd = -1;
    if (lp->len) {
        take_line(lp);
        lp->len = 0;
    }
}
