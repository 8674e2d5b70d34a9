/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quern/plugin.h: all that a Quern plugin sees. One header, nothing to link.
 *
 * A plugin is a shared object (.so) with one data symbol, `quern_plugin_v1`, which QUERN_PLUGIN()
 * defines. The engine hands it one job at a time, on one thread, in a process of the plugin's own:
 * blocking is allowed, a crash costs one job and nothing else. The plugin says how the job ended by
 * what `handle` returns; the engine owns delivery, order, retries, dead letters, deadlines.
 *
 *     #include <quern/plugin.h>
 *
 *     static int32_t hello_handle(void *self, struct quern_job *job)
 *     {
 *         struct quern_bytes name = quern_job_value(job);
 *         if (name.len == 0)
 *             return quern_reject(job, "empty", "the job has no body");
 *         quern_info(job, "hello %.*s", (int)name.len, (const char *)name.data);
 *         return QUERN_OK;
 *     }
 *
 *     QUERN_PLUGIN(hello, "1.0.0", "Greets whoever is named in the job.", .handle = hello_handle);
 *
 * Rules of the ABI (sdk/ABI.md has them in full):
 *  - Shared structs begin with their size and only ever grow at the end. The wrappers below check
 *    that size, so an old plugin runs on a new engine and a new one on an old engine, where what is
 *    missing answers -ENOTSUP (or does nothing, where a function returns void).
 *  - Memory that the engine hands out is borrowed: it is valid until `handle` returns, or, for what
 *    is given to `open`, until `close` returns. What is handed to the engine is copied by it.
 *  - Every function here is called on the thread that runs the callback it was handed to, unless its
 *    comment says otherwise.
 *  - Text is UTF-8 and ends in a zero byte; struct quern_bytes is bytes with a length and may hold
 *    anything.
 *
 * Clean in C11, C17 and C++17 with -Wpedantic.
 */
#ifndef QUERN_PLUGIN_H
#define QUERN_PLUGIN_H

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define QUERN_ABI_MAJOR 1
#define QUERN_ABI_MINOR 0
#define QUERN_MAGIC 0x4e524551u /* "QERN" */

#if defined(__GNUC__) || defined(__clang__)
#define QUERN_EXPORT __attribute__((visibility("default")))
#define QUERN_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define QUERN_UNUSED __attribute__((unused))
#else
#define QUERN_EXPORT
#define QUERN_PRINTF(fmt, args)
#define QUERN_UNUSED
#endif

/* Does the struct that `p` points to, as its maker knew it, hold `member`? */
#define QUERN_HAS(type, p, member)                                                                 \
    ((p)->size >= offsetof(struct type, member) + sizeof((p)->member))

/* ---- Results ------------------------------------------------------------------------------------
 * What `handle` returns. Any other value counts as QUERN_RETRY, and is counted as a bug of the
 * plugin. */
#define QUERN_OK 0      /* Done. Staged emits are sent, then the job is settled. */
#define QUERN_SKIP 1    /* Nothing to do, on purpose. Settled like OK, counted apart. */
#define QUERN_RETRY 2   /* Failed for now: again later, one attempt used up. */
#define QUERN_DEFER 3   /* A dependency is away: again later, no attempt used up. */
#define QUERN_REJECT 4  /* The job itself is bad: to the dead-letter topic at once. */
#define QUERN_PENDING 5 /* Reserved: completes later. A host of ABI 1.0 treats it as QUERN_RETRY. */
#define QUERN_FATAL 6   /* The plugin cannot work at all: the pipeline stops, no job is lost. */

/* ---- Values ------------------------------------------------------------------------------------*/
struct quern_bytes {
    const void *data; /* NULL: absent (a null key or value in Kafka), which is not the same as empty */
    size_t len;       /* bytes */
};

struct quern_header {
    const char *name;         /* borrowed, ends in a zero byte */
    struct quern_bytes value; /* .data == NULL: the header has a null value */
};

struct quern_host;

/* One job: a record of a Kafka topic. Read it through the quern_job_...() functions, which also work
 * where the host is older than this header. Borrowed until `handle` returns. */
