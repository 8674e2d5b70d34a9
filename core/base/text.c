/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit duration_units[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1},
};
static const struct unit size_units[] = {
    {"B", 1},
    {"KiB", INT64_C(1) << 10}, {"MiB", INT64_C(1) << 20},
    {"GiB", INT64_C(1) << 30}, {"TiB", INT64_C(1) << 40},
    {"KB", 1000}, {"kB", 1000}, {"MB", 1000000}, {"GB", 1000000000}, {"TB", INT64_C(1000000000000)},
};
#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* Digits at *text, which moves behind them. */
static int parse_digits(const char **text, int64_t *ret)
{
    int64_t value = 0;

    if (!isdigit((unsigned char)**text))
        return -EINVAL;
    for (; isdigit((unsigned char)**text); (*text)++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, **text - '0', &value))
            return -ERANGE;
    *ret = value;
    return 0;
}

static const struct unit *find_unit(const struct unit *units, size_t count, const char *text,
                                    size_t len)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(units[i].name) == len && strncmp(units[i].name, text, len) == 0)
            return &units[i];
    return NULL;
}

static size_t word_len(const char *text)
{
    size_t len = 0;

    while (isalpha((unsigned char)text[len]))
        len++;
    return len;
}

int text_parse_duration_ms(const char *text, int64_t *ret_ms)
{
    int64_t total = 0;

    if (strcmp(text, "0") == 0) {
        *ret_ms = 0;
        return 0;
    }
    do {
        const struct unit *unit;
        int64_t n;
        size_t len;
        int err = parse_digits(&text, &n);

        if (err)
            return err;
        len = word_len(text);
        unit = find_unit(duration_units, COUNT(duration_units), text, len);
        if (!unit)
            return -EINVAL;
        text += len;
        if (__builtin_mul_overflow(n, unit->factor, &n) || __builtin_add_overflow(total, n, &total))
            return -ERANGE;
    } while (*text);
    *ret_ms = total;
    return 0;
}

int text_parse_size(const char *text, int64_t *ret_bytes)
{
    const struct unit *unit = &size_units[0];
    int64_t n;
    int err = parse_digits(&text, &n);

    if (err)
        return err;
    if (*text) {
        text += *text == ' ';
        unit = find_unit(size_units, COUNT(size_units), text, strlen(text));
    }
    if (!unit)
        return -EINVAL;
    if (__builtin_mul_overflow(n, unit->factor, &n))
        return -ERANGE;
    *ret_bytes = n;
    return 0;
}

int text_parse_int(const char *text, int64_t *ret_value)
{
    bool negative = *text == '-';
    int64_t n;
    int err;

    text += negative;
    err = parse_digits(&text, &n);
    if (err)
        return err;
    if (*text)
        return -EINVAL;
    *ret_value = negative ? -n : n;
    return 0;
}

static char *format_units(int64_t n, const struct unit *units, size_t count, const char *zero,
                          char text[static 32])
{
    const struct unit *best = NULL;

    for (size_t i = 0; i < count; i++)
        if (n % units[i].factor == 0 && (!best || units[i].factor > best->factor))
            best = &units[i];
    if (n == 0 || !best)
        snprintf(text, 32, "%s", zero);
    else
        snprintf(text, 32, "%" PRId64 "%s", n / best->factor, best->name);
    return text;
}

char *text_format_duration_ms(int64_t ms, char text[static 32])
{
    return format_units(ms, duration_units, COUNT(duration_units), "0s", text);
}

char *text_format_size(int64_t bytes, char text[static 32])
{
    /* Powers of two first: a size that is both is meant as KiB. */
    if (bytes % 1024 == 0)
        return format_units(bytes, size_units, 5, "0B", text);
    return format_units(bytes, size_units, COUNT(size_units), "0B", text);
}

/* Optimal string alignment distance: three rows of the matrix. */
#define WORD_MAX 64
unsigned text_distance(const char *a, const char *b, unsigned limit)
{
    unsigned rows[3][WORD_MAX + 1];
    size_t la = strlen(a), lb = strlen(b);
    unsigned *before = rows[0], *above = rows[1], *row = rows[2];

    if (la > WORD_MAX || lb > WORD_MAX)
        return limit + 1;
    for (size_t j = 0; j <= lb; j++)
        above[j] = (unsigned)j;
    for (size_t i = 1; i <= la; i++) {
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= lb; j++) {
            unsigned best = above[j - 1] + (a[i - 1] != b[j - 1]);

            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
        unsigned *oldest = before;
        before = above;
        above = row;
        row = oldest;
    }
    return above[lb] <= limit ? above[lb] : limit + 1;
}

const char *text_nearest(const char *word, const char *const *candidates, size_t count)
{
    unsigned best = strlen(word) > 8 ? 3 : 2;
    const char *nearest = NULL;

    for (size_t i = 0; i < count; i++) {
        unsigned d;

        if (!candidates[i])
            continue;
        d = text_distance(word, candidates[i], best);
        if (d <= best && d < strlen(word) && (!nearest || d < best)) {
            best = d;
            nearest = candidates[i];
        }
    }
    return nearest;
}

bool text_is_clean(const char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        uint32_t cp;
        size_t n = utf8_decode(text + i, len - i, &cp);

        if (n == 0 || utf8_is_unsafe(cp))
            return false;
        i += n;
    }
    return true;
}
