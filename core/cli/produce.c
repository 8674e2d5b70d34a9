/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quern produce: puts records on a topic and tells where each landed, once the brokers have it.
 *
 * The value comes from the argument, a file or stdin; with --lines each line is a record of its
 * own.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "cli/cli.h"
#include "cli/verbs.h"
#include "config/settings.h"
#include "kafka/submit.h"

#define VALUE_LIMIT (256 << 20)

struct produce {
    const struct cli *cli;
    const char *topic, *key;
    struct submit *sub;
    struct submit_header headers[CLI_OPTIONS_MAX];
    char *names[CLI_OPTIONS_MAX];
    size_t header_count;
    bool json;
    uint64_t good, bad;
};

static void on_landed(void *data, int32_t partition, int64_t offset, const char *text)
{
    struct produce *pr = data;

    if (text) {
        pr->bad++;
        fprintf(stderr, "quern produce: not delivered: %s\n", text);
        return;
    }
    pr->good++;
    if (pr->json)
        printf("{\"topic\":\"%s\",\"partition\":%" PRId32 ",\"offset\":%" PRId64 "}\n", pr->topic,
               partition, offset);
    else
        printf("%s/%" PRId32 "/%" PRId64 "\n", pr->topic, partition, offset);
}

static int send_failed(const struct produce *pr, int err)
{
    switch (err) {
    case -ENOENT:
        return cli_fail(pr->cli, EX_NOINPUT, "there is no topic \"%s\"", pr->topic);
    case -EMSGSIZE:
        return cli_fail(pr->cli, EX_DATAERR, "the record is larger than message.max.bytes");
    case -EACCES:
        return cli_fail(pr->cli, EX_NOPERM, "not authorised to write to \"%s\"", pr->topic);
    case -ETIMEDOUT:
        return cli_fail(pr->cli, EX_UNAVAILABLE, "no broker took the record in time");
    default: /* errno has no end */
        return cli_fail(pr->cli, EX_IOERR, "the record cannot be sent: %s", strerror(-err));
    }
}

static int send_one(struct produce *pr, const char *value, size_t len)
{
    int err = submit_record(pr->sub, pr->topic, pr->key, pr->key ? strlen(pr->key) : 0, value, len,
                            pr->headers, pr->header_count);

    return err ? send_failed(pr, err) : EXIT_SUCCESS;
}

static int send_lines(struct produce *pr, FILE *in)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t len;
    int code = EXIT_SUCCESS;

    while (code == EXIT_SUCCESS && (len = getline(&line, &size, in)) >= 0) {
        if (len > 0 && line[len - 1] == '\n')
            len--;
        code = send_one(pr, line, (size_t)len);
    }
    free(line);
    if (code == EXIT_SUCCESS && ferror(in))
        return cli_fail(pr->cli, EX_IOERR, "cannot read: %s", strerror(errno));
    return code;
}

static int send_whole(struct produce *pr, FILE *in)
{
    struct buf value = BUF_INIT;
    char chunk[65536];
    size_t got;
    int code;

    value.limit = VALUE_LIMIT;
    while ((got = fread(chunk, 1, sizeof chunk, in)) > 0)
        buf_add(&value, chunk, got);
    if (ferror(in))
        code = cli_fail(pr->cli, EX_IOERR, "cannot read: %s", strerror(errno));
    else if (value.failed)
        code = cli_fail(pr->cli, EX_DATAERR, "the value is too large");
    else
        code = send_one(pr, value.data ? value.data : "", value.len);
    buf_done(&value);
    return code;
}

static int send_all(struct produce *pr)
{
    const char *path = cli_option(pr->cli, "file");
    bool lines = cli_option(pr->cli, "lines") != NULL;
    FILE *in = stdin;
    int code;

    if (pr->cli->argc == 2)
        return send_one(pr, pr->cli->argv[1], strlen(pr->cli->argv[1]));
    if (path && strcmp(path, "-") != 0) {
        in = fopen(path, "re");
        if (!in)
            return cli_fail(pr->cli, EX_NOINPUT, "cannot read %s: %s", path, strerror(errno));
    }
    code = lines ? send_lines(pr, in) : send_whole(pr, in);
    if (in != stdin)
        fclose(in);
    return code;
}

