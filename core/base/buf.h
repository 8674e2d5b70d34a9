/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one buffer of the house: grows, knows its length, and remembers that something did not fit, so
 * that a long chain of appends is checked once, at its end. No arithmetic on buffers is done by hand
 * elsewhere. `limit` bounds it (0: only by SIZE_MAX / 2); an append that would pass the limit, or for
 * which there is no memory, changes nothing and sets `failed`, as do all later ones.
 *
 * After buf_text() the bytes end in a zero that is not counted in len.
 */
#ifndef QUERN_BASE_BUF_H
#define QUERN_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    char *data;
    size_t len;
    size_t cap;
    size_t limit;
    bool failed;
};

#define BUF_INIT {0}

void buf_init(struct buf *b, size_t limit);
void buf_done(struct buf *b);  /* frees; b is empty and usable again */
void buf_reset(struct buf *b); /* empties, keeps the memory, forgets a failure */

void buf_add(struct buf *b, const void *data, size_t len);
void buf_str(struct buf *b, const char *text);
void buf_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

/* Appends `text` as a JSON string with its quotes: control bytes, DEL, C1 and bidi controls are
 * escaped, invalid UTF-8 becomes U+FFFD. Safe for a terminal as well. */
void buf_json_str(struct buf *b, const char *text, size_t len);

/* The bytes as text ("" when empty), never NULL. Owner: b. */
const char *buf_text(struct buf *b);

/* Takes the bytes out of b (free() them); b is empty afterwards. NULL when `failed`. */
char *buf_steal(struct buf *b) __attribute__((warn_unused_result));

#endif
