/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quern check: all that is wrong with the settings, in one run: the files, the plugins they name, the
 * plugins' own settings. Starts nothing and asks no broker.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "base/buf.h"
#include "cli/cli.h"
#include "cli/verbs.h"
#include "config/options.h"
#include "config/settings.h"
#include "worker/descriptor.h"

#define DESCRIBE_TIMEOUT_MS 10000

static void check_pipeline(const struct settings *s, const struct settings_pipeline *pl,
                           struct problems *ps)
{
    struct buf error = BUF_INIT;
    struct descriptor *d = NULL;
    size_t before = ps->errors;
    char *path = NULL;

    if (plugin_find(pl->plugin, s->plugin_dirs, &error, &path) != 0 ||
        descriptor_load(s->worker, path, DESCRIBE_TIMEOUT_MS, &error, &d) != 0) {
        problems_add(ps, SEVERITY_ERROR, pl->plugin_place.file, pl->plugin_place.line,
                     "pipelines.%s.plugin: %s", pl->name, buf_text(&error));
    } else {
        options_check(d->options, d->option_count, pl, ps);
        if (ps->errors == before &&
            descriptor_check(s->worker, pl, path, DESCRIBE_TIMEOUT_MS, &error) != 0)
            problems_add(ps, SEVERITY_ERROR, pl->settings_place.file ? pl->settings_place.file : pl->place.file,
                         pl->settings_place.file ? pl->settings_place.line : pl->place.line,
                         "pipelines.%s.settings: %s", pl->name, buf_text(&error));
    }
    descriptor_free(d);
    free(path);
    buf_done(&error);
}

static void print_json(struct problems *ps)
{
    struct buf out = BUF_INIT;

    buf_printf(&out, "{\"ok\":%s,\"problems\":", ps->errors ? "false" : "true");
    problems_json(ps, &out);
    buf_str(&out, "}\n");
    fputs(buf_text(&out), stdout);
    buf_done(&out);
}

static int run(struct cli *cli)
{
    struct settings *s = NULL;
    struct problems ps = {0};
    int json = cli_json(cli), code = EXIT_SUCCESS, err;

    if (json < 0 || cli->argc > 0)
        return json < 0 ? EX_USAGE : cli_usage(cli, "takes no arguments");
    err = settings_load(cli_config_path(cli), &ps, &s);
    for (size_t i = 0; s && i < s->pipeline_count; i++)
        check_pipeline(s, &s->pipelines[i], &ps);
    if (err == -ENOENT)
        code = EX_NOINPUT;
    else if (err == -EACCES)
        code = EX_NOPERM;
    else if (ps.errors)
        code = EX_CONFIG;
    if (json)
        print_json(&ps);
    else
        problems_print(&ps, stderr);
    if (!json && code == EXIT_SUCCESS)
        printf("%s: well, %zu pipeline%s\n", s->path, s->pipeline_count,
               s->pipeline_count == 1 ? "" : "s");
    else if (!json)
        fprintf(stderr, "%zu error%s\n", ps.errors, ps.errors == 1 ? "" : "s");
    problems_done(&ps);
    settings_free(s);
    return code;
}

const struct verb verb_check = {
    .name = "check",
    .summary = "tell all that is wrong with the settings, with file and line",
    .usage = "[-c FILE] [-o table|json]",
    .examples = "quern check\nquern check -c ./quern.conf && quern run -c ./quern.conf",
    .about = "Reads the files, looks at the plugins they name and checks the plugins' own settings.\n"
             "Starts nothing, asks no broker. Exit code 0: well; 78: something is wrong.",
    .options =
        (const struct verb_option[]){VERB_OPTION_CONFIG, VERB_OPTION_OUTPUT, VERB_OPTIONS_END},
    .run = run,
};
