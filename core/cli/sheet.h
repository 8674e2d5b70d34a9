/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The demo's contact sheet: one HTML file, nothing from elsewhere, that shows what came out of each
 * picture and what became of those that were broken. Names of files come from outside: all text is
 * escaped, all links are percent-encoded.
 */
#ifndef QUERN_CLI_SHEET_H
#define QUERN_CLI_SHEET_H

#include <stddef.h>

struct sheet_output {
    char *file; /* relative to the sheet */
    char *name;
    long long w, h, bytes;
};

struct sheet_picture {
    char *title;
    long long w, h, bytes;
    double ms;
    struct sheet_output *outputs;
    size_t output_count;
};

struct sheet_dead {
    char *what, *cause, *code, *detail;
};

struct sheet {
    struct sheet_picture *pictures;
    size_t picture_count;
    struct sheet_dead *dead;
    size_t dead_count;
    const char *story; /* of the worker that was killed */
    double seconds;
};

/* 0 or a negative errno. */
__attribute__((warn_unused_result)) int sheet_write(const struct sheet *s, const char *path);
void sheet_done(struct sheet *s);

#endif
