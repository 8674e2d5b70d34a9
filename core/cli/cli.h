/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frame of the command line: a table of verbs, one file each, and what they share.
 *
 * A verb's file opens with its `const struct verb`: name, summary, usage, options, examples. Help,
 * parsing and did-you-mean are made from it. Manners: data on stdout, everything else on stderr; exit
 * codes of sysexits; a value on the command line wins over the environment, which wins over the
 * settings.
 */
#ifndef QUERN_CLI_CLI_H
#define QUERN_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct settings;

struct verb_option {
    const char *name;     /* "config", for --config */
    char letter;          /* 'c', for -c; 0: none */
    const char *argument; /* what it takes, in help: "FILE"; NULL: it is a flag */
    const char *help;     /* one line */
};

#define VERB_OPTIONS_END {NULL, 0, NULL, NULL}
#define VERB_OPTION_CONFIG                                                                         \
    {"config", 'c', "FILE", "settings; default: $QUERN_CONFIG, else the installed quern.conf"}
#define VERB_OPTION_OUTPUT {"output", 'o', "table|json", "how to print; default: table"}
#define VERB_OPTION_TIMEOUT {"timeout", 0, "DURATION", "how long to wait for an answer; default: 10s"}

struct cli;

struct verb {
    const char *name;
    const char *summary;  /* one line, for the list */
    const char *usage;    /* what follows "quern NAME" */
    const char *examples; /* whole lines; shown first */
    const char *about;    /* what else there is to say, or NULL */
    const struct verb_option *options;
    int (*run)(struct cli *cli); /* the exit code */
};

#define CLI_OPTIONS_MAX 64

struct cli {
    const struct verb *verb;
    int argc;    /* arguments that are no options */
    char **argv;
    struct {
        const struct verb_option *option;
        const char *value;
    } given[CLI_OPTIONS_MAX];
    size_t given_count;
};

extern const struct verb *const cli_verbs[]; /* NULL-terminated */

/* The whole: finds the verb, parses, runs. Returns the exit code. */
int cli_main(int argc, char **argv);
void cli_help(const struct verb *verb);

/* The last value given, "" for a flag; NULL: not given. */
const char *cli_option(const struct cli *cli, const char *name);
/* Value number i of an option that may be given several times; NULL: there are fewer. */
const char *cli_option_at(const struct cli *cli, const char *name, size_t i);
/* A wrong use: prints the sentence and a hint, returns EX_USAGE. */
int cli_usage(const struct cli *cli, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* "quern VERB: sentence" on stderr; returns `code`. */
int cli_fail(const struct cli *cli, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* -o json? -1: neither table nor json, which has been said; EX_USAGE. */
int cli_json(const struct cli *cli);
/* --timeout in ms, 10 s unless given. -1: not a duration, which has been said; EX_USAGE. */
int64_t cli_timeout_ms(const struct cli *cli);
/* The file of -c, or its default. */
const char *cli_config_path(const struct cli *cli);
/* Loads it and prints what is wrong with it. EXIT_SUCCESS, or EX_CONFIG or EX_NOINPUT. */
int cli_settings(const struct cli *cli, struct settings **ret);

#endif