struct quern_job {
    uint32_t size;                      /* bytes of this struct as the host knows it */
    uint32_t attempt;                   /* 1 on the first try */
    const struct quern_host *host;      /* the services below */
    struct quern_bytes key;             /* the record's key */
    struct quern_bytes value;           /* the record's value: the body of the job */
    const char *topic;                  /* where the record was read */
    int64_t offset;                     /* its offset there */
    int64_t timestamp_ms;               /* the record's timestamp, Unix ms; -1: it has none */
    const struct quern_header *headers; /* in the order of the record */
    int32_t partition;
    uint32_t header_count;
    const char *id; /* "topic/partition/offset": the same on every attempt. For idempotency keys */
};

/* What `check` and `open` are told of their surroundings. Borrowed until `close` returns. */
struct quern_context {
    uint32_t size;
    uint32_t worker;               /* number of this worker in its pipeline, from 1 */
    const struct quern_host *host; /* the services below */
    const char *pipeline;          /* the pipeline's name in the settings */
};

/* ---- Settings ----------------------------------------------------------------------------------
 * A plugin declares its settings in a table; the engine parses and checks them, with file and line
 * for what is wrong, and hands the filled struct to `check` and `open`. An unknown key is an error.
 * Types, and the type of the field each fills:
 */
#define QUERN_TYPE_STRING 1   /* const char *    never NULL unless there is no default */
#define QUERN_TYPE_INT 2      /* int64_t         min..max */
#define QUERN_TYPE_FLOAT 3    /* double          min..max as whole numbers */
#define QUERN_TYPE_BOOL 4     /* int32_t         0 or 1 */
#define QUERN_TYPE_DURATION 5 /* int64_t, ms     written "250ms", "30s", "5m", "2h", "7d" */
#define QUERN_TYPE_SIZE 6     /* int64_t, bytes  written "512", "64KiB", "10MB", "1GiB" */
#define QUERN_TYPE_CHOICE 7   /* const char *    one of `choices`, "a|b|c" */
#define QUERN_TYPE_LIST 8     /* const char *const *  strings, the last followed by NULL; never NULL */

#define QUERN_OPTION_REQUIRED 0x1u /* there is no default: leaving it out is an error */
#define QUERN_OPTION_SECRET 0x2u   /* never shown in status, logs or dumps */

struct quern_option {
    const char *name;          /* the key in `settings = { ... }`; NULL ends the table */
    int32_t type;              /* QUERN_TYPE_... */
    uint32_t flags;            /* QUERN_OPTION_... */
    size_t offset;             /* of the field in the settings struct */
    const char *default_value; /* as it would be written; lists: separated by commas; NULL: none */
    const char *choices;       /* QUERN_TYPE_CHOICE: "a|b|c" */
    int64_t min, max;          /* INT, FLOAT, DURATION (ms), SIZE (bytes); min == max == 0: no bounds */
    const char *help;          /* one sentence for people */
};

#define QUERN_OPTION_(type_, flags_, st, field, def, choices_, min_, max_, help_)                  \
    {                                                                                              \
        #field, type_, flags_, offsetof(st, field), def, choices_, min_, max_, help_               \
    }
#define QUERN_STRING(st, field, def, help)                                                         \
    QUERN_OPTION_(QUERN_TYPE_STRING, 0, st, field, def, NULL, 0, 0, help)
#define QUERN_STRING_REQUIRED(st, field, help)                                                     \
    QUERN_OPTION_(QUERN_TYPE_STRING, QUERN_OPTION_REQUIRED, st, field, NULL, NULL, 0, 0, help)
#define QUERN_SECRET(st, field, help)                                                              \
    QUERN_OPTION_(QUERN_TYPE_STRING, QUERN_OPTION_SECRET, st, field, NULL, NULL, 0, 0, help)
#define QUERN_INT(st, field, def, min, max, help)                                                  \
    QUERN_OPTION_(QUERN_TYPE_INT, 0, st, field, def, NULL, min, max, help)
#define QUERN_FLOAT(st, field, def, min, max, help)                                                \
    QUERN_OPTION_(QUERN_TYPE_FLOAT, 0, st, field, def, NULL, min, max, help)
