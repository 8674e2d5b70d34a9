/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quern broker: the embedded broker, for the first five minutes, examples and quick tests.
 *
 * It says where it listens (stdout, a file or a descriptor) only once it does, so that whoever
 * started it can wait for that instead of guessing. --until-eof ties it to its parent: when the
 * other end of stdin is closed, by exit or by crash, it ends too.
 */
#include "kafka/broker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/log.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "cli/cli.h"
#include "cli/verbs.h"

static void on_end(evutil_socket_t fd, short what, void *data)
{
    (void)fd;
    (void)what;
    event_base_loopbreak(data);
}

static void on_stdin(evutil_socket_t fd, short what, void *data)
{
    char bytes[256];
    ssize_t got = read(fd, bytes, sizeof bytes);

    (void)what;
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        event_base_loopbreak(data);
}

static int make_topics(const struct cli *cli, struct broker *br)
{
    const char *given;

    for (size_t i = 0; (given = cli_option_at(cli, "topic", i)); i++) {
        const char *colon = strrchr(given, ':');
        int64_t partitions = 1;
        char *name;
        int err;

        if (colon && text_parse_int(colon + 1, &partitions) != 0)
            return cli_usage(cli, "--topic: \"%s\" is not NAME or NAME:PARTITIONS", given);
        if (partitions < 1 || partitions > 1000)
            return cli_usage(cli, "--topic: \"%s\" must have 1 to 1000 partitions", given);
        name = xstrndup(given, colon ? (size_t)(colon - given) : strlen(given));
        err = broker_topic(br, name, (int32_t)partitions);
        free(name);
        if (err && err != -EEXIST)
            return cli_fail(cli, EX_USAGE, "the topic \"%s\" cannot be made", given);
    }
    return EXIT_SUCCESS;
}

/* Whole or not at all, for readers that wait for the file. */
static int write_file(const struct cli *cli, const char *path, const char *address)
{
    char *tmp = xasprintf("%s.tmp", path);
    FILE *f = fopen(tmp, "we");
    bool good = f != NULL && fprintf(f, "%s\n", address) > 0;
    int err;

    if (f && fclose(f) != 0)
        good = false;
    good = good && rename(tmp, path) == 0;
    err = errno;
    free(tmp);
    return good ? EXIT_SUCCESS
                : cli_fail(cli, EX_CANTCREAT, "cannot write %s: %s", path, strerror(err));
}

static int announce(const struct cli *cli, const char *address)
{
    const char *path = cli_option(cli, "address-file"), *ready = cli_option(cli, "ready-fd");
    int64_t fd = -1;
    int code;

    if (ready && (text_parse_int(ready, &fd) != 0 || fd < 0 || fd > 65535))
        return cli_usage(cli, "--ready-fd: \"%s\" is not a descriptor", ready);
    fprintf(stderr,
            "This broker is for development only: it keeps everything in memory, forgets it\n"
            "when it ends, holds 5 MiB a partition and then drops the oldest records without\n"
            "a word, and listens on this machine only.\n");
    printf("%s\n", address);
    fflush(stdout);
    code = path ? write_file(cli, path, address) : EXIT_SUCCESS;
    if (code == EXIT_SUCCESS && ready) {
        if (dprintf((int)fd, "%s\n", address) < 0)
            return cli_fail(cli, EX_IOERR, "cannot write to --ready-fd %d: %s", (int)fd,
                            strerror(errno));
        close((int)fd);
    }
    return code;
}

static int serve(const struct cli *cli, struct broker *br)
{
    struct event_base *base;
    struct event_config *config = event_config_new();
    struct event *ends[3] = {NULL};
    int code = announce(cli, broker_address(br));

    /* poll, not epoll: stdin may be a plain file, which epoll refuses. */
    event_config_avoid_method(config, "epoll");
    base = event_base_new_with_config(config);
    event_config_free(config);
    if (!base)
        return cli_fail(cli, EX_OSERR, "no event loop");
    if (code == EXIT_SUCCESS) {
        ends[0] = evsignal_new(base, SIGTERM, on_end, base);
        ends[1] = evsignal_new(base, SIGINT, on_end, base);
        if (cli_option(cli, "until-eof"))
            ends[2] = event_new(base, STDIN_FILENO, EV_READ | EV_PERSIST, on_stdin, base);
        for (int i = 0; i < 3; i++)
            if (ends[i])
                event_add(ends[i], NULL);
        event_base_dispatch(base);
    }
    for (int i = 0; i < 3; i++)
        if (ends[i])
            event_free(ends[i]);
    event_base_free(base);
    return code;
}

static int run(struct cli *cli)
{
    char error[256] = "";
    struct broker *br;
    int code;

    if (cli->argc > 0)
        return cli_usage(cli, "takes no arguments");
    signal(SIGPIPE, SIG_IGN);
    log_setup(LOG_ERROR, LOG_TEXT, STDERR_FILENO);
    br = broker_new(error, sizeof error);
    if (!br)
        return cli_fail(cli, EX_UNAVAILABLE, "%s", error);
    code = make_topics(cli, br);
    if (code == EXIT_SUCCESS)
        code = serve(cli, br);
    broker_free(br);
    return code;
}

const struct verb verb_broker = {
    .name = "broker",
    .summary = "a small broker in memory, for development only",
    .usage = "[--topic NAME[:PARTITIONS]]... [--address-file FILE] [--ready-fd N] [--until-eof]",
    .examples =
        "quern broker\nquern broker --topic thumbnail-generation:4 --address-file broker.txt",
    .about =
        "Prints its address, for `brokers` in the settings (with `embedded = true`), and runs "
        "until\n"
        "SIGTERM or SIGINT. Listens on a free port of 127.0.0.1. Topics that clients name come "
        "into\n"
        "being by that, with 4 partitions. All is lost when it ends; a partition holds 5 MiB and "
        "then\n"
        "drops its oldest records without a word; rebalances take seconds. Never for production.",
    .options =
        (const struct verb_option[]){
            {"topic", 't', "NAME[:PARTITIONS]", "make this topic at the start; may be repeated"},
            {"address-file", 0, "FILE", "write the address there once it listens"},
            {"ready-fd", 0, "N", "write the address to this descriptor once it listens"},
            {"until-eof", 0, NULL, "end when stdin ends, as it does when the parent ends"},
            VERB_OPTIONS_END},
    .run = run,
};
