/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ring.h"

#include <errno.h>
#include <string.h>

struct record {
    uint32_t len; /* of the bytes behind this header, before alignment */
    uint32_t kind;
};

static uint64_t align8(uint64_t n)
{
    return (n + 7) & ~UINT64_C(7);
}

void ring_writer_init(struct ring_writer *w, struct ring_shared *shared, void *data, uint64_t size)
{
    *w = (struct ring_writer){.shared = shared, .data = data, .size = size};
}

void ring_reader_init(struct ring_reader *r, struct ring_shared *shared, const void *data,
                      uint64_t size)
{
    *r = (struct ring_reader){.shared = shared, .data = data, .size = size};
}

/* Bytes that a record of `total` takes from w->head on, the skip before it included. */
static uint64_t span_of(const struct ring_writer *w, uint64_t total)
{
    uint64_t to_end = w->size - (w->head & (w->size - 1));

    return total <= to_end ? total : to_end + total;
}

static int refresh_tail(struct ring_writer *w)
{
    uint64_t tail = atomic_load_explicit(&w->shared->tail, memory_order_acquire);

    if (tail - w->tail > w->published - w->tail || (tail & 7))
        return -EPROTO;
    w->tail = tail;
    return 0;
}

int ring_reserve(struct ring_writer *w, uint32_t kind, size_t len, void **ret_data)
{
    uint64_t total = align8(sizeof(struct record) + len);
    uint64_t span;
    struct record *rec;

    if (len > ring_record_max(w->size))
        return -EMSGSIZE;
    span = span_of(w, total);
    if (w->head + span - w->tail > w->size) {
        int err = refresh_tail(w);

        if (err)
            return err;
        if (w->head + span - w->tail > w->size)
            return -EAGAIN;
    }
    if (span != total) {
        rec = (struct record *)(void *)(w->data + (w->head & (w->size - 1)));
        *rec = (struct record){(uint32_t)(span - total - sizeof *rec), RING_SKIP};
        w->head += span - total;
    }
    rec = (struct record *)(void *)(w->data + (w->head & (w->size - 1)));
    *rec = (struct record){(uint32_t)len, kind};
    w->head += total;
    *ret_data = rec + 1;
    return 0;
}

bool ring_publish(struct ring_writer *w)
{
    if (w->head == w->published)
        return false;
    w->published = w->head;
    atomic_store_explicit(&w->shared->head, w->head, memory_order_seq_cst);
    return atomic_load_explicit(&w->shared->reader_sleeps, memory_order_seq_cst) &&
           atomic_exchange_explicit(&w->shared->reader_sleeps, 0, memory_order_seq_cst);
}

bool ring_wait_for_room(struct ring_writer *w, size_t len)
{
    uint64_t span = span_of(w, align8(sizeof(struct record) + len));

    atomic_store_explicit(&w->shared->writer_sleeps, 1, memory_order_seq_cst);
    if (refresh_tail(w) == 0 && w->head + span - w->tail > w->size)
        return true;
    atomic_store_explicit(&w->shared->writer_sleeps, 0, memory_order_seq_cst);
    return false;
}

static int refresh_head(struct ring_reader *r)
{
    uint64_t head = atomic_load_explicit(&r->shared->head, memory_order_acquire);

    /* It may not run back, nor past a full ring over what has been given back. */
    if (head - r->released < r->head - r->released || head - r->released > r->size || (head & 7))
        return -EPROTO;
    r->head = head;
    return 0;
}

int ring_next(struct ring_reader *r, uint32_t *ret_kind, const void **ret_data, size_t *ret_len)
{
    for (;;) {
        struct record rec;
        uint64_t at = r->tail & (r->size - 1);
        uint64_t total;

        if (r->tail == r->head) {
            int err = refresh_head(r);

            if (err)
                return err;
            if (r->tail == r->head)
                return 0;
        }
        memcpy(&rec, r->data + at, sizeof rec);
        total = align8(sizeof rec + (uint64_t)rec.len);
        if (total > r->head - r->tail || total > r->size - at)
            return -EPROTO;
        r->tail += total;
        if (rec.kind == RING_SKIP) {
            if (at + total != r->size)
                return -EPROTO;
            continue;
        }
        *ret_kind = rec.kind;
        *ret_data = r->data + at + sizeof rec;
        *ret_len = rec.len;
        return 1;
    }
}

bool ring_release(struct ring_reader *r)
{
    if (r->released == r->tail)
        return false;
    r->released = r->tail;
    atomic_store_explicit(&r->shared->tail, r->tail, memory_order_seq_cst);
    return atomic_load_explicit(&r->shared->writer_sleeps, memory_order_seq_cst) &&
           atomic_exchange_explicit(&r->shared->writer_sleeps, 0, memory_order_seq_cst);
}

bool ring_wait_for_record(struct ring_reader *r)
{
    atomic_store_explicit(&r->shared->reader_sleeps, 1, memory_order_seq_cst);
    /* A protocol error is something to read, too: the next ring_next() says so. */
    if (refresh_head(r) == 0 && r->tail == r->head)
        return true;
    atomic_store_explicit(&r->shared->reader_sleeps, 0, memory_order_seq_cst);
    return false;
}
