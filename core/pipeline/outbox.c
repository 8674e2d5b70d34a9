/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/outbox.h"

#include <stdlib.h>
#include <string.h>

/* The block: outbox, its emits, all their headers, then all bytes. */
struct cursor {
    struct worker_header *headers;
    char *bytes;
};

static struct bytes copy_bytes(struct cursor *at, struct bytes from)
{
    struct bytes to = {NULL, from.len};

    if (!from.data)
        return to;
    if (from.len)
        memcpy(at->bytes, from.data, from.len);
    to.data = at->bytes;
    at->bytes += from.len;
    return to;
}

static void copy_emit(struct cursor *at, struct worker_emit *to, const struct worker_emit *from)
{
    to->alias = from->alias;
    to->key = copy_bytes(at, from->key);
    to->value = copy_bytes(at, from->value);
    to->headers = at->headers;
    to->header_count = from->header_count;
    for (size_t i = 0; i < from->header_count; i++) {
        struct bytes name = {from->headers[i].name, strlen(from->headers[i].name) + 1};

        at->headers->name = copy_bytes(at, name).data;
        at->headers->value = copy_bytes(at, from->headers[i].value);
        at->headers++;
    }
}

struct outbox *outbox_new(const struct worker_emit *emits, size_t count)
{
    size_t headers = 0, bytes = 0;

    for (size_t i = 0; i < count; i++) {
        headers += emits[i].header_count;
        bytes += emits[i].key.len + emits[i].value.len;
        for (size_t k = 0; k < emits[i].header_count; k++)
            bytes += strlen(emits[i].headers[k].name) + 1 + emits[i].headers[k].value.len;
    }

    struct outbox *box = malloc(sizeof *box + count * sizeof box->emits[0] +
                                headers * sizeof(struct worker_header) + bytes);
    if (!box)
        return NULL;
    box->count = count;
    box->next = 0;

    struct cursor at;
    at.headers = (struct worker_header *)(void *)&box->emits[count];
    at.bytes = (char *)&at.headers[headers];
    for (size_t i = 0; i < count; i++)
        copy_emit(&at, &box->emits[i], &emits[i]);
    return box;
}

void outbox_free(struct outbox *box)
{
    free(box);
}
