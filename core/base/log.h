/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Structured logs: one event is one line with a stable dotted name, a constant sentence and fields.
 *
 *     log_event(LOG_WARN, "job.retry", "the plugin asked for a retry",
 *               LF_STR("pipeline", pl->name), LF_INT("offset", offset));
 *
 * Values from outside may hold anything: the writer escapes them. Job bodies are never fields. An
 * event that comes too often (more than `burst` lines of one name in a second) is counted instead of
 * written, and the next line that passes says `suppressed=N`.
 *
 * Thread: the loop's thread writes; other threads (librdkafka's log callback) may too: a line is one
 * write(2) and the limiter is behind a mutex.
 */
#ifndef QUERN_BASE_LOG_H
#define QUERN_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_LOGFMT, LOG_JSON };

enum log_field_type { LOG_FIELD_STR, LOG_FIELD_INT, LOG_FIELD_FLOAT };

struct log_field {
    const char *name;
    enum log_field_type type;
    const char *str; /* NULL: the field is left out */
    size_t len;
    int64_t num;
    double real;
};

#define LF_STR(name, text) ((struct log_field){name, LOG_FIELD_STR, text, SIZE_MAX, 0, 0})
#define LF_BYTES(name, text, len) ((struct log_field){name, LOG_FIELD_STR, text, len, 0, 0})
#define LF_INT(name, n) ((struct log_field){name, LOG_FIELD_INT, NULL, 0, (int64_t)(n), 0})
#define LF_FLOAT(name, n) ((struct log_field){name, LOG_FIELD_FLOAT, NULL, 0, 0, (n)})

/* Defaults: LOG_INFO, LOG_TEXT, file descriptor 2. */
void log_setup(enum log_level level, enum log_format format, int fd);
bool log_enabled(enum log_level level);
const char *log_level_name(enum log_level level); /* "debug" "info" "warn" "error" */
int log_level_parse(const char *text, enum log_level *ret_level);
int log_format_parse(const char *text, enum log_format *ret_format);

void log_write(enum log_level level, const char *event, const char *msg,
               const struct log_field *fields, size_t field_count);

#define log_event(level, event, msg, ...)                                                          \
    do {                                                                                           \
        if (log_enabled(level)) {                                                                  \
            const struct log_field log_fields_[] = {__VA_ARGS__};                                  \
            log_write(level, event, msg, log_fields_,                                              \
                      sizeof log_fields_ / sizeof log_fields_[0]);                                 \
        }                                                                                          \
    } while (0)

#endif
