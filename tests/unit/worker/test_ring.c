/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring: random records against a queue that is known to be right; what a hostile other side can
 * write; and torture across two processes, which sleep and wake each other by eventfds.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/ring.h"

#define RING_BYTES 4096

static uint64_t rng_state;

static uint64_t rng(uint64_t bound)
{
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 7;
    rng_state ^= rng_state << 17;
    return rng_state % bound;
}

/* ---- Against an oracle ---- */

struct sent {
    uint32_t kind, len;
    unsigned char fill;
};

static void run_seed(uint64_t seed)
{
    static struct ring_shared shared;
    static alignas(8) char data[RING_BYTES];
    static struct sent queue[100000];
    size_t first = 0, next = 0, published = 0;
    struct ring_writer w;
    struct ring_reader r;

    memset(&shared, 0, sizeof shared);
    rng_state = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    ring_writer_init(&w, &shared, data, RING_BYTES);
    ring_reader_init(&r, &shared, data, RING_BYTES);
    while (next < 50000) {
        if (rng(3) > 0) {
            struct sent s = {1 + (uint32_t)rng(9), (uint32_t)rng(rng(20) ? 200 : 2041), (unsigned char)rng(256)};
            void *at;
            int err = ring_reserve(&w, s.kind, s.len, &at);

            if (err == 0) {
                memset(at, s.fill, s.len);
                queue[next++] = s;
            } else {
                assert_int_equal(err, -EAGAIN);
                assert_true(first < next || published < next); /* an empty ring takes anything */
            }
            if (rng(4) == 0) {
                (void)!ring_publish(&w);
                published = next;
            }
        } else {
            const void *at;
            uint32_t kind;
            size_t len;
            int rc = ring_next(&r, &kind, &at, &len);

            assert_int_equal(rc, first < published);
            if (rc) {
                assert_int_equal(kind, queue[first].kind);
                assert_int_equal(len, queue[first].len);
                for (size_t i = 0; i < len; i++)
                    assert_int_equal(((const unsigned char *)at)[i], queue[first].fill);
                first++;
            }
            if (rng(3) == 0)
                (void)!ring_release(&r);
        }
        if (first == published && published < next && rng(10) == 0) {
            (void)!ring_publish(&w);
            published = next;
        }
        if (first == next)
            (void)!ring_release(&r);
    }
}

static void test_against_oracle(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++)
        run_seed(seed);
}

static void test_too_large(void **state)
{
    struct ring_shared shared = {0};
    static alignas(8) char data[RING_BYTES];
    struct ring_writer w;
    void *at;

    (void)state;
    ring_writer_init(&w, &shared, data, RING_BYTES);
    assert_int_equal(ring_reserve(&w, 1, ring_record_max(RING_BYTES) + 1, &at), -EMSGSIZE);
    assert_int_equal(ring_reserve(&w, 1, ring_record_max(RING_BYTES), &at), 0);
}

/* ---- Hostile other side ---- */

static void test_hostile_writer(void **state)
{
    static const uint64_t heads[] = {1, 7, RING_BYTES + 8, UINT64_MAX - 7, UINT64_C(1) << 63};
    static alignas(8) char data[RING_BYTES];
    struct ring_shared shared = {0};
    struct ring_reader r;
    const void *at;
    uint32_t kind;
    size_t len;

    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        ring_reader_init(&r, &shared, data, RING_BYTES);
        shared.head = heads[i];
        assert_int_equal(ring_next(&r, &kind, &at, &len), -EPROTO);
    }
    /* Records that leave what was published, or the ring. */
    static const uint32_t lens[] = {9, 4096, UINT32_MAX, UINT32_MAX - 7};
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        ring_reader_init(&r, &shared, data, RING_BYTES);
        shared.head = 16;
        memcpy(data, &lens[i], 4);
        memcpy(data + 4, &(uint32_t){1}, 4);
        assert_int_equal(ring_next(&r, &kind, &at, &len), -EPROTO);
    }
    /* A skip that does not end at the ring's end. */
    ring_reader_init(&r, &shared, data, RING_BYTES);
    memset(data, 0, 16);
    assert_int_equal(ring_next(&r, &kind, &at, &len), -EPROTO);
    /* A head that runs back. */
    ring_reader_init(&r, &shared, data, RING_BYTES);
    memcpy(data, &(uint32_t){8}, 4);
    memcpy(data + 4, &(uint32_t){1}, 4);
    shared.head = 16;
    assert_int_equal(ring_next(&r, &kind, &at, &len), 1);
    shared.head = 8;
    assert_int_equal(ring_next(&r, &kind, &at, &len), -EPROTO);
}

