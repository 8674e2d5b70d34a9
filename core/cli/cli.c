/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/text.h"
#include "config/settings.h"

#ifndef QUERN_CONFDIR
#define QUERN_CONFDIR "/etc/quern"
#endif

/* ---- Help ---- */

static void print_lines(const char *text)
{
    while (*text) {
        size_t len = strcspn(text, "\n");

        printf("  %.*s\n", (int)len, text);
        text += len + (text[len] == '\n');
    }
}

void cli_help(const struct verb *verb)
{
    printf("quern %s: %s\n\n", verb->name, verb->summary);
    if (verb->examples) {
        printf("Examples:\n");
        print_lines(verb->examples);
        printf("\n");
    }
    printf("Usage: quern %s %s\n", verb->name, verb->usage);
    if (verb->about) {
        printf("\n");
        print_lines(verb->about);
    }
    printf("\nOptions:\n");
    for (const struct verb_option *o = verb->options; o && o->name; o++) {
        char left[64];

        snprintf(left, sizeof left, "%c%c%s--%s %s", o->letter ? '-' : ' ',
                 o->letter ? o->letter : ' ', o->letter ? ", " : "  ", o->name,
                 o->argument ? o->argument : "");
        printf("  %-34s %s\n", left, o->help);
    }
    printf("  %-34s %s\n", "-h, --help", "this text");
}

static void help_all(void)
{
    printf("quern: a job engine. Jobs come from Kafka topics, plugins do them.\n\n"
           "Examples:\n"
           "  quern demo                             see it work, with nothing set up\n"
           "  quern check && quern run               run it with /etc/quern/quern.conf\n"
           "  quern new plugin hello                 write a plugin\n"
           "  quern status                           what does it do now?\n\n"
           "Verbs:\n");
    for (size_t i = 0; cli_verbs[i]; i++)
        printf("  %-10s %s\n", cli_verbs[i]->name, cli_verbs[i]->summary);
    printf("\n`quern help VERB` or `quern VERB --help` tells more. Manual: quern(1), quern.conf(5).\n");
}

/* ---- Options ---- */

static const struct verb_option *find_option(const struct verb *verb, const char *name, size_t len,
                                             char letter)
{
    for (const struct verb_option *o = verb->options; o && o->name; o++)
        if (letter ? o->letter == letter : strlen(o->name) == len && strncmp(o->name, name, len) == 0)
            return o;
    return NULL;
}

static int unknown_option(const struct cli *cli, const char *arg)
{
    const char *names[CLI_OPTIONS_MAX], *nearest;
    char word[64];
    size_t count = 0;

    for (const struct verb_option *o = cli->verb->options; o && o->name; o++)
        names[count++] = o->name;
    snprintf(word, sizeof word, "%.*s", (int)strcspn(arg, "="), arg + strspn(arg, "-"));
    nearest = text_nearest(word, names, count);
    if (nearest)
        return cli_usage(cli, "unknown option %s; did you mean --%s?", arg, nearest);
    return cli_usage(cli, "unknown option %s", arg);
}

/* One option at argv[*i], which moves over its value. */
static int take_option(struct cli *cli, int argc, char **argv, int *i)
{
    const char *arg = argv[*i], *value = NULL;
    const struct verb_option *o;

    if (arg[1] == '-') {
        size_t len = strcspn(arg + 2, "=");

        o = find_option(cli->verb, arg + 2, len, 0);
        value = arg[2 + len] ? arg + 3 + len : NULL;
    } else {
        o = find_option(cli->verb, NULL, 0, arg[1]);
        value = arg[2] ? arg + 2 : NULL;
    }
    if (!o)
        return unknown_option(cli, arg);
    if (!o->argument && value)
        return cli_usage(cli, "--%s takes no value", o->name);
    if (o->argument && !value) {
        if (*i + 1 >= argc)
            return cli_usage(cli, "--%s needs a value: %s", o->name, o->argument);
        value = argv[++*i];
    }
    if (cli->given_count == CLI_OPTIONS_MAX)
        return cli_usage(cli, "too many options");
    cli->given[cli->given_count].option = o;
    cli->given[cli->given_count++].value = value ? value : "";
    return EXIT_SUCCESS;
}

static bool is_help(const char *arg)
{
    return strcmp(arg, "-h") == 0 || strcmp(arg, "--help") == 0;
}

/* argv: behind the verb. Arguments that are no options are moved to its front. */
static int parse(struct cli *cli, int argc, char **argv)
{
    bool only_arguments = false;

    cli->argv = argv;
    for (int i = 0; i < argc; i++) {
        int code;

        if (!only_arguments && strcmp(argv[i], "--") == 0) {
            only_arguments = true;
            continue;
        }
        if (only_arguments || argv[i][0] != '-' || argv[i][1] == 0) {
            cli->argv[cli->argc++] = argv[i];
            continue;
        }
        code = take_option(cli, argc, argv, &i);
        if (code != EXIT_SUCCESS)
            return code;
    }
    return EXIT_SUCCESS;
}

