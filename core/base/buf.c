/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

void buf_init(struct buf *b, size_t limit)
{
    *b = (struct buf){.limit = limit};
}

void buf_done(struct buf *b)
{
    size_t limit = b->limit;

    free(b->data);
    buf_init(b, limit);
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->failed = false;
}

/* Room for `more` bytes and a closing zero. */
static bool reserve(struct buf *b, size_t more)
{
    size_t limit = b->limit ? b->limit : SIZE_MAX / 2;
    size_t cap;
    char *data;

    if (b->failed || more > limit || b->len > limit - more) {
        b->failed = true;
        return false;
    }
    if (b->len + more < b->cap)
        return true;
    cap = b->cap ? b->cap * 2 : 64;
    if (cap < b->len + more + 1)
        cap = b->len + more + 1;
    data = realloc(b->data, cap);
    if (!data) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->cap = cap;
    return true;
}

void buf_add(struct buf *b, const void *data, size_t len)
{
    if (!reserve(b, len) || len == 0)
        return;
    memcpy(b->data + b->len, data, len);
    b->len += len;
}

void buf_str(struct buf *b, const char *text)
{
    buf_add(b, text, strlen(text));
}

void buf_char(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_vprintf(struct buf *b, const char *format, va_list args)
{
    va_list again;
    int len;

    va_copy(again, args);
    len = vsnprintf(NULL, 0, format, args);
    if (len < 0)
        b->failed = true;
    else if (reserve(b, (size_t)len)) {
        vsnprintf(b->data + b->len, (size_t)len + 1, format, again);
        b->len += (size_t)len;
    }
    va_end(again);
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    buf_vprintf(b, format, args);
    va_end(args);
}

static void json_code_point(struct buf *b, const char *bytes, size_t len, uint32_t cp)
{
    switch (cp) {
    case '"':
        buf_str(b, "\\\"");
        return;
    case '\\':
        buf_str(b, "\\\\");
        return;
    case '\n':
        buf_str(b, "\\n");
        return;
    case '\r':
        buf_str(b, "\\r");
        return;
    case '\t':
        buf_str(b, "\\t");
        return;
    default:
        break;
    }
    if (utf8_is_unsafe(cp))
        buf_printf(b, "\\u%04x", (unsigned)cp);
    else
        buf_add(b, bytes, len);
}

void buf_json_str(struct buf *b, const char *text, size_t len)
{
    buf_char(b, '"');
    for (size_t i = 0; i < len;) {
        uint32_t cp;
        size_t n = utf8_decode(text + i, len - i, &cp);

        if (n == 0) {
            buf_str(b, "\xef\xbf\xbd");
            i++;
            continue;
        }
        json_code_point(b, text + i, n, cp);
        i += n;
    }
    buf_char(b, '"');
}

const char *buf_text(struct buf *b)
{
    if (!b->data)
        return "";
    b->data[b->len] = 0; /* reserve() always leaves room for it */
    return b->data;
}

char *buf_steal(struct buf *b)
{
    char *data;

    if (!reserve(b, 0))
        return NULL;
    (void)buf_text(b);
    data = b->data;
    buf_init(b, b->limit);
    return data;
}
