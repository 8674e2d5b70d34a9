/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/host.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "base/utf8.h"
#include "base/xalloc.h"

#define RETRY_AFTER_MAX_MS (7 * INT64_C(86400000))
#define RECORD_OVERHEAD 64 /* of an emit in the books, so that empty ones are not free */

static struct host *host_of(const struct quern_host *table)
{
    return (struct host *)(uintptr_t)table;
}

void host_say(uint32_t serial, int level, const char *text, size_t len)
{
    char line[2000];
    int at = snprintf(line, sizeof line, "\001%d %u ", level, (unsigned)serial);

    if (len > sizeof line - (size_t)at - 1)
        len = sizeof line - (size_t)at - 1;
    for (size_t i = 0; i < len; i++)
        line[at++] = text[i] == '\n' || text[i] == '\r' ? ' ' : text[i];
    line[at++] = '\n';
    (void)!write(STDERR_FILENO, line, (size_t)at);
}

/* ---- The table ---- */

static void host_log(const struct quern_host *table, struct quern_job *job, int32_t level,
                     const char *text, size_t len)
{
    if (level < QUERN_LOG_DEBUG || level > QUERN_LOG_ERROR)
        level = QUERN_LOG_INFO;
    host_say(job ? host_of(table)->serial : 0, level, text, len);
}

/* At most `max` bytes, cut between code points, of text that is UTF-8. */
static uint16_t copy_clean(char *to, size_t max, const char *text, size_t len, bool strict)
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
    return (uint16_t)n;
}

static void host_fail(struct quern_job *job, const char *code, const char *text, size_t len)
{
    struct host *h = host_of(job->host);

    h->result.code_len = code ? copy_clean(h->code, sizeof h->code, code, strlen(code), true) : 0;
    h->result.text_len = text ? copy_clean(h->text, sizeof h->text, text, len, false) : 0;
}

static void host_retry_after(struct quern_job *job, int64_t ms)
{
    struct host *h = host_of(job->host);

    h->result.retry_after_ms = ms < 0 ? 0 : ms > RETRY_AFTER_MAX_MS ? RETRY_AFTER_MAX_MS : ms;
}

static uint32_t length_of(struct quern_bytes b)
{
    return b.data ? (uint32_t)b.len : WIRE_ABSENT;
}

static void put_header(struct buf *b, const struct quern_header *header)
{
    struct wire_header wh = {(uint32_t)strlen(header->name), length_of(header->value)};

    buf_add(b, &wh, sizeof wh);
    buf_add(b, header->name, wh.name_len + 1);
    if (header->value.data)
        buf_add(b, header->value.data, header->value.len);
}

static bool headers_are_valid(const struct quern_emit *e)
{
    if (e->header_count > 64 || (e->header_count && !e->headers))
        return false;
    for (uint32_t i = 0; i < e->header_count; i++) {
        const char *name = e->headers[i].name;

        if (!name || !name[0] || !text_is_clean(name, strlen(name)))
            return false;
    }
    return true;
}

static int64_t emit_size(const struct quern_emit *e)
{
    size_t bytes = RECORD_OVERHEAD + e->key.len + e->value.len;

    for (uint32_t i = 0; i < e->header_count; i++)
        bytes += RECORD_OVERHEAD + strlen(e->headers[i].name) + e->headers[i].value.len;
    return bytes > INT64_MAX / 4 ? INT64_MAX / 4 : (int64_t)bytes;
}

static int32_t host_emit(struct quern_job *job, const struct quern_emit *e)
{
    struct host *h = host_of(job->host);
    struct wire_emit we = {.header_count = (uint16_t)e->header_count};
    size_t before = h->emits.len;

    if (!e->alias || !headers_are_valid(e) || (!e->key.data && e->key.len) ||
        (!e->value.data && e->value.len))
        return -EINVAL;
    while (we.alias < h->alias_count && strcmp(h->aliases[we.alias], e->alias) != 0)
        we.alias++;
    if (we.alias == h->alias_count)
        return -ENOENT;
    if (h->emit_bytes + emit_size(e) > h->max_emit || h->result.emit_count == WIRE_EMITS_MAX)
        return -E2BIG;
    we.key_len = length_of(e->key);
    we.value_len = length_of(e->value);
    buf_add(&h->emits, &we, sizeof we);
    if (e->key.data)
        buf_add(&h->emits, e->key.data, e->key.len);
    if (e->value.data)
        buf_add(&h->emits, e->value.data, e->value.len);
    for (uint32_t i = 0; i < e->header_count; i++)
        put_header(&h->emits, &e->headers[i]);
    if (h->emits.failed) {
        h->emits.failed = false;
        h->emits.len = before;
        return -ENOMEM;
    }
    h->emit_bytes += emit_size(e);
    h->result.emit_count++;
    return 0;
}