const char *cli_option_at(const struct cli *cli, const char *name, size_t n)
{
    for (size_t i = 0; i < cli->given_count; i++)
        if (strcmp(cli->given[i].option->name, name) == 0 && n-- == 0)
            return cli->given[i].value;
    return NULL;
}

const char *cli_option(const struct cli *cli, const char *name)
{
    const char *value = NULL;

    for (size_t i = 0; i < cli->given_count; i++)
        if (strcmp(cli->given[i].option->name, name) == 0)
            value = cli->given[i].value;
    return value;
}

int cli_usage(const struct cli *cli, const char *format, ...)
{
    va_list args;

    fprintf(stderr, "quern %s: ", cli->verb->name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nUsage: quern %s %s\n`quern help %s` tells more.\n", cli->verb->name,
            cli->verb->usage, cli->verb->name);
    return EX_USAGE;
}

int cli_fail(const struct cli *cli, int code, const char *format, ...)
{
    va_list args;

    fprintf(stderr, "quern %s: ", cli->verb->name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return code;
}

/* ---- What verbs share ---- */

int cli_json(const struct cli *cli)
{
    const char *output = cli_option(cli, "output");

    if (!output || strcmp(output, "table") == 0)
        return 0;
    if (strcmp(output, "json") == 0)
        return 1;
    cli_usage(cli, "--output is table or json, not %s", output);
    return -1;
}

int64_t cli_timeout_ms(const struct cli *cli)
{
    const char *text = cli_option(cli, "timeout");
    int64_t ms = 10000;

    if (text && (text_parse_duration_ms(text, &ms) != 0 || ms <= 0 || ms > 3600000)) {
        cli_usage(cli, "--timeout: \"%s\" is not a duration like 500ms or 10s, at most 1h", text);
        return -1;
    }
    return ms;
}

const char *cli_config_path(const struct cli *cli)
{
    const char *path = cli_option(cli, "config");

    if (!path)
        path = getenv("QUERN_CONFIG");
    return path && path[0] ? path : QUERN_CONFDIR "/quern.conf";
}

int cli_settings(const struct cli *cli, struct settings **ret)
{
    struct problems ps = {0};
    int err = settings_load(cli_config_path(cli), &ps, ret);

    problems_print(&ps, stderr);
    problems_done(&ps);
    if (err == -ENOENT || err == -EACCES)
        return err == -ENOENT ? EX_NOINPUT : EX_NOPERM;
    return err ? EX_CONFIG : EXIT_SUCCESS;
}

/* ---- The whole ---- */

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; cli_verbs[i]; i++)
        if (strcmp(cli_verbs[i]->name, name) == 0)
            return cli_verbs[i];
    return NULL;
}

static int unknown_verb(const char *name)
{
    const char *names[64], *nearest;
    size_t count = 0;

    while (cli_verbs[count] && count < 64) {
        names[count] = cli_verbs[count]->name;
        count++;
    }
    nearest = text_nearest(name, names, count);
    fprintf(stderr, "quern: unknown verb \"%s\"", name);
    if (nearest)
        fprintf(stderr, "; did you mean \"%s\"?", nearest);
    fprintf(stderr, "\n`quern --help` lists them.\n");
    return EX_USAGE;
}

static int help_verb(int argc, char **argv)
{
    const struct verb *verb;

    if (argc == 0) {
        help_all();
        return EXIT_SUCCESS;
    }
    verb = find_verb(argv[0]);
    if (!verb)
        return unknown_verb(argv[0]);
    cli_help(verb);
    return EXIT_SUCCESS;
}

int cli_main(int argc, char **argv)
{
    struct cli cli = {0};
    int code;

    if (argc < 2) {
        help_all();
        return EX_USAGE;
    }
    if (is_help(argv[1]) || strcmp(argv[1], "help") == 0)
        return help_verb(argc - 2, argv + 2);
    if (strcmp(argv[1], "--version") == 0)
        argv[1] = (char *)"version";
    cli.verb = find_verb(argv[1]);
    if (!cli.verb)
        return unknown_verb(argv[1]);
    for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (is_help(argv[i])) {
            cli_help(cli.verb);
            return EXIT_SUCCESS;
        }
    code = parse(&cli, argc - 2, argv + 2);
    if (code != EXIT_SUCCESS)
        return code;
    code = cli.verb->run(&cli);
    if (fflush(stdout) != 0 && code == EXIT_SUCCESS)
        return cli_fail(&cli, EX_IOERR, "cannot write: %s", strerror(errno));
    return code;
}
