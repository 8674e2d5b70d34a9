/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quern exec: one job through one plugin, here and now, without Kafka: for whoever writes a plugin.
 *
 * quern itself never loads a plugin; this process becomes quern-worker, in the foreground and with
 * the same terminal, so that Ctrl-C, a debugger and valgrind work as with any program.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/xalloc.h"
#include "cli/cli.h"
#include "cli/plugins.h"
#include "cli/verbs.h"
#include "worker/descriptor.h"

struct args {
    char *list[2 * CLI_OPTIONS_MAX + 16];
    size_t count;
};

static void add(struct args *a, const char *name, const char *value)
{
    if (!value)
        return;
    a->list[a->count++] = (char *)(uintptr_t)name;
    a->list[a->count++] = (char *)(uintptr_t)value;
}

static void collect(struct args *a, const struct cli *cli, char *worker, char *path)
{
    const char *value;

    add(a, worker, "--exec");
    a->list[a->count++] = path;
    add(a, "--job", cli_option(cli, "job"));
    add(a, "--key", cli_option(cli, "key"));
    add(a, "--attempt", cli_option(cli, "attempt"));
    for (size_t i = 0; (value = cli_option_at(cli, "header", i)); i++)
        add(a, "--header", value);
    for (size_t i = 0; (value = cli_option_at(cli, "set", i)); i++)
        add(a, "--set", value);
}

static int become_worker(const struct cli *cli, const struct plugins *p, int json)
{
    int64_t deadline_ms = cli_option(cli, "timeout") ? cli_timeout_ms(cli) : 30000;
    char *deadline = xasprintf("%lld", (long long)deadline_ms);
    struct buf error = BUF_INIT;
    struct args args = {.count = 0};
    char *path = NULL;
    int code = EX_USAGE;

    if (deadline_ms > 0 && plugin_find(cli->argv[0], p->dirs, &error, &path) != 0) {
        code = cli_fail(cli, EX_NOINPUT, "%s", buf_text(&error));
    } else if (deadline_ms > 0) {
        collect(&args, cli, p->worker, path);
        add(&args, "--deadline-ms", deadline);
        if (json)
            args.list[args.count++] = (char *)(uintptr_t) "--json";
        args.list[args.count] = NULL;
        execv(p->worker, args.list);
        code = cli_fail(cli, EX_OSFILE, "%s cannot be run: %s", p->worker, strerror(errno));
    }
    free(deadline);
    free(path);
    buf_done(&error);
    return code;
}

static int run(struct cli *cli)
{
    struct plugins p;
    int json = cli_json(cli), code;

    if (json < 0)
        return EX_USAGE;
    if (cli->argc != 1)
        return cli_usage(cli, "takes one plugin: a name, or the path of a .so");
    if (!cli_option(cli, "job") && !cli_option(cli, "tombstone"))
        return cli_usage(cli, "needs --job FILE (-: stdin), or --tombstone for no body");
    code = plugins_init(&p, cli);
    if (code == EXIT_SUCCESS)
        code = become_worker(cli, &p, json);
    plugins_done(&p);
    return code;
}

const struct verb verb_exec = {
    .name = "exec",
    .summary = "run one job through a plugin, without Kafka",
    .usage = "PLUGIN|PATH --job FILE|- [-k KEY] [-H NAME=VALUE]... [--set NAME=VALUE]... [-o "
             "table|json]",
    .examples = "echo world | quern exec ./build/hello.so --job - --set greeting=hello\n"
                "quern exec thumbnail --job job.json --set sink_root=/tmp/out -o json",
    .about = "Prints the verdict, code and text, what was emitted and how long it took; log lines "
             "go to\n"
             "stderr. Exit code 0: OK or SKIP; 65: REJECT; 75: RETRY or DEFER; 70: FATAL; 78: the "
             "plugin\n"
             "refuses its settings. There is no sandbox here, and nobody kills a job that takes "
             "too long.\n"
             "\n"
             "With a debugger: the process becomes quern-worker, which loads the plugin.\n"
             "  gdb -ex 'set breakpoint pending on' -ex 'break hello_handle' -ex run \\\n"
             "      --args quern exec ./build/hello.so --job job.txt\n"
             "  valgrind --trace-children=yes --leak-check=full quern exec ./build/hello.so --job "
             "job.txt\n"
             "A list is written with commas: --set formats=jpeg,webp.",
    .options =
        (const struct verb_option[]){
            {"job", 'j', "FILE", "the body of the job; -: stdin"},
            {"tombstone", 0, NULL, "the job has no body"},
            {"key", 'k', "KEY", "the record's key"},
            {"header", 'H', "NAME=VALUE", "a header; may be repeated"},
            {"set", 's', "NAME=VALUE", "a setting of the plugin; may be repeated"},
            {"attempt", 0, "N", "which attempt it is; default: 1"},
            {"timeout", 0, "DURATION", "the job's deadline; default: 30s"},
            VERB_OPTION_CONFIG,
            VERB_OPTION_OUTPUT,
            VERB_OPTIONS_END},
    .run = run,
};