#define QUERN_BOOL(st, field, def, help)                                                           \
    QUERN_OPTION_(QUERN_TYPE_BOOL, 0, st, field, def, NULL, 0, 0, help)
#define QUERN_DURATION(st, field, def, min_ms, max_ms, help)                                       \
    QUERN_OPTION_(QUERN_TYPE_DURATION, 0, st, field, def, NULL, min_ms, max_ms, help)
#define QUERN_SIZE(st, field, def, min_bytes, max_bytes, help)                                     \
    QUERN_OPTION_(QUERN_TYPE_SIZE, 0, st, field, def, NULL, min_bytes, max_bytes, help)
#define QUERN_CHOICE(st, field, def, choices, help)                                                \
    QUERN_OPTION_(QUERN_TYPE_CHOICE, 0, st, field, def, choices, 0, 0, help)
#define QUERN_LIST(st, field, def, help)                                                           \
    QUERN_OPTION_(QUERN_TYPE_LIST, 0, st, field, def, NULL, 0, 0, help)
#define QUERN_OPTIONS_END {NULL, 0, 0, 0, NULL, NULL, 0, 0, NULL}

/* ---- The plugin --------------------------------------------------------------------------------*/

/* What the plugin needs of the machine beyond reading its job and answering it, for `quern plugin
 * inspect` and for whoever writes the pipeline. What it gets is what the pipeline's `sandbox` grants;
 * anything else fails with EPERM. */
#define QUERN_NEEDS_NETWORK 0x1u /* opens sockets to other hosts */
#define QUERN_NEEDS_FILES 0x2u   /* opens files outside the system's libraries */

struct quern_plugin {
    uint32_t size;       /* sizeof(struct quern_plugin) as the plugin was built */
    uint32_t magic;      /* QUERN_MAGIC */
    uint16_t abi_major;  /* QUERN_ABI_MAJOR; another one is refused */
    uint16_t abi_minor;  /* of the header it was built with */
    uint16_t min_minor;  /* the oldest host it can run on; 0 unless the plugin says otherwise */
    uint16_t reserved;   /* 0 */
    const char *name;    /* [a-z0-9-], as in the settings' `plugin = "..."` */
    const char *version; /* of the plugin, for people and dead letters */
    const char *summary; /* one sentence */
    uint32_t needs;      /* QUERN_NEEDS_... */
    uint32_t option_size;               /* sizeof(struct quern_option) as the plugin was built */
    const struct quern_option *options; /* or NULL: no settings */
    size_t settings_size;               /* bytes of the struct that `options` fill in */

    /* All but `handle` may be NULL. */

    /* Checks the settings as a whole (single values are checked by the table). No side effects: runs
     * in `quern check` too. 0, or a negative errno after quern_open_error(). */
    int32_t (*check)(const struct quern_context *ctx, const void *settings);

    /* Once per worker, before its first job; may block (limit: the pipeline's start_timeout). Sets
     * *ret_self, which is handed to the other callbacks. Without `open`, self is the settings
     * struct. 0, or a negative errno after quern_open_error(). */
    int32_t (*open)(const struct quern_context *ctx, const void *settings, void **ret_self);

    /* One job, one verdict: QUERN_OK ... QUERN_FATAL. Never called concurrently in one process. */
    int32_t (*handle)(void *self, struct quern_job *job);

    /* Once, after the last job, when the worker ends in an orderly way (not after a crash). */
    void (*close)(void *self);
};

/* Defines the one symbol of the plugin. `ident` is its name as a C identifier; `_` becomes `-` in the
 * public name. The rest are designated initialisers of struct quern_plugin. (In C++, which has them
 * only since C++20, define `quern_plugin_v1` by hand: see sdk/ABI.md.) */