static int take_headers(struct produce *pr)
{
    const char *given;

    for (size_t i = 0; (given = cli_option_at(pr->cli, "header", i)); i++) {
        const char *equals = strchr(given, '=');

        if (!equals || equals == given || !text_is_clean(given, (size_t)(equals - given)))
            return cli_usage(pr->cli, "--header: \"%s\" is not name=value", given);
        pr->names[i] = xstrndup(given, (size_t)(equals - given));
        pr->headers[i] = (struct submit_header){pr->names[i], equals + 1};
        pr->header_count++;
    }
    return EXIT_SUCCESS;
}

static int send_and_wait(struct produce *pr, const struct settings_kafka *kafka, int64_t timeout_ms)
{
    char error[256] = "";
    int code;

    pr->sub = submit_new(kafka, (int)timeout_ms, on_landed, pr, error, sizeof error);
    if (!pr->sub)
        return cli_fail(pr->cli, EX_CONFIG, "%s", error);
    code = send_all(pr);
    if (submit_wait(pr->sub) != 0 && code == EXIT_SUCCESS)
        code = cli_fail(pr->cli, EX_UNAVAILABLE, "the brokers at %s did not acknowledge in time",
                        kafka->brokers);
    submit_free(pr->sub);
    if (code == EXIT_SUCCESS && pr->bad)
        code = EX_UNAVAILABLE;
    return code;
}

static int run(struct cli *cli)
{
    struct produce pr = {.cli = cli, .key = cli_option(cli, "key")};
    const char *brokers = cli_option(cli, "brokers");
    struct settings_kafka plain = {.brokers = (char *)(uintptr_t)brokers,
                                   .client_id = (char[]){"quern-produce"}};
    struct settings *s = NULL;
    int64_t timeout_ms = cli_timeout_ms(cli);
    int json = cli_json(cli), code;

    if (timeout_ms < 0 || json < 0)
        return EX_USAGE;
    if (cli->argc < 1 || cli->argc > 2 || (cli->argc == 2 && cli_option(cli, "file")))
        return cli_usage(cli, "takes a topic, and a value or --file");
    if (cli->argc == 1 && !cli_option(cli, "file") && isatty(STDIN_FILENO))
        return cli_usage(cli, "needs a value: as an argument, with --file, or on stdin");
    pr.topic = cli->argv[0];
    pr.json = json > 0;
    if (!text_is_clean(pr.topic, strlen(pr.topic)) || strpbrk(pr.topic, "\"\\/ "))
        return cli_usage(cli, "\"%s\" is not a name that a topic can have", pr.topic);
    log_setup(LOG_ERROR, LOG_TEXT, STDERR_FILENO);
    code = take_headers(&pr);
    if (code == EXIT_SUCCESS && !brokers)
        code = cli_settings(cli, &s);
    if (code == EXIT_SUCCESS)
        code = send_and_wait(&pr, s ? &s->kafka : &plain, timeout_ms);
    for (size_t i = 0; i < CLI_OPTIONS_MAX; i++)
        free(pr.names[i]);
    settings_free(s);
    return code;
}

const struct verb verb_produce = {
    .name = "produce",
    .summary = "put a record on a topic",
    .usage = "TOPIC [VALUE] [-f FILE] [--lines] [-k KEY] [-H NAME=VALUE]... [-c FILE | -b BROKERS]",
    .examples = "quern produce thumbnail-generation '{\"source\":\"file:///srv/in/a.jpg\"}'\n"
                "quern produce orders -k customer-7 -H trace=abc -f order.json\n"
                "quern produce orders -b 127.0.0.1:9092 --lines < orders.ndjson",
    .about = "Prints TOPIC/PARTITION/OFFSET of each record once the brokers have acknowledged it.\n"
             "The key decides the partition as it does for Java producers (murmur2).\n"
             "Exit code 69: no broker took it in time; it may or may not be there.",
    .options =
        (const struct verb_option[]){
            VERB_OPTION_CONFIG,
            {"brokers", 'b', "HOST:PORT,...", "these brokers, without any settings"},
            {"key", 'k', "KEY", "the record's key"},
            {"header", 'H', "NAME=VALUE", "a header; may be repeated"},
            {"file", 'f', "FILE", "the value is in this file; -: stdin"},
            {"lines", 0, NULL, "each line is a record"},
            VERB_OPTION_OUTPUT,
            VERB_OPTION_TIMEOUT,
            VERB_OPTIONS_END},
    .run = run,
};
