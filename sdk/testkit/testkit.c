/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a testkit: settings, open, runs, close. What the plugin calls is in host.c.
 *
 * Memory of the testkit's own that is not there ends the test: a test has no better answer, and the
 * plugin's out-of-memory is asked for with quern_testkit_fail_alloc().
 */
#include <dlfcn.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "kit.h"

/* Up to `handle`: what the first ABI had. Less than that is not a plugin. */
#define PLUGIN_SIZE_MIN (offsetof(struct quern_plugin, handle) + sizeof(void *))
#define DEADLINE_MS     30000

static void *sure(void *memory)
{
    if (!memory) {
        fputs("testkit: out of memory\n", stderr);
        abort();
    }
    return memory;
}

struct quern_testkit *quern_testkit_new(void)
{
    struct quern_testkit *kit = sure(calloc(1, sizeof *kit));

    kit->clock_ms = -1;
    kit->pipeline = sure(strdup("test"));
    kit_fill_table(kit, 0);
    return kit;
}

void quern_testkit_free(struct quern_testkit *kit)
{
    if (!kit)
        return;
    quern_testkit_close(kit);
    kit_drop_blocks(kit);
    kit_drop_lines(kit);
    for (size_t i = 0; i < kit->value_count; i++) {
        free((char *)(uintptr_t)kit->values[i].name);
        free((char *)(uintptr_t)kit->values[i].text);
    }
    for (size_t i = 0; i < kit->alias_count; i++)
        free(kit->aliases[i]);
    free(kit->values);
    free(kit->aliases);
    free(kit->emits);
    free(kit->lines);
    free(kit->pipeline);
    free(kit);
}

/* ---- Before open ---- */

static void add_value(struct quern_testkit *kit, const char *name, const char *text, bool list)
{
    kit->values = sure(reallocarray(kit->values, kit->value_count + 1, sizeof *kit->values));
    kit->values[kit->value_count++] =
        (struct option_value){sure(strdup(name)), text ? sure(strdup(text)) : NULL, list};
}

void quern_testkit_set(struct quern_testkit *kit, const char *name, const char *text)
{
    for (size_t i = 0; i < kit->value_count; i++)
        if (strcmp(kit->values[i].name, name) == 0 && !kit->values[i].list) {
            free((char *)(uintptr_t)kit->values[i].text);
            kit->values[i].text = sure(strdup(text));
            return;
        }
    add_value(kit, name, text, false);
}

void quern_testkit_add(struct quern_testkit *kit, const char *name, const char *text)
{
    add_value(kit, name, text, true);
}

void quern_testkit_alias(struct quern_testkit *kit, const char *alias)
{
    kit->aliases = sure(reallocarray(kit->aliases, kit->alias_count + 1, sizeof *kit->aliases));
    kit->aliases[kit->alias_count++] = sure(strdup(alias));
}

void quern_testkit_pipeline(struct quern_testkit *kit, const char *name)
{
    free(kit->pipeline);
    kit->pipeline = sure(strdup(name));
}

/* ---- The plugin ---- */

const char *quern_testkit_error(const struct quern_testkit *kit)
{
    return kit->error;
}

static int refuse(struct quern_testkit *kit, int err, const char *text)
{
    snprintf(kit->error, sizeof kit->error, "%s", text);
    return err;
}

static int take_plugin(struct quern_testkit *kit, const struct quern_plugin *p)
{
    if (p->magic != QUERN_MAGIC || p->size < PLUGIN_SIZE_MIN || p->size > 65536)
        return refuse(kit, -ENOEXEC, "quern_plugin_v1 is not what quern/plugin.h defines");
    if (p->abi_major != QUERN_ABI_MAJOR)
        return refuse(kit, -ENOEXEC, "the plugin was built for another ABI: build it again");
    if (p->min_minor > QUERN_ABI_MINOR)
        return refuse(kit, -ENOEXEC, "the plugin needs a newer engine: see its min_minor");
    memset(&kit->plugin, 0, sizeof kit->plugin);
    memcpy(&kit->plugin, p, p->size < sizeof kit->plugin ? p->size : sizeof kit->plugin);
    if (!kit->plugin.handle || !kit->plugin.name || !kit->plugin.version || !kit->plugin.summary)
        return refuse(kit, -ENOEXEC, "the plugin needs a name, a version, a summary and `handle`");
    return 0;
}

static int start_plugin(struct quern_testkit *kit)
{
    const struct quern_plugin *p = &kit->plugin;
    int err = 0;

    kit->context = (struct quern_context){
        .size = sizeof kit->context, .worker = 1, .host = &kit->table, .pipeline = kit->pipeline};
    kit->self = kit->options.settings;
    if (p->check)
        err = p->check(&kit->context, kit->options.settings);
    if (!err && p->open)
        err = p->open(&kit->context, kit->options.settings, &kit->self);
    if (err && !kit->error[0])
        refuse(kit, err, "the plugin gave no reason; quern_open_error() says one");
    return err > 0 ? -EINVAL : err;
}

int quern_testkit_open(struct quern_testkit *kit, const struct quern_plugin *plugin)
{
    int err;

    quern_testkit_close(kit);
    kit->error[0] = 0;
    kit->metric_count = 0;
    kit->next_offset = 0;
    err = take_plugin(kit, plugin);
    if (!err)
        err = options_fill(&kit->plugin, kit->values, kit->value_count, &kit->options, kit->error,
                           sizeof kit->error);
    if (err)
        return err;
    err = start_plugin(kit);
    if (err)
        options_done(&kit->options);
    kit->is_open = !err;
    return err;
}

