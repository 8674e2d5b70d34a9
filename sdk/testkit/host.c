/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The testkit's table of services. Answers as the worker's does (core/worker/host.c), but keeps
 * what it is told instead of sending it, and fails where the test wants it to.
 */
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include "base/text.h"
#include "base/utf8.h"
#include "kit.h"

#define RETRY_AFTER_MAX_MS (7 * INT64_C(86400000))

struct kit_block {
    struct kit_block *next;
    _Alignas(max_align_t) char bytes[];
};

static struct quern_testkit *kit_of(const struct quern_host *table)
{
    return (struct quern_testkit *)(uintptr_t)table;
}

void *kit_take(struct quern_testkit *kit, size_t bytes)
{
    struct kit_block *b;

    if (bytes > SIZE_MAX / 2)
        return NULL;
    b = malloc(sizeof *b + (bytes ? bytes : 1));
    if (!b)
        return NULL;
    b->next = kit->run_blocks;
    kit->run_blocks = b;
    return b->bytes;
}

void kit_drop_blocks(struct quern_testkit *kit)
{
    while (kit->run_blocks) {
        struct kit_block *next = kit->run_blocks->next;

        free(kit->run_blocks);
        kit->run_blocks = next;
    }
}

void kit_drop_lines(struct quern_testkit *kit)
{
    for (size_t i = 0; i < kit->line_count; i++)
        free((char *)(uintptr_t)kit->lines[i].text);
    kit->line_count = 0;
}

