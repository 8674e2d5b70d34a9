/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/utf8.h"

#define FIELD_MAX 1024 /* bytes of one value; the rest is cut */
#define BURST 100      /* lines of one event in one second */
#define LIMITS 128     /* events that are limited apart; a hash, so two may share one */

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static const char *const level_labels[] = {"DEBUG", "INFO ", "WARN ", "ERROR"};
static const char *const level_colours[] = {"\033[2m", "\033[36m", "\033[33m", "\033[31m"};
static const char *const format_names[] = {"text", "logfmt", "json"};

static struct {
    enum log_level level;
    enum log_format format;
    int fd;
    bool colour;
    /* The mutex protects `limits`. It is never held while writing. */
    pthread_mutex_t mutex;
    struct limit {
        int64_t second;
        unsigned lines;
        unsigned suppressed;
    } limits[LIMITS];
} logger = {.level = LOG_INFO, .format = LOG_TEXT, .fd = 2, .mutex = PTHREAD_MUTEX_INITIALIZER};

void log_setup(enum log_level level, enum log_format format, int fd)
{
    const char *no_colour = getenv("NO_COLOR");

    logger.level = level;
    logger.format = format;
    logger.fd = fd;
    logger.colour = isatty(fd) && !(no_colour && no_colour[0]);
}

bool log_enabled(enum log_level level)
{
    return level >= logger.level;
}

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

static int find_name(const char *text, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(text, names[i]) == 0)
            return (int)i;
    return -EINVAL;
}

int log_level_parse(const char *text, enum log_level *ret_level)
{
    int i = find_name(text, level_names, sizeof level_names / sizeof level_names[0]);

    if (i < 0)
        return i;
    *ret_level = (enum log_level)i;
    return 0;
}

int log_format_parse(const char *text, enum log_format *ret_format)
{
    int i = find_name(text, format_names, sizeof format_names / sizeof format_names[0]);

    if (i < 0)
        return i;
    *ret_format = (enum log_format)i;
    return 0;
}

/* May this line be written? *ret_suppressed: how many before it were not. */
static bool pass_limit(const char *event, int64_t wall_ms, unsigned *ret_suppressed)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    struct limit *limit;
    bool pass;

    for (const char *c = event; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    limit = &logger.limits[hash % LIMITS];
    pthread_mutex_lock(&logger.mutex);
    if (limit->second != wall_ms / 1000) {
        limit->second = wall_ms / 1000;
        limit->lines = 0;
    }
    pass = limit->lines < BURST;
    *ret_suppressed = 0;
    if (pass) {
        limit->lines++;
        *ret_suppressed = limit->suppressed;
        limit->suppressed = 0;
    } else {
        limit->suppressed++;
    }
    pthread_mutex_unlock(&logger.mutex);
    return pass;
}

/* Bytes of the value that are written: cut at FIELD_MAX, never inside a code point. */
static size_t clamp(const char *text, size_t len)
{
    if (len == SIZE_MAX)
        len = strnlen(text, FIELD_MAX + 4);
    if (len <= FIELD_MAX)
        return len;
    len = FIELD_MAX;
    while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
        len--;
    return len;
}

static bool needs_quotes(const char *text, size_t len)
{
    if (len == 0)
        return true;
    for (size_t i = 0; i < len;) {
        uint32_t cp;
        size_t n = utf8_decode(text + i, len - i, &cp);

        if (n == 0 || cp <= ' ' || cp == '"' || cp == '=' || cp == '\\' || utf8_is_unsafe(cp))
            return true;
        i += n;
    }
    return false;
}

static void put_value(struct buf *b, const struct log_field *f, bool json)
{
    size_t len;

    switch (f->type) {
    case LOG_FIELD_INT:
        buf_printf(b, "%lld", (long long)f->num);
        return;
    case LOG_FIELD_FLOAT:
        buf_printf(b, "%.6g", f->real);
        return;
    case LOG_FIELD_STR:
        break;
    }
    len = clamp(f->str, f->len);
    if (json || needs_quotes(f->str, len))
        buf_json_str(b, f->str, len);
    else
        buf_add(b, f->str, len);
}

static void put_fields(struct buf *b, const struct log_field *fields, size_t count, bool json)
{
    for (size_t i = 0; i < count; i++) {
        if (fields[i].type == LOG_FIELD_STR && !fields[i].str)
            continue;
        buf_printf(b, json ? ",\"%s\":" : " %s=", fields[i].name);
        put_value(b, &fields[i], json);
    }
}

static void format_text(struct buf *b, const char *time, enum log_level level, const char *event,
                        const char *msg)
{
    /* The clock time of day is enough for eyes; the other formats have the date. */
    if (logger.colour)
        buf_printf(b, "%.12s %s%s\033[0m %-18s %s", time + 11, level_colours[level],
                   level_labels[level], event, msg);
    else
        buf_printf(b, "%.12s %s %-18s %s", time + 11, level_labels[level], event, msg);
    buf_char(b, ' ');
}

static void format_line(struct buf *b, int64_t wall_ms, enum log_level level, const char *event,
                        const char *msg)
{
    char time[25];

    clock_format_ms(wall_ms, time);
    switch (logger.format) {
    case LOG_TEXT:
        format_text(b, time, level, event, msg);
        return;
    case LOG_LOGFMT:
        buf_printf(b, "ts=%s level=%s event=%s msg=", time, level_names[level], event);
        buf_json_str(b, msg, strlen(msg));
        return;
    case LOG_JSON:
        buf_printf(b, "{\"ts\":\"%s\",\"level\":\"%s\",\"event\":\"%s\",\"msg\":", time,
                   level_names[level], event);
        buf_json_str(b, msg, strlen(msg));
        return;
    }
}

void log_write(enum log_level level, const char *event, const char *msg,
               const struct log_field *fields, size_t field_count)
{
    int64_t wall_ms = clock_wall_ms();
    bool json = logger.format == LOG_JSON;
    struct buf b = BUF_INIT;
    unsigned suppressed;

    if (!log_enabled(level) || !pass_limit(event, wall_ms, &suppressed))
        return;
    format_line(&b, wall_ms, level, event, msg);
    put_fields(&b, fields, field_count, json);
    if (suppressed)
        buf_printf(&b, json ? ",\"suppressed\":%u" : " suppressed=%u", suppressed);
    buf_str(&b, json ? "}\n" : "\n");
    if (!b.failed) {
        ssize_t written = write(logger.fd, b.data, b.len);

        (void)written; /* a log that cannot be written has nobody to be told to */
    }
    buf_done(&b);
}
