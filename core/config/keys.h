/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one table of settings. Parser, defaults, checks, `quern config explain`, the reference page and
 * the man page are all made from it, so that they cannot disagree.
 */
#ifndef QUERN_CONFIG_KEYS_H
#define QUERN_CONFIG_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define KEY_TYPES(X)                                                                               \
    X(STRING, "string")     /* char * */                                                           \
    X(TOPIC, "topic name")  /* char *, [a-zA-Z0-9._-]{1,249} */                                    \
    X(INT, "whole number")  /* int64_t */                                                          \
    X(INT32, "whole number") /* int32_t */                                                         \
    X(BOOL, "true or false") /* bool */                                                            \
    X(DURATION, "duration") /* int64_t, ms */                                                      \
    X(SIZE, "size")         /* int64_t, bytes */                                                   \
    X(SPAN, "duration..duration") /* two int64_t in a row, ms: from, to */                         \
    X(CHOICE, "one of")     /* int, index into choices */                                          \
    X(LIST, "list of strings") /* char **, NULL-terminated */                                      \
    X(TOPICS, "list of topic names") /* likewise */                                                \
    X(GROUP, "group")       /* keys of `sub`, fields from `offset` on */                           \
    X(MAP, "group of names") /* read by code: the names are the user's */

enum key_type {
#define X(name, text) KEY_##name,
    KEY_TYPES(X)
#undef X
};

#define KEY_REQUIRED 0x1u
#define KEY_BY_CODE 0x2u /* has no field: settings.c reads it */

struct key {
    const char *name; /* NULL ends a table */
    enum key_type type;
    size_t offset;
    const char *fallback; /* as it would be written; lists: separated by commas; NULL: by code */
    int64_t min, max;     /* numbers; both 0: no bounds */
    const char *choices;  /* "a|b|c" */
    const struct key *sub;
    unsigned flags;
    const char *help;
};

extern const struct key settings_keys[]; /* of struct settings */
extern const struct key pipeline_keys[]; /* of struct settings_pipeline */

const char *key_type_name(enum key_type type);
/* The key behind a dotted path ("pipelines.retry.backoff", "kafka.brokers"), or NULL. */
const struct key *key_find(const char *path);
/* One key, as a person wants to read it. */
void key_explain(const char *path, const struct key *key, FILE *out);
/* All keys as Markdown, or as the body of a man page. */
void keys_reference(bool man, FILE *out);

#endif