static int64_t clock_of(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t kit_ticks_ms(const struct quern_testkit *kit)
{
    return kit->clock_ms >= 0 ? kit->clock_ms : clock_of(CLOCK_MONOTONIC);
}

/* `array` with room for one more of `item` bytes; NULL: no memory, and the old one is still there.
 */
static void *grown(void *array, size_t count, size_t *cap, size_t item)
{
    void *bigger;

    if (count < *cap)
        return array;
    bigger = reallocarray(array, *cap * 2 + 8, item);
    if (bigger)
        *cap = *cap * 2 + 8;
    return bigger;
}

static void host_log(const struct quern_host *table, struct quern_job *job, int32_t level,
                     const char *text, size_t len)
{
    struct quern_testkit *kit = kit_of(table);
    struct quern_testkit_line *lines =
        grown(kit->lines, kit->line_count, &kit->line_cap, sizeof *lines);
    char *copy = strndup(text, len);

    (void)job;
    if (lines)
        kit->lines = lines;
    if (!lines || !copy) {
        free(copy);
        return;
    }
    if (level < QUERN_LOG_DEBUG || level > QUERN_LOG_ERROR)
        level = QUERN_LOG_INFO;
    lines[kit->line_count++] = (struct quern_testkit_line){level, copy};
}

/* At most `max` bytes, cut between code points, of text that is UTF-8. As the worker does it. */
static void copy_clean(char *to, size_t max, const char *text, size_t len, bool strict)
{
    size_t n = 0;

    for (size_t i = 0; i < len;) {
        uint32_t cp;
        size_t k = utf8_decode(text + i, len - i, &cp);
        bool bad = k == 0 || (utf8_is_unsafe(cp) && (strict || cp != '\n'));

        if (n + (bad ? 1 : k) > max)
            break;
        if (bad)
            to[n++] = '?';
        else
            n += (size_t)(memcpy(to + n, text + i, k), k);
        i += k ? k : 1;
    }
    to[n] = 0;
}

static void host_fail(struct quern_job *job, const char *code, const char *text, size_t len)
{
    struct quern_testkit *kit = kit_of(job->host);

    copy_clean(kit->code, KIT_CODE_MAX, code ? code : "", code ? strlen(code) : 0, true);
    copy_clean(kit->text, KIT_TEXT_MAX, text ? text : "", text ? len : 0, false);
}

static void host_retry_after(struct quern_job *job, int64_t ms)
{
    kit_of(job->host)->result.retry_after_ms = ms < 0                    ? 0
                                               : ms > RETRY_AFTER_MAX_MS ? RETRY_AFTER_MAX_MS
                                                                         : ms;
}

static bool take_bytes(struct quern_testkit *kit, struct quern_bytes from, struct quern_bytes *ret)
{
    void *copy;

    *ret = (struct quern_bytes){NULL, 0};
    if (!from.data)
        return true;
    copy = kit_take(kit, from.len);
    if (copy)
        memcpy(copy, from.data, from.len);
    *ret = (struct quern_bytes){copy, from.len};
    return copy != NULL;
}

static char *take_text(struct quern_testkit *kit, const char *text)
{
    char *copy = kit_take(kit, strlen(text) + 1);

    return copy ? strcpy(copy, text) : NULL;
}

static bool emit_is_valid(const struct quern_emit *e)
{
    if (!e->alias || e->header_count > 64 || (e->header_count && !e->headers) ||
        (!e->key.data && e->key.len) || (!e->value.data && e->value.len))
        return false;
    for (uint32_t i = 0; i < e->header_count; i++) {
        const char *name = e->headers[i].name;

        if (!name || !name[0] || !text_is_clean(name, strlen(name)))
            return false;
    }
    return true;
}

static bool copy_emit(struct quern_testkit *kit, const struct quern_emit *e,
                      struct quern_testkit_emit *to)
{
    struct quern_header *headers = kit_take(kit, (e->header_count + 1) * sizeof *headers);

    if (!headers)
        return false;
    *to = (struct quern_testkit_emit){
        .alias = take_text(kit, e->alias), .headers = headers, .header_count = e->header_count};
    if (!to->alias || !take_bytes(kit, e->key, &to->key) || !take_bytes(kit, e->value, &to->value))
        return false;
    for (uint32_t i = 0; i < e->header_count; i++) {
        headers[i].name = take_text(kit, e->headers[i].name);
        if (!headers[i].name || !take_bytes(kit, e->headers[i].value, &headers[i].value))
            return false;
    }
    return true;
}

static int32_t host_emit(struct quern_job *job, const struct quern_emit *e)
{
    struct quern_testkit *kit = kit_of(job->host);
    struct quern_testkit_emit *emits;
    size_t i = 0;

    if (!emit_is_valid(e))
        return -EINVAL;
    if (kit->fail_emit)
        return kit->fail_emit;
    while (i < kit->alias_count && strcmp(kit->aliases[i], e->alias) != 0)
        i++;
    if (kit->alias_count && i == kit->alias_count)
        return -ENOENT;
    emits = grown(kit->emits, kit->emit_count, &kit->emit_cap, sizeof *emits);
    if (!emits)
        return -ENOMEM;
    kit->emits = emits;
    if (!copy_emit(kit, e, &emits[kit->emit_count]))
        return -ENOMEM;
    kit->emit_count++;
    return 0;
}

static void *host_alloc(struct quern_job *job, size_t bytes)
{
    struct quern_testkit *kit = kit_of(job->host);
    void *block;

    if (kit->fail_alloc && ++kit->alloc_count >= kit->fail_alloc)
        return NULL;
    block = kit_take(kit, bytes);
    if (block)
        memset(block, 0xa5, bytes); /* a plugin that counts on zeros shall see that it must not */
    return block;
}

static int64_t host_remaining_ms(struct quern_job *job)
{
    const struct quern_testkit *kit = kit_of(job->host);

    return kit->deadline_at_ms - kit_ticks_ms(kit);
}

static int32_t host_cancelled(struct quern_job *job)
{
    struct quern_testkit *kit = kit_of(job->host);
    unsigned asked = atomic_fetch_add(&kit->cancel_asked, 1) + 1;

    return (kit->cancel_after && asked >= kit->cancel_after) || host_remaining_ms(job) <= 0;
}

static int64_t host_now_ms(const struct quern_host *table)
{
    const struct quern_testkit *kit = kit_of(table);

    return kit->clock_ms >= 0 ? kit->clock_ms : clock_of(CLOCK_REALTIME);
}

static int32_t host_metric(const struct quern_host *table, int32_t kind, const char *name,
                           const char *help, uint32_t *ret_metric)
{
    struct quern_testkit *kit = kit_of(table);
    uint32_t i = 0;

    (void)help;
    *ret_metric = 0;
    if (kind < QUERN_METRIC_COUNTER || kind > QUERN_METRIC_HISTOGRAM || !name || !name[0] ||
        strlen(name) >= sizeof kit->metrics[0].name ||
        strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(name))
        return -EINVAL;
    while (i < kit->metric_count && strcmp(kit->metrics[i].name, name) != 0)
        i++;
    if (i == KIT_METRICS_MAX)
        return -ENOSPC;
    if (i < kit->metric_count && kit->metrics[i].kind != kind)
        return -EINVAL;
    if (i == kit->metric_count) {
        kit->metrics[i] = (struct kit_metric){.kind = kind};
        strcpy(kit->metrics[i].name, name);
        kit->metric_count++;
    }
    *ret_metric = i + 1;
    return 0;
}

static void host_metric_record(const struct quern_host *table, uint32_t metric, double value)
{
    struct quern_testkit *kit = kit_of(table);
    struct kit_metric *m;

    if (metric == 0 || metric > kit->metric_count)
        return;
    m = &kit->metrics[metric - 1];
    m->count++;
    if (m->kind != QUERN_METRIC_COUNTER)
        m->value = value;
    else if (value > 0)
        m->value += value;
}

static void host_open_error(const struct quern_context *ctx, const char *text, size_t len)
{
    struct quern_testkit *kit = kit_of(ctx->host);

    copy_clean(kit->error, sizeof kit->error - 1, text, len, true);
}

void kit_fill_table(struct quern_testkit *kit, size_t size)
{
    kit->table = (struct quern_host){.size = sizeof kit->table,
                                     .abi_major = QUERN_ABI_MAJOR,
                                     .abi_minor = QUERN_ABI_MINOR,
                                     .log = host_log,
                                     .fail = host_fail,
                                     .retry_after = host_retry_after,
                                     .emit = host_emit,
                                     .alloc = host_alloc,
                                     .remaining_ms = host_remaining_ms,
                                     .cancelled = host_cancelled,
                                     .now_ms = host_now_ms,
                                     .metric = host_metric,
                                     .metric_record = host_metric_record,
                                     .open_error = host_open_error};
    if (size >= sizeof(uint32_t) && size < sizeof kit->table) {
        memset((char *)&kit->table + size, 0, sizeof kit->table - size);
        kit->table.size = (uint32_t)size;
    }
}