int quern_testkit_open_file(struct quern_testkit *kit, const char *path)
{
    const struct quern_plugin *p;

    /* Never closed, as in a worker: libraries leave threads and atexit handlers behind. */
    kit->library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!kit->library)
        return refuse(kit, -ENOEXEC, dlerror());
    p = dlsym(kit->library, "quern_plugin_v1");
    if (!p)
        return refuse(kit, -ENOEXEC, "no symbol quern_plugin_v1: is it a Quern plugin?");
    return quern_testkit_open(kit, p);
}

void quern_testkit_close(struct quern_testkit *kit)
{
    if (!kit->is_open)
        return;
    kit->is_open = false;
    if (kit->plugin.close)
        kit->plugin.close(kit->self);
    options_done(&kit->options);
}

const struct quern_testkit_line *quern_testkit_lines(const struct quern_testkit *kit,
                                                     size_t *ret_count)
{
    *ret_count = kit->line_count;
    return kit->lines;
}

const struct quern_plugin *quern_testkit_plugin(const struct quern_testkit *kit)
{
    return kit->is_open ? &kit->plugin : NULL;
}

/* ---- Jobs ---- */

static void begin(struct quern_testkit *kit, const struct quern_testkit_job *job)
{
    kit_drop_blocks(kit);
    kit->emit_count = 0;
    kit->code[0] = kit->text[0] = 0;
    kit->alloc_count = 0;
    atomic_store(&kit->cancel_asked, 0);
    kit->result = (struct quern_testkit_result){.retry_after_ms = -1};
    kit->deadline_at_ms = kit_ticks_ms(kit) + (job->deadline_ms ? job->deadline_ms : DEADLINE_MS);
    kit->job = (struct quern_job){.size = sizeof kit->job,
                                  .attempt = job->attempt ? job->attempt : 1,
                                  .host = &kit->table,
                                  .key = job->key,
                                  .value = job->value,
                                  .topic = job->topic ? job->topic : "test",
                                  .offset = job->offset ? job->offset : kit->next_offset++,
                                  .timestamp_ms = job->timestamp_ms,
                                  .headers = job->headers,
                                  .partition = job->partition,
                                  .header_count = job->header_count};
    if (job->timestamp_ms == 0)
        kit->job.timestamp_ms = kit->clock_ms >= 0 ? kit->clock_ms : (int64_t)time(NULL) * 1000;
    snprintf(kit->id, sizeof kit->id, "%s/%" PRId32 "/%" PRId64, kit->job.topic, kit->job.partition,
             kit->job.offset);
    kit->job.id = kit->id;
}

const struct quern_testkit_result *quern_testkit_run(struct quern_testkit *kit,
                                                     const struct quern_testkit_job *job)
{
    struct quern_testkit_result *r = &kit->result;
    struct timespec start, end;
    size_t line = kit->line_count;

    if (!kit->is_open) {
        fputs("testkit: run without an open plugin\n", stderr);
        abort();
    }
    begin(kit, job);
    clock_gettime(CLOCK_MONOTONIC, &start);
    r->verdict = kit->plugin.handle(kit->self, &kit->job);
    clock_gettime(CLOCK_MONOTONIC, &end);
    r->run_ms =
        (double)(end.tv_sec - start.tv_sec) * 1e3 + (double)(end.tv_nsec - start.tv_nsec) / 1e6;
    r->code = kit->code;
    r->text = kit->text;
    r->emits = kit->emits;
    r->emit_count = kit->emit_count;
    r->lines = kit->lines ? kit->lines + line : NULL;
    r->line_count = kit->line_count - line;
    return r;
}

const struct quern_testkit_result *quern_testkit_run_text(struct quern_testkit *kit,
                                                          const char *value)
{
    struct quern_testkit_job job = {.value = quern_text(value)};

    return quern_testkit_run(kit, &job);
}

const struct quern_testkit_emit *quern_testkit_emitted(const struct quern_testkit_result *result,
                                                       const char *alias)
{
    for (size_t i = 0; i < result->emit_count; i++)
        if (strcmp(result->emits[i].alias, alias) == 0)
            return &result->emits[i];
    return NULL;
}

int quern_testkit_logged(const struct quern_testkit_result *result, const char *part)
{
    for (size_t i = 0; i < result->line_count; i++)
        if (strstr(result->lines[i].text, part))
            return 1;
    return 0;
}

double quern_testkit_metric(const struct quern_testkit *kit, const char *name, size_t *ret_count)
{
    if (ret_count)
        *ret_count = 0;
    for (uint32_t i = 0; i < kit->metric_count; i++)
        if (strcmp(kit->metrics[i].name, name) == 0) {
            if (ret_count)
                *ret_count = kit->metrics[i].count;
            return kit->metrics[i].value;
        }
    return 0;
}

/* ---- What is hard to come by ---- */

void quern_testkit_clock(struct quern_testkit *kit, int64_t now_ms)
{
    kit->clock_ms = now_ms < 0 ? -1 : now_ms;
}

void quern_testkit_advance(struct quern_testkit *kit, int64_t ms)
{
    if (kit->clock_ms >= 0)
        kit->clock_ms += ms;
}

void quern_testkit_cancel_after(struct quern_testkit *kit, uint32_t n)
{
    kit->cancel_after = n;
}

void quern_testkit_fail_alloc(struct quern_testkit *kit, uint32_t n)
{
    kit->fail_alloc = n;
}

void quern_testkit_fail_emit(struct quern_testkit *kit, int32_t error)
{
    kit->fail_emit = error;
}

void quern_testkit_host_size(struct quern_testkit *kit, size_t size)
{
    kit_fill_table(kit, size);
}
