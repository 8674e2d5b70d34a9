/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quern run: the daemon. Settings, engine, admin, one loop, an orderly end.
 *
 * SIGTERM or SIGINT begins the end; a second one ends at once, which loses nothing either: what was not
 * committed runs again on the next owner. Errors at start are told all together and end in an exit code
 * of sysexits.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include <event2/event.h>

#include "admin/admin.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/verbs.h"
#include "config/settings.h"
#include "pipeline/engine.h"

#define EXIT_CUT_SHORT 2
#define EXIT_KILLED_TWICE 130

struct daemon {
    struct event_base *base;
    struct engine *engine;
    struct admin *admin;
    int exit_code;
    bool stopping;
};

/* sd_notify(3): one datagram to the supervisor, if there is one. */
static void notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    size_t len;
    int fd;

    if (!path || (path[0] != '/' && path[0] != '@'))
        return;
    len = strlen(path);
    if (len >= sizeof addr.sun_path)
        return;
    memcpy(addr.sun_path, path, len);
    if (addr.sun_path[0] == '@')
        addr.sun_path[0] = 0;
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&addr,
                  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
    close(fd);
}

static void on_ended(void *data, enum engine_end end)
{
    struct daemon *d = data;

    switch (end) {
    case ENGINE_DRAINED:
        d->exit_code = EXIT_SUCCESS;
        break;
    case ENGINE_CUT_SHORT:
        d->exit_code = EXIT_CUT_SHORT;
        break;
    case ENGINE_TOPICS_MISSING:
        fprintf(stderr, "quern: %s\n", engine_error(d->engine));
        d->exit_code = EX_CONFIG;
        break;
    case ENGINE_NOT_PERMITTED:
        fprintf(stderr, "quern: %s\n", engine_error(d->engine));
        d->exit_code = EX_NOPERM;
        break;
    }
    event_base_loopbreak(d->base);
}

static void on_signal(evutil_socket_t signum, short what, void *data)
{
    struct daemon *d = data;

    (void)what;
    if (d->stopping) {
        log_event(LOG_WARN, "engine.killed", "a second signal: ends at once",
                  LF_INT("signal", signum));
        d->exit_code = EXIT_KILLED_TWICE;
        event_base_loopbreak(d->base);
        return;
    }
    d->stopping = true;
    log_event(LOG_INFO, "engine.stopping", "asked to stop: drains what runs",
              LF_INT("signal", signum));
    notify("STOPPING=1");
    engine_stop(d->engine);
}

/* Secrets must not end in a core file, nor be read by a debugger of the same user. Off when the
 * operator wants a core file of a crash. */
static void protect_memory(void)
{
    const struct rlimit none = {0, 0};

    if (getenv("QUERN_ALLOW_CORE"))
        return;
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0);
}

static int write_port(const char *path, uint16_t port)
{
    char *tmp = NULL;
    FILE *f;
    int err = 0;

    if (asprintf(&tmp, "%s.tmp", path) < 0)
        return -ENOMEM;
    f = fopen(tmp, "we");
    if (!f)
        err = -errno;
    else if (fprintf(f, "%u\n", port) < 0 || fclose(f) != 0 || rename(tmp, path) != 0)
        err = -errno;
    free(tmp);
    return err;
}

static int start_admin(struct daemon *d, const struct settings *settings, const char *port_file)
{
    char error[256];
    int err;

    if (!settings->admin.enabled)
        return EXIT_SUCCESS;
    d->admin = admin_new(d->base, d->engine, &settings->admin, error, sizeof error);
    if (!d->admin) {
        fprintf(stderr, "quern: admin: %s\n", error);
        return EX_UNAVAILABLE;
    }
    err = port_file ? write_port(port_file, admin_port(d->admin)) : 0;
    if (err) {
        fprintf(stderr, "quern: cannot write %s: %s\n", port_file, strerror(-err));
        return EX_CANTCREAT;
    }
    return EXIT_SUCCESS;
}

static int run_engine(struct daemon *d, const struct settings *settings, const char *port_file)
{
    struct problems ps = {0};
    struct event *term, *interrupt;
    int code;

    d->engine = engine_new(d->base, settings, &ps, on_ended, d);
    problems_print(&ps, stderr);
    problems_done(&ps);
    if (!d->engine)
        return EX_CONFIG;
    code = start_admin(d, settings, port_file);
    if (code != EXIT_SUCCESS)
        return code;

    term = evsignal_new(d->base, SIGTERM, on_signal, d);
    interrupt = evsignal_new(d->base, SIGINT, on_signal, d);
    event_add(term, NULL);
    event_add(interrupt, NULL);
    log_event(LOG_INFO, "engine.started", "the mill turns", LF_STR("version", QUERN_VERSION),
              LF_INT("pipelines", settings->pipeline_count), LF_INT("pid", getpid()),
              LF_INT("admin_port", d->admin ? admin_port(d->admin) : 0));
    notify("READY=1");
    event_base_dispatch(d->base);
    event_free(term);
    event_free(interrupt);
    return d->exit_code;
}

static int run(struct cli *cli)
{
    const char *port_file = cli_option(cli, "admin-port-file");
    struct daemon d = {.exit_code = EX_SOFTWARE};
    struct settings *settings;
    int code = cli_settings(cli, &settings);

    if (code != EXIT_SUCCESS)
        return code;
    protect_memory();
    signal(SIGPIPE, SIG_IGN);
    log_setup(settings->log.level, settings->log.format, STDERR_FILENO);
    d.base = event_base_new();
    if (!d.base) {
        fprintf(stderr, "quern: no event loop: %s\n", strerror(errno));
        settings_free(settings);
        return EX_OSERR;
    }
    code = run_engine(&d, settings, port_file);
    admin_free(d.admin);
    engine_free(d.engine);
    event_base_free(d.base);
    log_event(LOG_INFO, "engine.ended", "the mill stands", LF_INT("exit_code", code));
    settings_free(settings);
    return code;
}

const struct verb verb_run = {
    .name = "run",
    .summary = "the engine: consume jobs and have them done, until SIGTERM",
    .usage = "[-c FILE] [--admin-port-file FILE]",
    .examples = "quern run\nquern run -c ./quern.conf",
    .about = "SIGTERM or SIGINT: no new jobs, what runs is finished, offsets are committed; exit code 0,\n"
             "or 2 when drain_timeout cut it short. A second signal ends it at once; nothing is lost\n"
             "by that either: what was not committed runs again.\n"
             "A broker that is away is waited for; missing topics and wrong settings are exit code 78.",
    .options = (const struct verb_option[]){VERB_OPTION_CONFIG,
                                            {"admin-port-file", 0, "FILE",
                                             "write the port of the admin server there once it listens"},
                                            VERB_OPTIONS_END},
    .run = run,
};