#define QUERN_PLUGIN(ident, version_, summary_, ...)                                               \
    QUERN_PLUGIN_NAMED(#ident, version_, summary_, __VA_ARGS__)
#define QUERN_PLUGIN_NAMED(name_, version_, summary_, ...)                                         \
    QUERN_EXPORT extern const struct quern_plugin quern_plugin_v1;                                 \
    const struct quern_plugin quern_plugin_v1 = {                                                  \
        .size = sizeof(struct quern_plugin),                                                       \
        .magic = QUERN_MAGIC,                                                                      \
        .abi_major = QUERN_ABI_MAJOR,                                                              \
        .abi_minor = QUERN_ABI_MINOR,                                                              \
        .name = name_,                                                                             \
        .version = version_,                                                                       \
        .summary = summary_,                                                                       \
        .option_size = sizeof(struct quern_option),                                                \
        __VA_ARGS__}

/* ---- The host ----------------------------------------------------------------------------------
 * The table of services. Call them through the wrappers further down. */
#define QUERN_LOG_DEBUG 0
#define QUERN_LOG_INFO 1
#define QUERN_LOG_WARN 2
#define QUERN_LOG_ERROR 3

#define QUERN_METRIC_COUNTER 1   /* only grows; named ..._total */
#define QUERN_METRIC_GAUGE 2     /* goes up and down */
#define QUERN_METRIC_HISTOGRAM 3 /* a distribution, of seconds or bytes */

struct quern_emit {
    uint32_t size;                      /* sizeof(struct quern_emit) */
    uint32_t header_count;              /* at most 64 */
    const char *alias;                  /* a name in the pipeline's `emit = { ... }` */
    struct quern_bytes key;             /* .data == NULL: no key */
    struct quern_bytes value;           /* .data == NULL: a tombstone */
    const struct quern_header *headers;
};

struct quern_host {
    uint32_t size;
    uint16_t abi_major, abi_minor;
    void (*log)(const struct quern_host *host, struct quern_job *job, int32_t level,
                const char *text, size_t len);
    void (*fail)(struct quern_job *job, const char *code, const char *text, size_t len);
    void (*retry_after)(struct quern_job *job, int64_t ms);
    int32_t (*emit)(struct quern_job *job, const struct quern_emit *emit);
    void *(*alloc)(struct quern_job *job, size_t bytes);
    int64_t (*remaining_ms)(struct quern_job *job);
    int32_t (*cancelled)(struct quern_job *job);
    int64_t (*now_ms)(const struct quern_host *host);
    int32_t (*metric)(const struct quern_host *host, int32_t kind, const char *name,
                      const char *help, uint32_t *ret_metric);
    void (*metric_record)(const struct quern_host *host, uint32_t metric, double value);
    void (*open_error)(const struct quern_context *ctx, const char *text, size_t len);
};

/* ---- The job -----------------------------------------------------------------------------------*/
static inline struct quern_bytes quern_job_key(const struct quern_job *job)
{
    return job->key;
}

/* The body. .data == NULL: a tombstone. */
static inline struct quern_bytes quern_job_value(const struct quern_job *job)
{
    return job->value;
}

static inline const char *quern_job_topic(const struct quern_job *job)
{
    return job->topic;
}

/* The same text for the same record on every attempt and every machine. */
static inline const char *quern_job_id(const struct quern_job *job)
{
    return job->id;
}

/* 1 on the first try. */
static inline uint32_t quern_job_attempt(const struct quern_job *job)
{
    return job->attempt;
}

/* Unix ms; -1: the record has no timestamp. */
static inline int64_t quern_job_timestamp_ms(const struct quern_job *job)
{
    return job->timestamp_ms;
}

/* The last header of that name (Kafka allows several), or .data == NULL. */
static inline struct quern_bytes quern_job_header(const struct quern_job *job, const char *name)
{
    struct quern_bytes none = {NULL, 0};
    uint32_t i;

    for (i = job->header_count; i > 0; i--)
        if (strcmp(job->headers[i - 1].name, name) == 0)
            return job->headers[i - 1].value;
    return none;
}

/* Milliseconds until the deadline; 0 or less: it has passed. INT64_MAX where there is none. */
static inline int64_t quern_job_remaining_ms(struct quern_job *job)
{
    return QUERN_HAS(quern_host, job->host, remaining_ms) ? job->host->remaining_ms(job)
                                                          : INT64_MAX;
}

/* Not 0 once the deadline has passed or the engine wants the job back: stop and return QUERN_RETRY.
 * Who goes on is killed after a grace period. Cheap: one load. May be called from any thread of the
 * plugin while `handle` runs. */
static inline int32_t quern_job_cancelled(struct quern_job *job)
{
    return QUERN_HAS(quern_host, job->host, cancelled) ? job->host->cancelled(job) : 0;
}

/* Memory of the job: freed by the engine after `handle` returns. Aligned for any type, not zeroed.
 * NULL when there is no more (limit: the worker's memory limit). */
static inline void *quern_alloc(struct quern_job *job, size_t bytes)
{
    return QUERN_HAS(quern_host, job->host, alloc) ? job->host->alloc(job, bytes) : NULL;
}

/* ---- How a job ends ------------------------------------------------------------------------------
 * `code` is a short fixed word ([a-z0-9_], at most 64 bytes) that dead letters can be filtered by;
 * the text says what happened (at most 4 KiB, the rest is cut). Both go into the dead letter. */
#define QUERN_DEFINE_ENDING_(function, result)                                                     \
    QUERN_PRINTF(3, 4)                                                                             \
    static inline int32_t QUERN_UNUSED function(struct quern_job *job, const char *code,           \
                                                const char *format, ...)                           \
    {                                                                                              \
        char text[4096];                                                                           \
        va_list args;                                                                              \
        int len;                                                                                   \
                                                                                                   \
        va_start(args, format);                                                                    \
        len = vsnprintf(text, sizeof text, format, args);                                          \
        va_end(args);                                                                              \
        if (len < 0)                                                                               \
            len = 0;                                                                               \
        if ((size_t)len >= sizeof text)                                                            \
            len = (int)sizeof text - 1;                                                            \
        if (QUERN_HAS(quern_host, job->host, fail))                                                \
            (job->host->fail)(job, code, text, (size_t)len);                                       \
        return result;                                                                             \
    }

/* return quern_retry(job, "timeout", "no answer in %d s", s);   Again later, one attempt used up. */
QUERN_DEFINE_ENDING_(quern_retry, QUERN_RETRY)
/* Again later, no attempt used up: the job is not to blame. */
QUERN_DEFINE_ENDING_(quern_defer, QUERN_DEFER)
/* The job can never succeed: to the dead-letter topic at once. */
QUERN_DEFINE_ENDING_(quern_reject, QUERN_REJECT)
/* Nothing to do, and why. */
QUERN_DEFINE_ENDING_(quern_skip, QUERN_SKIP)
/* The plugin cannot go on: the pipeline stops until somebody has looked. */
QUERN_DEFINE_ENDING_(quern_fatal, QUERN_FATAL)

/* With RETRY or DEFER: not before that many ms (a server's Retry-After, say). The engine's own
 * backoff applies where it is longer. Range 0 .. 7 days. */
static inline void quern_retry_after(struct quern_job *job, int64_t ms)
{
    if (QUERN_HAS(quern_host, job->host, retry_after))
        job->host->retry_after(job, ms);
}

/* ---- Emitting ------------------------------------------------------------------------------------
 * Stages a record for the topic behind `alias`. It is sent when the job ends in QUERN_OK or
 * QUERN_SKIP, and the job is settled only after the brokers have acknowledged it; on any other result
 * it is dropped. At least once: a job that is run again emits again.
 * 0; -ENOENT: no such alias in the pipeline's settings; -E2BIG: more than the pipeline's max_emit;
 * -EINVAL: a bad argument; -ENOMEM. */
static inline int32_t quern_emit_headers(struct quern_job *job, const char *alias,
                                         struct quern_bytes key, struct quern_bytes value,
                                         const struct quern_header *headers, uint32_t header_count)
{
    struct quern_emit emit;

    if (!QUERN_HAS(quern_host, job->host, emit))
        return -ENOTSUP;
    emit.size = (uint32_t)sizeof emit;
    emit.header_count = header_count;
    emit.alias = alias;
    emit.key = key;
    emit.value = value;
    emit.headers = headers;
    return job->host->emit(job, &emit);
}

static inline int32_t quern_emit(struct quern_job *job, const char *alias, struct quern_bytes key,
                                 struct quern_bytes value)
{
    return quern_emit_headers(job, alias, key, value, NULL, 0);
}

/* Bytes of a text, without its closing zero. NULL gives an absent value. */
static inline struct quern_bytes quern_text(const char *text)
{
    struct quern_bytes bytes = {text, 0};

    if (text)
        bytes.len = strlen(text);
    return bytes;
}

/* ---- Log and metrics -----------------------------------------------------------------------------
 * Lines arrive in the engine's log with pipeline, plugin and job attached, limited in rate. Never log
 * job bodies or secrets. quern_log() is for `open`, `close`; the job functions for `handle`. */
QUERN_PRINTF(4, 0)
static inline void QUERN_UNUSED quern_vlog_(const struct quern_host *host, struct quern_job *job,
                                            int32_t level, const char *format, va_list args)
{
    char text[1024];
    int len = vsnprintf(text, sizeof text, format, args);

    if (len < 0 || !QUERN_HAS(quern_host, host, log))
        return;
    host->log(host, job, level, text, (size_t)len < sizeof text ? (size_t)len : sizeof text - 1);
}

QUERN_PRINTF(3, 4)
static inline void QUERN_UNUSED quern_log(const struct quern_context *ctx, int32_t level,
                                          const char *format, ...)
{
    va_list args;

    va_start(args, format);
    quern_vlog_(ctx->host, NULL, level, format, args);
    va_end(args);
}

#define QUERN_DEFINE_LOG_(function, level)                                                         \
    QUERN_PRINTF(2, 3)                                                                             \
    static inline void QUERN_UNUSED function(struct quern_job *job, const char *format, ...)       \
    {                                                                                              \
        va_list args;                                                                              \
                                                                                                   \
        va_start(args, format);                                                                    \
        quern_vlog_(job->host, job, level, format, args);                                          \
        va_end(args);                                                                              \
    }
QUERN_DEFINE_LOG_(quern_debug, QUERN_LOG_DEBUG)
QUERN_DEFINE_LOG_(quern_info, QUERN_LOG_INFO)
QUERN_DEFINE_LOG_(quern_warn, QUERN_LOG_WARN)
QUERN_DEFINE_LOG_(quern_error, QUERN_LOG_ERROR)

/* Why `check` or `open` failed: `return quern_open_error(ctx, -EACCES, "cannot read %s", path);` */
QUERN_PRINTF(3, 4)
static inline int32_t QUERN_UNUSED quern_open_error(const struct quern_context *ctx, int32_t error,
                                                    const char *format, ...)
{
    char text[1024];
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (len >= 0 && QUERN_HAS(quern_host, ctx->host, open_error))
        ctx->host->open_error(ctx, text,
                              (size_t)len < sizeof text ? (size_t)len : sizeof text - 1);
    return error < 0 ? error : -EINVAL;
}

/* Makes or finds a metric; call it in `open`. Shown as quern_plugin_<name>{pipeline,plugin}. Name:
 * [a-z0-9_], at most 63 bytes; at most 64 metrics a plugin.
 * 0; -EINVAL: a bad name or kind; -ENOSPC: too many; -ENOTSUP. On failure *ret_metric is 0, which
 * quern_metric_record() ignores. */
static inline int32_t quern_metric(const struct quern_context *ctx, int32_t kind, const char *name,
                                   const char *help, uint32_t *ret_metric)
{
    *ret_metric = 0;
    if (!QUERN_HAS(quern_host, ctx->host, metric))
        return -ENOTSUP;
    return ctx->host->metric(ctx->host, kind, name, help, ret_metric);
}

/* Counter: adds `value` (>= 0). Gauge: sets it. Histogram: one observation. */
static inline void quern_metric_record(struct quern_job *job, uint32_t metric, double value)
{
    if (metric != 0 && QUERN_HAS(quern_host, job->host, metric_record))
        job->host->metric_record(job->host, metric, value);
}

/* Unix ms. Use it instead of time(): a test can set it. */
static inline int64_t quern_now_ms(struct quern_job *job)
{
    return QUERN_HAS(quern_host, job->host, now_ms) ? job->host->now_ms(job->host) : 0;
}

#ifdef __cplusplus
}
#endif

#endif
