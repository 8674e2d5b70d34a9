/* SPDX-License-Identifier: Apache-2.0 */
#include "config/problems.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/xalloc.h"

void problems_done(struct problems *ps)
{
    for (size_t i = 0; i < ps->count; i++) {
        free(ps->items[i].file);
        free(ps->items[i].text);
    }
    free(ps->items);
    *ps = (struct problems){0};
}

void problems_add(struct problems *ps, enum severity severity, const char *file, int line,
                  const char *format, ...)
{
    struct problem *p;
    struct buf text = BUF_INIT;
    va_list args;

    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    ps->items = xreallocarray(ps->items, ps->count + 1, sizeof *ps->items);
    p = &ps->items[ps->count++];
    *p = (struct problem){.severity = severity, .file = file ? xstrdup(file) : NULL, .line = line};
    p->text = xstrdup(buf_text(&text));
    ps->errors += severity == SEVERITY_ERROR;
    buf_done(&text);
}

static int compare(const void *a, const void *b)
{
    const struct problem *pa = a, *pb = b;
    int order = strcmp(pa->file ? pa->file : "", pb->file ? pb->file : "");

    if (order)
        return order;
    return pa->line != pb->line ? (pa->line < pb->line ? -1 : 1) : pa->column - pb->column;
}

/* The line that is meant, without its end. False: it cannot be read. */
static bool read_line(const char *file, int line, char *text, int size)
{
    FILE *f = fopen(file, "re");
    bool found = false;

    if (!f)
        return false;
    for (int n = 1; n <= line && fgets(text, size, f); n++)
        found = n == line;
    fclose(f);
    text[strcspn(text, "\r\n")] = 0;
    return found;
}

/* A column, when the text quotes a word that stands in the line. */
static int find_column(const struct problem *p, const char *line)
{
    const char *open = strchr(p->text, '"');
    const char *end = open ? strchr(open + 1, '"') : NULL;
    char word[128];
    const char *at;

    if (!end || end == open + 1 || (size_t)(end - open) > sizeof word)
        return 0;
    memcpy(word, open + 1, (size_t)(end - open - 1));
    word[end - open - 1] = 0;
    at = strstr(line, word);
    return at ? (int)(at - line) + 1 : 0;
}

static void print_one(struct problem *p, FILE *out)
{
    char line[512];
    bool have_line = p->file && p->line > 0 && read_line(p->file, p->line, line, sizeof line);
    const char *word = p->severity == SEVERITY_ERROR ? "error" : "warning";

    if (have_line && p->column == 0)
        p->column = find_column(p, line);
    if (!p->file)
        fprintf(out, "quern: %s: %s\n", word, p->text);
    else if (p->line <= 0)
        fprintf(out, "%s: %s: %s\n", p->file, word, p->text);
    else if (p->column > 0)
        fprintf(out, "%s:%d:%d: %s: %s\n", p->file, p->line, p->column, word, p->text);
    else
        fprintf(out, "%s:%d: %s: %s\n", p->file, p->line, word, p->text);
    if (!have_line)
        return;
    fprintf(out, "%6d | %s\n", p->line, line);
    if (p->column > 0) {
        fprintf(out, "       | ");
        for (int i = 1; i < p->column; i++)
            fputc(line[i - 1] == '\t' ? '\t' : ' ', out);
        fprintf(out, "^\n");
    }
}

void problems_print(struct problems *ps, FILE *out)
{
    if (ps->count)
        qsort(ps->items, ps->count, sizeof *ps->items, compare);
    for (size_t i = 0; i < ps->count; i++)
        print_one(&ps->items[i], out);
}

void problems_json(struct problems *ps, struct buf *out)
{
    if (ps->count)
        qsort(ps->items, ps->count, sizeof *ps->items, compare);
    buf_char(out, '[');
    for (size_t i = 0; i < ps->count; i++) {
        const struct problem *p = &ps->items[i];

        buf_printf(out, "%s{\"severity\":\"%s\",\"file\":", i ? "," : "",
                   p->severity == SEVERITY_ERROR ? "error" : "warning");
        if (p->file)
            buf_json_str(out, p->file, strlen(p->file));
        else
            buf_str(out, "null");
        buf_printf(out, ",\"line\":%d,\"text\":", p->line);
        buf_json_str(out, p->text, strlen(p->text));
        buf_char(out, '}');
    }
    buf_char(out, ']');
}
