/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/wire.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"

/* ---- Encoding: the core's jobs ---- */

size_t wire_job_body(const struct worker_job *wj)
{
    size_t len = wj->key.len + wj->value.len;

    for (size_t i = 0; i < wj->header_count; i++)
        len += sizeof(struct wire_header) + strlen(wj->headers[i].name) + 1 +
               wj->headers[i].value.len;
    return len;
}

static char *put(char *at, const void *data, size_t len)
{
    if (len)
        memcpy(at, data, len);
    return at + len;
}

static uint32_t length_of(struct bytes b)
{
    return b.data ? (uint32_t)b.len : WIRE_ABSENT;
}

void wire_job_encode(const struct worker_job *wj, uint32_t serial, size_t body_len,
                     struct wire_job *head, void *body)
{
    char *at = body;

    *head = (struct wire_job){
        .serial = serial,
        .attempt = wj->attempt,
        .offset = wj->offset,
        .timestamp_ms = wj->timestamp_ms,
        .partition = wj->partition,
        .topic = wj->topic,
        .header_count = (uint16_t)wj->header_count,
        .key_len = length_of(wj->key),
        .value_len = length_of(wj->value),
        .body_len = body_len,
    };
    at = put(at, wj->key.data, wj->key.len);
    at = put(at, wj->value.data, wj->value.len);
    for (size_t i = 0; i < wj->header_count; i++) {
        const struct worker_header *h = &wj->headers[i];
        struct wire_header wh = {(uint32_t)strlen(h->name), length_of(h->value)};

        at = put(at, &wh, sizeof wh);
        at = put(at, h->name, wh.name_len + 1);
        at = put(at, h->value.data, h->value.len);
    }
}

/* ---- Decoding: the worker's results ---- */

struct cursor {
    const char *at;
    size_t left;
};

static int take(struct cursor *c, size_t len, const char **ret)
{
    if (len > c->left)
        return -EPROTO;
    *ret = c->at;
    c->at += len;
    c->left -= len;
    return 0;
}

static int take_struct(struct cursor *c, void *ret, size_t len)
{
    const char *p;
    int err = take(c, len, &p);

    if (!err)
        memcpy(ret, p, len);
    return err;
}

static int take_bytes(struct cursor *c, uint32_t len, struct bytes *ret)
{
    const char *p;
    int err;

    *ret = (struct bytes){NULL, 0};
    if (len == WIRE_ABSENT)
        return 0;
    err = take(c, len, &p);
    if (!err)
        *ret = (struct bytes){p, len};
    return err;
}

static int take_header(struct cursor *c, struct worker_header *ret)
{
    struct wire_header wh;
    const char *name;
    int err = take_struct(c, &wh, sizeof wh);

    if (err)
        return err;
    err = take(c, (size_t)wh.name_len + 1, &name);
    if (err)
        return err;
    if (wh.name_len == 0 || name[wh.name_len] != 0 || !text_is_clean(name, wh.name_len))
        return -EPROTO;
    ret->name = name;
    return take_bytes(c, wh.value_len, &ret->value);
}

static int take_emit(struct cursor *c, size_t alias_count, struct arena *arena,
                     struct worker_emit *ret)
{
    struct worker_header *headers = NULL;
    struct wire_emit we;
    int err = take_struct(c, &we, sizeof we);

    if (err)
        return err;
    if (we.alias >= alias_count || we.header_count > WIRE_HEADERS_MAX)
        return -EPROTO;
    if (we.header_count) {
        headers = arena_alloc(arena, we.header_count * sizeof *headers);
        if (!headers)
            return -ENOMEM;
    }
    *ret = (struct worker_emit){
        .alias = we.alias, .headers = headers, .header_count = we.header_count};
    err = take_bytes(c, we.key_len, &ret->key);
    if (!err)
        err = take_bytes(c, we.value_len, &ret->value);
    for (size_t i = 0; !err && i < we.header_count; i++)
        err = take_header(c, &headers[i]);
    return err;
}

int result_decode(const struct wire_result *head, const char *body, size_t alias_count,
                  struct arena *arena, struct worker_result *ret)
{
    struct cursor c = {body, (size_t)head->body_len};
    struct worker_emit *emits = NULL;
    int err;

    *ret = (struct worker_result){
        .result = head->result,
        .retry_after_ms = head->retry_after_ms < 0 ? 0 : head->retry_after_ms,
        .run_ns = head->run_ns < 0 ? 0 : head->run_ns,
    };
    if (head->body_len == 0)
        return head->code_len || head->text_len || head->emit_count ? -EPROTO : 0;
    if (head->code_len > WIRE_CODE_MAX || head->text_len > WIRE_TEXT_MAX ||
        head->emit_count > WIRE_EMITS_MAX)
        return -EPROTO;
    err = take_bytes(&c, head->code_len, &ret->code);
    if (!err)
        err = take_bytes(&c, head->text_len, &ret->text);
    if (err)
        return err;
    if (!text_is_clean(ret->code.data, ret->code.len))
        return -EPROTO;
    if (head->emit_count) {
        emits = arena_alloc(arena, head->emit_count * sizeof *emits);
        if (!emits)
            return -ENOMEM;
    }
    for (uint32_t i = 0; !err && i < head->emit_count; i++)
        err = take_emit(&c, alias_count, arena, &emits[i]);
    ret->emits = emits;
    ret->emit_count = head->emit_count;
    return err ? err : c.left ? -EPROTO : 0;
}