static void *host_alloc(struct quern_job *job, size_t bytes)
{
    return arena_alloc(&host_of(job->host)->arena, bytes);
}

static int64_t host_remaining_ms(struct quern_job *job)
{
    struct host *h = host_of(job->host);

    return h->deadline_ms - (clock_now_ns() - h->started_ns) / NS_PER_MS;
}

static int32_t host_cancelled(struct quern_job *job)
{
    struct host *h = host_of(job->host);

    return atomic_load_explicit(&h->control->cancel, memory_order_relaxed) == h->serial;
}

static int64_t host_now_ms(const struct quern_host *table)
{
    (void)table;
    return clock_wall_ms();
}

static void send_metric(struct host *h, uint32_t id)
{
    struct wire_metric wm = {id, h->metrics[id - 1].kind,
                             (uint32_t)strlen(h->metrics[id - 1].name),
                             (uint32_t)strlen(h->metrics[id - 1].help)};
    size_t len = sizeof wm + wm.name_len + wm.help_len;
    void *at;

    while (ring_reserve(h->results, WIRE_METRIC, len, &at) == -EAGAIN)
        h->wait_for_room(h, len);
    memcpy(at, &wm, sizeof wm);
    memcpy((char *)at + sizeof wm, h->metrics[id - 1].name, wm.name_len);
    memcpy((char *)at + sizeof wm + wm.name_len, h->metrics[id - 1].help, wm.help_len);
}

static int32_t host_metric(const struct quern_host *table, int32_t kind, const char *name,
                           const char *help, uint32_t *ret_metric)
{
    struct host *h = host_of(table);
    uint32_t i = 0;

    *ret_metric = 0;
    if (kind < QUERN_METRIC_COUNTER || kind > QUERN_METRIC_HISTOGRAM || !name || !name[0] ||
        strlen(name) >= sizeof h->metrics[0].name ||
        strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(name))
        return -EINVAL;
    while (i < h->metric_count && strcmp(h->metrics[i].name, name) != 0)
        i++;
    if (i == HOST_METRICS_MAX)
        return -ENOSPC;
    if (i < h->metric_count && h->metrics[i].kind != kind)
        return -EINVAL;
    if (i == h->metric_count) {
        h->metric_count++;
        h->metrics[i].kind = kind;
        snprintf(h->metrics[i].name, sizeof h->metrics[i].name, "%s", name);
        snprintf(h->metrics[i].help, sizeof h->metrics[i].help, "%s", help ? help : "");
        send_metric(h, i + 1);
    }
    *ret_metric = i + 1;
    return 0;
}

static void send_value(struct host *h, uint32_t id, double value)
{
    struct wire_metric_value mv = {id, 1, value};
    void *at;

    while (ring_reserve(h->results, WIRE_METRIC_VALUE, sizeof mv, &at) == -EAGAIN)
        h->wait_for_room(h, sizeof mv);
    memcpy(at, &mv, sizeof mv);
}

static void host_metric_record(const struct quern_host *table, uint32_t metric, double value)
{
    struct host *h = host_of(table);

    if (metric == 0 || metric > h->metric_count)
        return;
    if (h->metrics[metric - 1].kind == QUERN_METRIC_COUNTER) {
        h->metrics[metric - 1].pending += value > 0 ? value : 0;
        h->counters_dirty = 1;
    } else {
        send_value(h, metric, value);
    }
}

void host_send_metrics(struct host *h)
{
    if (!h->counters_dirty)
        return;
    h->counters_dirty = 0;
    for (uint32_t i = 0; i < h->metric_count; i++) {
        if (h->metrics[i].pending > 0)
            send_value(h, i + 1, h->metrics[i].pending);
        h->metrics[i].pending = 0;
    }
}

static void host_open_error(const struct quern_context *ctx, const char *text, size_t len)
{
    struct host *h = host_of(ctx->host);

    h->open_error[copy_clean(h->open_error, sizeof h->open_error - 1, text, len, true)] = 0;
}

/* ---- The job ---- */

static void collect(const struct spec *spec, const char *name, const char ***ret, size_t *ret_count)
{
    const char *n, *v;
    size_t at = 0;

    *ret_count = 0;
    *ret = xcalloc(spec_count(spec, name) + 1, sizeof **ret);
    while (spec_next(spec, &at, &n, &v))
        if (strcmp(n, name) == 0)
            (*ret)[(*ret_count)++] = v;
}