static void test_hostile_reader(void **state)
{
    static const uint64_t tails[] = {8, 1, RING_BYTES, UINT64_MAX - 7};
    static alignas(8) char data[RING_BYTES];
    void *at;

    (void)state;
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
        struct ring_shared shared = {0};
        struct ring_writer w;
        int err = 0;

        ring_writer_init(&w, &shared, data, RING_BYTES);
        shared.tail = tails[i];
        while (!err) /* the tail is looked at when there is no room */
            err = ring_reserve(&w, 1, 500, &at);
        assert_int_equal(err, -EPROTO);
    }
}

/* ---- Two processes ---- */

#define TORTURE_RECORDS 1500000

struct arena_of_pain {
    struct ring_shared shared;
    alignas(8) char data[RING_BYTES];
};

static void wake(int fd)
{
    uint64_t one = 1;

    assert_int_equal(write(fd, &one, sizeof one), sizeof one);
}

static void sleep_on(int fd)
{
    uint64_t count;

    assert_int_equal(read(fd, &count, sizeof count), sizeof count);
}

/* The child: exit code 0 when every record came, in order and whole. */
static void read_all(struct arena_of_pain *shared, int to_reader, int to_writer)
{
    struct ring_reader r;
    uint64_t expected = 0;

    ring_reader_init(&r, &shared->shared, shared->data, RING_BYTES);
    while (expected < TORTURE_RECORDS) {
        const void *at;
        uint32_t kind;
        size_t len;
        int rc = ring_next(&r, &kind, &at, &len);
        uint64_t number;

        if (rc < 0)
            _exit(2);
        if (rc == 0) {
            if (ring_release(&r))
                wake(to_writer);
            if (ring_wait_for_record(&r))
                sleep_on(to_reader);
            continue;
        }
        memcpy(&number, at, sizeof number);
        if (number != expected || len != 8 + number % 120 || kind != 1 + number % 3)
            _exit(3);
        for (size_t i = 8; i < len; i++)
            if (((const unsigned char *)at)[i] != (unsigned char)(number + i))
                _exit(4);
        expected++;
        if (expected % 7 == 0 && ring_release(&r))
            wake(to_writer);
    }
    if (ring_release(&r))
        wake(to_writer);
    _exit(0);
}

static void write_one(struct ring_writer *w, uint64_t number, int to_reader, int to_writer)
{
    size_t len = 8 + number % 120;
    unsigned char *bytes;
    void *at;
    int err;

    while ((err = ring_reserve(w, 1 + (uint32_t)(number % 3), len, &at)) == -EAGAIN) {
        if (ring_publish(w))
            wake(to_reader);
        if (ring_wait_for_room(w, len))
            sleep_on(to_writer);
    }
    assert_int_equal(err, 0);
    bytes = at;
    memcpy(bytes, &number, sizeof number);
    for (size_t i = 8; i < len; i++)
        bytes[i] = (unsigned char)(number + i);
}

static void test_torture_across_processes(void **state)
{
    struct arena_of_pain *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int to_reader = eventfd(0, 0), to_writer = eventfd(0, 0), status;
    struct ring_writer w;
    pid_t child;

    (void)state;
    alarm(120); /* a lost wake would be for ever */
    rng_state = 99;
    child = fork();
    if (child == 0) {
        alarm(120);
        read_all(shared, to_reader, to_writer);
    }
    ring_writer_init(&w, &shared->shared, shared->data, RING_BYTES);
    for (uint64_t i = 0; i < TORTURE_RECORDS; i++) {
        write_one(&w, i, to_reader, to_writer);
        if (rng(1 + rng(64)) == 0 && ring_publish(&w))
            wake(to_reader);
    }
    if (ring_publish(&w))
        wake(to_reader);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    alarm(0);
    munmap(shared, sizeof *shared);
    close(to_reader);
    close(to_writer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_oracle),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_hostile_writer),
        cmocka_unit_test(test_hostile_reader),
        cmocka_unit_test(test_torture_across_processes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
