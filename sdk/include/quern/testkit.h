/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quern/testkit.h: runs a plugin in a unit test. No Kafka, no daemon, no second process.
 *
 * The testkit is a host of its own: it opens the plugin with the settings it is given, hands it
 * jobs, and keeps what came back: the verdict, code and text, the emits, the log lines, the
 * metrics. Settings go through the same code as in production. What is hard to come by in
 * production is asked for here: a clock that stands still, a cancelled job, memory that runs out,
 * an emit that is refused.
 *
 *     struct quern_testkit *kit = quern_testkit_new();
 *     struct quern_testkit_job job = {.value = quern_text("world")};
 *     const struct quern_testkit_result *r;
 *
 *     quern_testkit_set(kit, "greeting", "hello");
 *     assert(quern_testkit_open(kit, &quern_plugin_v1) == 0);
 *     r = quern_testkit_run(kit, &job);
 *     assert(r->verdict == QUERN_OK);
 *     quern_testkit_free(kit);
 *
 * Link libquern-testkit (pkg-config quern-testkit). One testkit holds one plugin; a test may have
 * several testkits. One thread, but for quern_job_cancelled(), as in production. Not part of the
 * ABI: a test is built with the engine it tests against.
 */
#ifndef QUERN_TESTKIT_H
#define QUERN_TESTKIT_H

#include <quern/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

struct quern_testkit;

struct quern_testkit_job {
    struct quern_bytes key;
    struct quern_bytes value;
    const struct quern_header *headers;
    uint32_t header_count;
    uint32_t attempt;     /* 0: 1 */
    int64_t timestamp_ms; /* 0: the clock's; -1: none */
    int64_t deadline_ms;  /* from now; 0: 30 s */
    const char *topic;    /* NULL: "test" */
    int32_t partition;
    int64_t offset; /* 0: the next */
};

struct quern_testkit_emit { /* a copy */
    const char *alias;
    struct quern_bytes key, value;
    const struct quern_header *headers;
    uint32_t header_count;
};

struct quern_testkit_line {
    int32_t level; /* QUERN_LOG_... */
    const char *text;
};

/* Valid until the next run or the end of the testkit. */
struct quern_testkit_result {
    int32_t verdict;  /* QUERN_OK ...; what `handle` returned */
    const char *code; /* "" where the plugin gave none */
    const char *text;
    int64_t retry_after_ms;                 /* -1: not asked for */
    const struct quern_testkit_emit *emits; /* staged; sent only with OK and SKIP */
    size_t emit_count;
    const struct quern_testkit_line *lines;
    size_t line_count;
    double run_ms;
};

struct quern_testkit *quern_testkit_new(void);
/* Closes the plugin, if it is open. NULL is fine. */
void quern_testkit_free(struct quern_testkit *kit);

/* ---- Before open ---- */

/* A setting, as it is written in the settings file. */
void quern_testkit_set(struct quern_testkit *kit, const char *name, const char *text);
/* One more element of a list; with text NULL the list is empty. */
void quern_testkit_add(struct quern_testkit *kit, const char *name, const char *text);
/* An alias that the plugin may emit to. Without any, every alias is known. */
void quern_testkit_alias(struct quern_testkit *kit, const char *alias);
void quern_testkit_pipeline(struct quern_testkit *kit, const char *name);

/* ---- The plugin ---- */

/* Fills the settings, calls `check` and `open`. 0, or a negative errno and quern_testkit_error().
 */
int quern_testkit_open(struct quern_testkit *kit, const struct quern_plugin *plugin);
/* The same of a built .so. */
int quern_testkit_open_file(struct quern_testkit *kit, const char *path);
/* Calls `close`. What it logged is in quern_testkit_lines(). */
void quern_testkit_close(struct quern_testkit *kit);
/* Why the last open failed: the sentence that a user would read. */
const char *quern_testkit_error(const struct quern_testkit *kit);
/* What the plugin has logged so far, outside of jobs as well. Valid until the next call. */
const struct quern_testkit_line *quern_testkit_lines(const struct quern_testkit *kit,
                                                     size_t *ret_count);
/* The plugin that is open, complete, whatever header it was built with; NULL: none. */
const struct quern_plugin *quern_testkit_plugin(const struct quern_testkit *kit);

/* ---- Jobs ---- */

const struct quern_testkit_result *quern_testkit_run(struct quern_testkit *kit,
                                                     const struct quern_testkit_job *job);
/* The same for a text. */
const struct quern_testkit_result *quern_testkit_run_text(struct quern_testkit *kit,
                                                          const char *value);
/* The first emit to `alias`, or NULL. */
const struct quern_testkit_emit *quern_testkit_emitted(const struct quern_testkit_result *result,
                                                       const char *alias);
/* Does a line of the job contain `part`? */
int quern_testkit_logged(const struct quern_testkit_result *result, const char *part);
/* The sum of a counter, the value of a gauge, the last observation of a histogram. 0 where there is
 * none; *ret_count (may be NULL) is how often it was recorded. */
double quern_testkit_metric(const struct quern_testkit *kit, const char *name, size_t *ret_count);

/* ---- What is hard to come by ---- */

/* The clock stands at that Unix time, and so do deadlines, until it is set again; -1: the real one.
 */
void quern_testkit_clock(struct quern_testkit *kit, int64_t now_ms);
/* Moves a clock that stands. */
void quern_testkit_advance(struct quern_testkit *kit, int64_t ms);
/* Jobs see quern_job_cancelled() from the n-th time they ask on (1: at once); 0: not. */
void quern_testkit_cancel_after(struct quern_testkit *kit, uint32_t n);
/* The n-th quern_alloc() of each job answers NULL, and all later ones; 0: none does. */
void quern_testkit_fail_alloc(struct quern_testkit *kit, uint32_t n);
/* Each quern_emit() answers `error` (-E2BIG, -ENOENT, ...); 0: as usual. */
void quern_testkit_fail_emit(struct quern_testkit *kit, int32_t error);
/* The host looks to the plugin like one whose table ends before the byte `size`: what lies behind
 * it answers -ENOTSUP. 0: whole. */
void quern_testkit_host_size(struct quern_testkit *kit, size_t size);

/* Bodies nobody has thought of, each with no header and with 64: absent, empty, one byte, zeros,
 * 8 MiB, deep brackets, cut and broken UTF-8, noise; then again cancelled, without memory and with
 * emits that are refused. Crashes are the sanitizer's to find. 0; -EBADMSG: a verdict that does not
 * exist, which quern_testkit_error() describes, along with the body. `seed` decides the noise. */
int quern_testkit_torture(struct quern_testkit *kit, uint32_t seed);

#ifdef __cplusplus
}
#endif

#endif
