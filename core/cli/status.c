/* SPDX-License-Identifier: Apache-2.0 */
/* quern status: what the daemon does now, asked of its admin server. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <jansson.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/fetch.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "config/settings.h"

static json_int_t number(json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

static const char *text(json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));

    return value ? value : "";
}

static json_int_t lag_of(json_t *pipeline)
{
    json_int_t sum = 0;
    json_t *part;
    size_t i;

    json_array_foreach(json_object_get(pipeline, "partitions"), i, part)
        sum += number(part, "lag");
    return sum;
}

static void print_pipelines(json_t *pipelines)
{
    static const char *const heads[] = {"PIPELINE", "STATE", "PLUGIN", ">OK", ">SKIP", ">DEAD",
                                        ">RETRIES", ">IN FLIGHT", ">WAITING", ">LAG", "NOTE"};
    struct table t;
    json_t *pl;
    size_t i;

    table_init(&t, heads, sizeof heads / sizeof heads[0]);
    json_array_foreach(pipelines, i, pl) {
        json_t *counters = json_object_get(pl, "counters"), *plugin = json_object_get(pl, "plugin");

        table_add(&t, "%s", text(pl, "name"));
        table_add(&t, "%s", text(pl, "state"));
        table_add(&t, "%s %s", text(plugin, "name"), text(plugin, "version"));
        table_add(&t, "%lld", (long long)number(counters, "ok"));
        table_add(&t, "%lld", (long long)number(counters, "skip"));
        table_add(&t, "%lld", (long long)number(counters, "dead"));
        table_add(&t, "%lld", (long long)number(counters, "retries"));
        table_add(&t, "%lld", (long long)number(pl, "in_flight"));
        table_add(&t, "%lld", (long long)number(pl, "waiting"));
        table_add(&t, "%lld", (long long)lag_of(pl));
        table_add(&t, "%s", text(pl, "reason"));
    }
    table_print(&t, stdout);
    table_done(&t);
}

static void add_worker(struct table *t, json_t *pl, json_t *w)
{
    json_t *job = json_object_get(w, "job");

    table_add(t, "%s", text(pl, "name"));
    if (number(w, "number"))
        table_add(t, "%lld", (long long)number(w, "number"));
    else
        table_add(t, "quarantine");
    table_add(t, "%lld", (long long)number(w, "pid"));
    table_add(t, "%s", text(w, "state"));
    table_add(t, "%lld", (long long)number(w, "jobs"));
    table_add(t, "%lld", (long long)number(w, "in_flight"));
    if (job)
        table_add(t, "%s/%lld/%lld for %lld ms", text(job, "topic"),
                  (long long)number(job, "partition"), (long long)number(job, "offset"),
                  (long long)number(job, "running_ms"));
    else
        table_add(t, "-");
}

static void print_workers(json_t *pipelines)
{
    static const char *const heads[] = {"PIPELINE", "WORKER", ">PID", "STATE", ">JOBS", ">QUEUED",
                                        "RUNS"};
    struct table t;
    json_t *pl, *w;
    size_t i, k;

    table_init(&t, heads, sizeof heads / sizeof heads[0]);
    json_array_foreach(pipelines, i, pl)
        json_array_foreach(json_object_get(pl, "workers"), k, w)
            add_worker(&t, pl, w);
    table_print(&t, stdout);
    table_done(&t);
}

static void print_tables(json_t *root)
{
    char up[32];

    text_format_duration_ms(number(root, "uptime_ms") / 1000 * 1000, up);
    printf("quern %s, pid %lld, up %s, %s%s\n\n", text(root, "version"),
           (long long)number(root, "pid"), up,
           json_is_true(json_object_get(root, "ready")) ? "ready" : "not ready: ",
           text(root, "reason"));
    print_pipelines(json_object_get(root, "pipelines"));
    printf("\n");
    print_workers(json_object_get(root, "pipelines"));
}

static int show(struct cli *cli, const char *host, uint16_t port, int timeout_ms, int json)
{
    struct buf body = BUF_INIT;
    json_t *root = NULL;
    int status = 0, code = EXIT_SUCCESS;
    int err = fetch(host, port, "/api/v1/status", timeout_ms, &body, &status);

    if (err)
        code = cli_fail(cli, EX_UNAVAILABLE, "no daemon answers at %s:%u: is `quern run` up, with "
                                             "this admin.listen?",
                        host, port);
    else if (status != 200)
        code = cli_fail(cli, EX_PROTOCOL, "%s:%u answered %d", host, port, status);
    else if (json)
        fputs(buf_text(&body), stdout);
    else if (!(root = json_loadb(body.data ? body.data : "", body.len, 0, NULL)))
        code = cli_fail(cli, EX_PROTOCOL, "%s:%u does not speak Quern's language", host, port);
    else
        print_tables(root);
    json_decref(root);
    buf_done(&body);
    return code;
}

static int parse_address(struct cli *cli, const char *text_, char *host, size_t size,
                         uint16_t *ret_port)
{
    const char *from = strncmp(text_, "http://", 7) == 0 ? text_ + 7 : text_;
    const char *colon = strrchr(from, ':');
    char port[16];
    int64_t n;

    snprintf(port, sizeof port, "%.*s", colon ? (int)strcspn(colon + 1, "/") : 0,
             colon ? colon + 1 : "");
    if (!colon || colon == from || (size_t)(colon - from) >= size || text_parse_int(port, &n) != 0 ||
        n < 1 || n > 65535)
        return cli_usage(cli, "--url: \"%s\" is not http://host:port", text_);
    snprintf(host, size, "%.*s", (int)(colon - from), from);
    *ret_port = (uint16_t)n;
    return EXIT_SUCCESS;
}

static int find_daemon(struct cli *cli, char *host, size_t size, uint16_t *ret_port)
{
    const char *url = cli_option(cli, "url");
    struct settings *s;
    int code;

    if (url)
        return parse_address(cli, url, host, size, ret_port);
    code = cli_settings(cli, &s);
    if (code != EXIT_SUCCESS)
        return code;
    if (!s->admin.enabled || s->admin.port == 0)
        code = cli_fail(cli, EX_UNAVAILABLE, "no daemon can be asked: admin.listen in %s names no port; "
                                             "give --url http://host:port",
                        cli_config_path(cli));
    snprintf(host, size, "%s", s->admin.enabled ? s->admin.host : "");
    *ret_port = s->admin.port;
    settings_free(s);
    return code;
}

static int run(struct cli *cli)
{
    int64_t timeout_ms = cli_timeout_ms(cli);
    int json = cli_json(cli), code;
    char host[256];
    uint16_t port = 0;

    if (json < 0 || timeout_ms < 0)
        return EX_USAGE;
    if (cli->argc > 0)
        return cli_usage(cli, "takes no arguments");
    code = find_daemon(cli, host, sizeof host, &port);
    if (code != EXIT_SUCCESS)
        return code;
    for (;;) {
        bool watch = cli_option(cli, "watch") != NULL;

        if (watch && isatty(STDOUT_FILENO))
            printf("\033[H\033[J");
        code = show(cli, host, port, (int)timeout_ms, json);
        if (!watch || code != EXIT_SUCCESS)
            return code;
        fflush(stdout);
        sleep(1);
    }
}

const struct verb verb_status = {
    .name = "status",
    .summary = "what the daemon does now: pipelines, workers, jobs",
    .usage = "[-c FILE | --url URL] [-o table|json] [--watch]",
    .examples = "quern status\nquern status --url http://127.0.0.1:8686 -o json\nquern status --watch",
    .options = (const struct verb_option[]){VERB_OPTION_CONFIG,
                                            {"url", 'u', "URL", "http://host:port of its admin server"},
                                            {"watch", 'w', NULL, "again each second, until Ctrl-C"},
                                            VERB_OPTION_OUTPUT, VERB_OPTION_TIMEOUT,
                                            VERB_OPTIONS_END},
    .run = run,
};
