/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table on a terminal: columns as wide as their widest cell, numbers to the right. Cells come from
 * outside: control characters are shown as "?".
 */
#ifndef QUERN_CLI_TABLE_H
#define QUERN_CLI_TABLE_H

#include <stddef.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 16

struct table {
    size_t columns;
    const char *const *heads; /* a head that begins with '>' is a column of numbers */
    char **cells;
    size_t cell_count;
};

/* heads[columns] outlives the table. */
void table_init(struct table *t, const char *const *heads, size_t columns);
/* The next cell, from the left; printf-like. */
void table_add(struct table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void table_print(const struct table *t, FILE *out);
void table_done(struct table *t);

#endif
