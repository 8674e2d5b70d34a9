/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quantities as people write them, both ways, with every overflow refused instead of wrapped.
 *
 *   duration  "250ms" "30s" "5m" "2h" "7d", also joined: "1m30s". No unit: refused, except "0".
 *   size      "512" (bytes) "64KiB" "10MB" "1GiB": KiB = 1024, KB = 1000; also "B", and a space before
 *             the unit. No sign, no fraction.
 */
#ifndef QUERN_BASE_TEXT_H
#define QUERN_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHECK __attribute__((warn_unused_result))

/* 0; -EINVAL: not of the form; -ERANGE: does not fit into int64_t. ret_ untouched on failure. */
CHECK int text_parse_duration_ms(const char *text, int64_t *ret_ms);
CHECK int text_parse_size(const char *text, int64_t *ret_bytes);
CHECK int text_parse_int(const char *text, int64_t *ret_value); /* decimal, whole text */

/* Into text[32]: the shortest form that reads back the same, "90s", "64KiB"; returns text. */
char *text_format_duration_ms(int64_t ms, char text[static 32]);
char *text_format_size(int64_t bytes, char text[static 32]);

/* The number of edits (insert, delete, replace, swap of neighbours) between two words, or limit + 1. */
unsigned text_distance(const char *a, const char *b, unsigned limit);

/* The candidate nearest to `word` within 2 edits (3 where it is longer than 8), or NULL. For
 * "did you mean". `candidates[count]`; NULL entries are passed over. */
const char *text_nearest(const char *word, const char *const *candidates, size_t count);

/* Valid UTF-8 without control characters? (Topic and header names, reasons.) */
bool text_is_clean(const char *text, size_t len);

#endif
