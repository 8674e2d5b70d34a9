/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies nobody has thought of. Each is a malloc() of exactly its size, so that a sanitizer sees
 * one byte read too many. A plugin passes when it comes back with a verdict that exists, and does
 * not stop the whole pipeline (QUERN_FATAL) over what is in one body.
 */
#include <stdlib.h>

#include "kit.h"

#define HUGE_BODY ((size_t)8 << 20)
#define HEADERS   64

enum mode { MODE_PLAIN, MODE_CANCELLED, MODE_NO_MEMORY, MODE_EMIT_TOO_BIG, MODE_NO_ALIAS, MODES };

static const char *const mode_names[MODES] = {"", ", cancelled", ", without memory",
                                              ", emits answer -E2BIG", ", emits answer -ENOENT"};

static const char *const texts[] = {
    "x",
    " ",
    "\n",
    "null",
    "[]",
    "{}",
    "\"",
    "{\"",
    "{\"a\":",
    "[1,",
    "0",
    "-",
    "1e999999",
    "{\"a\":{\"a\":{\"a\":",
    "\xef\xbb\xbf{}",
    "\xe2\x82",
    "\xc0\xaf",
    "\xed\xa0\x80",
    "\xff\xfe",
    "%s%n%p%d",
    "../../../../etc/passwd",
    "file:///dev/zero",
    "\x1b[2J",
    "\xe2\x80\xae",
    "99999999999999999999999999999999",
    "{\"\":\"\",\"\":\"\"}",
};

struct torture {
    struct quern_testkit *kit;
    struct quern_header headers[HEADERS];
    int err;
};

static void set_mode(struct quern_testkit *kit, enum mode mode)
{
    quern_testkit_cancel_after(kit, mode == MODE_CANCELLED);
    quern_testkit_fail_alloc(kit, mode == MODE_NO_MEMORY);
    quern_testkit_fail_emit(kit, mode == MODE_EMIT_TOO_BIG ? -E2BIG
                                 : mode == MODE_NO_ALIAS   ? -ENOENT
                                                           : 0);
}

static void run_one(struct torture *t, const char *what, struct quern_bytes body, uint32_t headers,
                    enum mode mode)
{
    struct quern_testkit_job job = {
        .value = body, .key = body, .headers = t->headers, .header_count = headers};
    int32_t verdict;

    if (body.len > 4096)
        job.key = (struct quern_bytes){NULL, 0};
    set_mode(t->kit, mode);
    verdict = quern_testkit_run(t->kit, &job)->verdict;
    kit_drop_lines(t->kit);
    if (t->err || (verdict >= QUERN_OK && verdict <= QUERN_REJECT) ||
        (verdict == QUERN_FATAL && mode != MODE_PLAIN))
        return;
    snprintf(t->kit->error, sizeof t->kit->error, "verdict %d on %s, %zu bytes, %u headers%s",
             (int)verdict, what, body.len, (unsigned)headers, mode_names[mode]);
    t->err = -EBADMSG;
}

static void run_body(struct torture *t, const char *what, struct quern_bytes body)
{
    for (enum mode mode = MODE_PLAIN; mode < MODES; mode++) {
        run_one(t, what, body, 0, mode);
        run_one(t, what, body, HEADERS, mode);
    }
}

/* A body of `len` bytes, `unit` over and over. */
static void run_repeated(struct torture *t, const char *what, const char *unit, size_t unit_len,
                         size_t len)
{
    char *body = malloc(len ? len : 1);

    if (!body)
        return;
    for (size_t i = 0; i < len; i++)
        body[i] = unit[i % unit_len];
    run_body(t, what, (struct quern_bytes){body, len});
    free(body);
}

static uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static void run_noise(struct torture *t, uint32_t *state)
{
    size_t len = next_random(state) % 2048;
    unsigned char *body = malloc(len ? len : 1);

    if (!body)
        return;
    for (size_t i = 0; i < len; i++)
        body[i] = (unsigned char)(next_random(state) >> 11);
    run_body(t, "noise", (struct quern_bytes){body, len});
    free(body);
}

static void fill_headers(struct torture *t)
{
    static const char *const names[] = {"content-type", "trace", "x", "quern-attempt"};
    static const char zero[] = "\0\0";

    for (size_t i = 0; i < HEADERS; i++) {
        t->headers[i].name = names[i % 4];
        t->headers[i].value = i % 3 == 0   ? (struct quern_bytes){NULL, 0}
                              : i % 3 == 1 ? (struct quern_bytes){"", 0}
                                           : (struct quern_bytes){zero, 2};
    }
}

int quern_testkit_torture(struct quern_testkit *kit, uint32_t seed)
{
    struct torture t = {.kit = kit};
    uint32_t state = seed ? seed : 1;

    kit->error[0] = 0;
    fill_headers(&t);
    run_body(&t, "an absent body", (struct quern_bytes){NULL, 0});
    run_repeated(&t, "an empty body", "", 1, 0);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        run_repeated(&t, texts[i], texts[i], strlen(texts[i]), strlen(texts[i]));
    run_repeated(&t, "zeros", "\0", 1, 4096);
    run_repeated(&t, "deep brackets", "[", 1, 100000);
    run_repeated(&t, "deep objects", "{\"a\":", 5, 100000);
    run_repeated(&t, "a huge body", "a", 1, HUGE_BODY);
    run_repeated(&t, "a huge body of numbers", "1,", 2, HUGE_BODY / 8);
    for (int i = 0; i < 32; i++)
        run_noise(&t, &state);
    set_mode(kit, MODE_PLAIN);
    return t.err;
}
