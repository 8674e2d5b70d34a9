/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/table.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "base/xalloc.h"

void table_init(struct table *t, const char *const *heads, size_t columns)
{
    *t = (struct table){.columns = columns, .heads = heads};
}

/* Code points that may be shown, in place of those that may not '?'. */
static char *clean(const char *text)
{
    size_t len = strlen(text);
    struct buf b = BUF_INIT;
    char *result;

    for (size_t i = 0; i < len;) {
        uint32_t cp;
        size_t n = utf8_decode(text + i, len - i, &cp);

        if (n == 0 || utf8_is_unsafe(cp))
            buf_char(&b, '?');
        else
            buf_add(&b, text + i, n);
        i += n ? n : 1;
    }
    result = buf_steal(&b);
    return result ? result : xstrdup("?");
}

void table_add(struct table *t, const char *format, ...)
{
    struct buf b = BUF_INIT;
    va_list args;

    va_start(args, format);
    buf_vprintf(&b, format, args);
    va_end(args);
    t->cells = xreallocarray(t->cells, t->cell_count + 1, sizeof(char *));
    t->cells[t->cell_count++] = clean(buf_text(&b));
    buf_done(&b);
}

/* Columns on a terminal, near enough: one a code point. */
static size_t width(const char *text)
{
    size_t n = 0;

    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static void print_cell(const char *text, size_t wide, int right, int last, FILE *out)
{
    size_t pad = wide - width(text);

    if (right)
        fprintf(out, "%*s%s", (int)pad, "", text);
    else
        fprintf(out, "%s%*s", text, last ? 0 : (int)pad, "");
    fputs(last ? "\n" : "  ", out);
}

void table_print(const struct table *t, FILE *out)
{
    size_t widths[TABLE_COLUMNS_MAX];

    for (size_t c = 0; c < t->columns; c++)
        widths[c] = width(t->heads[c]) - (t->heads[c][0] == '>');
    for (size_t i = 0; i < t->cell_count; i++)
        if (width(t->cells[i]) > widths[i % t->columns])
            widths[i % t->columns] = width(t->cells[i]);
    for (size_t c = 0; c < t->columns; c++) {
        int right = t->heads[c][0] == '>';

        print_cell(t->heads[c] + right, widths[c], right, c + 1 == t->columns, out);
    }
    for (size_t i = 0; i < t->cell_count; i++) {
        size_t c = i % t->columns;

        print_cell(t->cells[i], widths[c], t->heads[c][0] == '>', c + 1 == t->columns, out);
    }
}

void table_done(struct table *t)
{
    for (size_t i = 0; i < t->cell_count; i++)
        free(t->cells[i]);
    free(t->cells);
    *t = (struct table){0};
}
