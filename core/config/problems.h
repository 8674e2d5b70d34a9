/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong with the settings: collected, never printed on the spot, so that one run shows all of
 * it, sorted by file and line.
 */
#ifndef QUERN_CONFIG_PROBLEMS_H
#define QUERN_CONFIG_PROBLEMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct buf;

enum severity { SEVERITY_WARNING, SEVERITY_ERROR };

struct problem {
    enum severity severity;
    char *file; /* NULL: no file to blame */
    int line;   /* from 1; 0: the file as a whole */
    int column; /* from 1; 0: not known */
    char *text; /* a sentence: what is wrong, and what was probably meant */
};

struct problems {
    struct problem *items;
    size_t count;
    size_t errors; /* of these, the errors */
};

void problems_done(struct problems *ps);
void problems_add(struct problems *ps, enum severity severity, const char *file, int line,
                  const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Sorts, then prints each as "file:line:col: error: text" with the line itself as an excerpt. */
void problems_print(struct problems *ps, FILE *out);
void problems_json(struct problems *ps, struct buf *out); /* a JSON array of objects */

#endif
