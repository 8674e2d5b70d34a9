/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quern lag: how far the consumer groups are behind, asked from the brokers. Right also when no
 * engine runs; `quern status` tells what a running one thinks.
 */
#include "kafka/lag.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "config/settings.h"

static const char *const heads[] = {"PIPELINE",   "TOPIC", ">PARTITION",
                                    ">COMMITTED", ">END",  ">LAG"};

static int exit_code(int err)
{
    if (err == -ENOENT)
        return EX_NOINPUT;
    if (err == -EACCES)
        return EX_NOPERM;
    return err == -EINVAL ? EX_CONFIG : EX_UNAVAILABLE;
}

static void add_rows(struct table *t, const struct settings_pipeline *pl, const struct lag *rows,
                     size_t count)
{
    for (size_t i = 0; i < count; i++) {
        table_add(t, "%s", pl->name);
        table_add(t, "%s", pl->topics[rows[i].topic]);
        table_add(t, "%" PRId32, rows[i].partition);
        if (rows[i].committed < 0)
            table_add(t, "-");
        else
            table_add(t, "%" PRId64, rows[i].committed);
        table_add(t, "%" PRId64, rows[i].end);
        table_add(t, "%" PRId64, lag_records(&rows[i], pl->start));
    }
}

static void add_json(struct buf *out, const struct settings_pipeline *pl, const struct lag *rows,
                     size_t count)
{
    for (size_t i = 0; i < count; i++) {
        buf_str(out, out->len > 1 ? ",\n{\"pipeline\":" : "{\"pipeline\":");
        buf_json_str(out, pl->name, strlen(pl->name));
        buf_str(out, ",\"group\":");
        buf_json_str(out, pl->group, strlen(pl->group));
        buf_str(out, ",\"topic\":");
        buf_json_str(out, pl->topics[rows[i].topic], strlen(pl->topics[rows[i].topic]));
        buf_printf(out, ",\"partition\":%" PRId32 ",\"committed\":", rows[i].partition);
        if (rows[i].committed < 0)
            buf_str(out, "null");
        else
            buf_printf(out, "%" PRId64, rows[i].committed);
        buf_printf(out, ",\"end\":%" PRId64 ",\"lag\":%" PRId64 "}", rows[i].end,
                   lag_records(&rows[i], pl->start));
    }
}

/* All of them, or those named by the argument. */
static int read_all(const struct cli *cli, const struct settings *s, int64_t timeout_ms,
                    struct table *table, struct buf *json)
{
    bool found = false;

    for (size_t i = 0; i < s->pipeline_count; i++) {
        const struct settings_pipeline *pl = &s->pipelines[i];
        struct lag *rows = NULL;
        size_t count = 0;
        char error[256] = "";
        int err;

        if (cli->argc > 0 && strcmp(cli->argv[0], pl->name) != 0)
            continue;
        found = true;
        err = lag_read(&s->kafka, pl, (int)timeout_ms, &rows, &count, error, sizeof error);
        if (!err && json)
            add_json(json, pl, rows, count);
        else if (!err)
            add_rows(table, pl, rows, count);
        free(rows);
        if (err)
            return cli_fail(cli, exit_code(err), "pipeline %s: %s", pl->name, error);
    }
    if (!found && cli->argc > 0)
        return cli_fail(cli, EX_USAGE, "the settings have no pipeline \"%s\"", cli->argv[0]);
    return EXIT_SUCCESS;
}

static int run(struct cli *cli)
{
    int json = cli_json(cli), code;
    int64_t timeout_ms = cli_timeout_ms(cli);
    struct settings *s = NULL;
    struct buf out = BUF_INIT;
    struct table table;

    if (json < 0 || timeout_ms < 0)
        return EX_USAGE;
    if (cli->argc > 1)
        return cli_usage(cli, "takes one pipeline at most");
    code = cli_settings(cli, &s);
    if (code != EXIT_SUCCESS)
        return code;
    log_setup(LOG_ERROR, LOG_TEXT, STDERR_FILENO);
    table_init(&table, heads, sizeof heads / sizeof *heads);
    buf_char(&out, '[');
    code = read_all(cli, s, timeout_ms, &table, json ? &out : NULL);
    buf_str(&out, "]\n");
    if (code == EXIT_SUCCESS && json)
        fputs(buf_text(&out), stdout);
    else if (code == EXIT_SUCCESS)
        table_print(&table, stdout);
    table_done(&table);
    buf_done(&out);
    settings_free(s);
    return code;
}

const struct verb verb_lag = {
    .name = "lag",
    .summary = "how far the consumer groups are behind",
    .usage = "[PIPELINE] [-c FILE] [-o table|json] [--timeout DURATION]",
    .examples = "quern lag\nquern lag thumbnail -o json | jq 'map(.lag) | add'",
    .about = "Asks the brokers, so it is right also when no engine runs. COMMITTED is the next "
             "offset the\n"
             "group will read, \"-\" when it has committed none; LAG counts from there (or from "
             "where a new\n"
             "group starts) to the end. Exit code 69: no broker answered in time.",
    .options = (const struct verb_option[]){VERB_OPTION_CONFIG, VERB_OPTION_OUTPUT,
                                            VERB_OPTION_TIMEOUT, VERB_OPTIONS_END},
    .run = run,
};