void host_init(struct host *h, const struct spec *spec, struct control *control,
               struct ring_writer *results)
{
    *h = (struct host){
        .table = {.size = sizeof(struct quern_host),
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
                  .open_error = host_open_error},
        .spec = spec,
        .control = control,
        .results = results,
        .max_emit = spec_int(spec, "max_emit"),
        .deadline_ms = spec_int(spec, "deadline_ms"),
    };
    collect(spec, "topic", &h->topics, &h->topic_count);
    collect(spec, "alias", &h->aliases, &h->alias_count);
    arena_init(&h->arena, 0);
    buf_init(&h->emits, 0);
    h->context = (struct quern_context){.size = sizeof h->context,
                                        .worker = (uint32_t)spec_int(spec, "worker"),
                                        .host = &h->table,
                                        .pipeline = spec_get(spec, "pipeline")};
}

static struct quern_bytes take_bytes(const char **at, uint32_t len)
{
    struct quern_bytes b = {NULL, 0};

    if (len == WIRE_ABSENT)
        return b;
    b.data = *at;
    b.len = len;
    *at += len;
    return b;
}

void host_begin_job(struct host *h, const struct wire_job *head, const char *body,
                    struct quern_header *headers)
{
    struct quern_job *job = &h->job;
    const char *at = body;

    job->size = sizeof *job;
    job->attempt = head->attempt;
    job->host = &h->table;
    job->key = take_bytes(&at, head->key_len);
    job->value = take_bytes(&at, head->value_len);
    job->topic = h->topics[head->topic];
    job->partition = head->partition;
    job->offset = head->offset;
    job->timestamp_ms = head->timestamp_ms;
    job->headers = headers;
    job->header_count = head->header_count;
    for (uint32_t i = 0; i < head->header_count; i++) {
        struct wire_header wh;

        memcpy(&wh, at, sizeof wh);
        at += sizeof wh;
        headers[i].name = at;
        at += wh.name_len + 1;
        headers[i].value = take_bytes(&at, wh.value_len);
    }
    snprintf(h->id, sizeof h->id, "%s/%" PRId32 "/%" PRId64, job->topic, job->partition,
             job->offset);
    job->id = h->id;
    h->serial = head->serial;
    h->started_ns = clock_now_ns();
    h->result = (struct wire_result){.serial = head->serial};
    h->emit_bytes = 0;
    buf_reset(&h->emits);
}

static void write_body(const struct host *h, char *at)
{
    memcpy(at, h->code, h->result.code_len);
    at += h->result.code_len;
    memcpy(at, h->text, h->result.text_len);
    at += h->result.text_len;
    if (h->emits.len)
        memcpy(at, h->emits.data, h->emits.len);
}

static void pass_body(struct host *h, int pass_fd, size_t body)
{
    char *copy = xmalloc(body);
    void *at;
    int fd;

    write_body(h, copy);
    while (ring_reserve(h->results, WIRE_RESULT_FD, sizeof h->result, &at) == -EAGAIN)
        h->wait_for_room(h, sizeof h->result);
    memcpy(at, &h->result, sizeof h->result);
    fd = sealed_memfd("quern-result", copy, body);
    if (fd < 0 || fd_send(pass_fd, fd) != 0) {
        /* The record is promised and cannot be kept: the core must not wait for it. */
        host_say(h->serial, QUERN_LOG_ERROR, "a large result could not be passed", 34);
        _exit(70);
    }
    close(fd);
    free(copy);
}

void host_end_job(struct host *h, int32_t verdict, int pass_fd)
{
    bool emits = verdict == QUERN_OK || verdict == QUERN_SKIP;
    size_t body;
    void *at;

    if (!emits) {
        buf_reset(&h->emits); /* what a failed job staged is dropped */
        h->result.emit_count = 0;
    }
    body = h->result.code_len + h->result.text_len + h->emits.len;
    h->result.result = verdict;
    h->result.run_ns = clock_now_ns() - h->started_ns;
    h->result.body_len = body;
    if (sizeof h->result + body > h->results->size / 4) {
        pass_body(h, pass_fd, body);
    } else {
        while (ring_reserve(h->results, WIRE_RESULT, sizeof h->result + body, &at) == -EAGAIN)
            h->wait_for_room(h, sizeof h->result + body);
        memcpy(at, &h->result, sizeof h->result);
        if (body)
            write_body(h, (char *)at + sizeof h->result);
    }
    if (h->arena.used)
        arena_reset(&h->arena);
}
