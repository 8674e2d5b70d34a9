/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting a worker: posix_spawn, which costs the same however large the core is, and exec, so that
 * nothing of the core's memory goes along. The child gets exactly the descriptors of enum channel_fd
 * and the log pipe; all others are closed before it runs. Its environment is made, not inherited.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "worker/lane.h"
#include "worker/spec.h"

/* Above all fds that the child shall have, so that no dup2 overwrites the source of a later one. */
#define FD_FLOOR 32

struct child_fds {
    int memory, jobs, results, pass, spec, log;
};

char *const *worker_environment(void)
{
    /* What a library needs to behave, what a sanitizer build is told, and where its parts are. */
    static const char *const passed[] = {"TZ",           "ASAN_OPTIONS",    "UBSAN_OPTIONS",
                                         "LSAN_OPTIONS", "LD_LIBRARY_PATH", "MALLOC_ARENA_MAX"};
    static char *env[16];
    size_t n = 0;

    if (env[0])
        return env;
    env[n++] = (char *)"PATH=/usr/local/bin:/usr/bin:/bin";
    env[n++] = (char *)"LANG=C.UTF-8";
    env[n++] = (char *)"HOME=/";
    for (size_t i = 0; i < sizeof passed / sizeof passed[0]; i++)
        if (getenv(passed[i]))
            env[n++] = xasprintf("%s=%s", passed[i], getenv(passed[i]));
    return env;
}

static int raise_fd(int fd)
{
    int high;

    if (fd < 0)
        return -errno;
    high = fcntl(fd, F_DUPFD_CLOEXEC, FD_FLOOR);
    if (high < 0)
        high = -errno;
    close(fd);
    return high;
}

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

static int make_spec(const struct settings_pipeline *pl, const char *plugin_path, uint32_t number)
{
    struct buf b = BUF_INIT;
    int fd;

    spec_write(&b, pl, plugin_path, number);
    fd = b.failed ? -ENOMEM : sealed_memfd("quern-spec", b.data, b.len);
    if (b.data)
        explicit_bzero(b.data, b.cap); /* plugin settings may be secrets */
    buf_done(&b);
    return fd;
}

static int make_pair(bool pipe_pair, int *ret_ours, int *ret_theirs)
{
    int fds[2];

    if (pipe_pair ? pipe2(fds, O_CLOEXEC)
                  : socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds))
        return -errno;
    if (pipe_pair)
        (void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
    *ret_ours = raise_fd(fds[0]);
    *ret_theirs = raise_fd(fds[1]);
    return *ret_ours < 0 ? *ret_ours : *ret_theirs < 0 ? *ret_theirs : 0;
}

static int prepare(posix_spawn_file_actions_t *actions, posix_spawnattr_t *attr,
                   const struct child_fds *fds)
{
    const int moves[][2] = {
        {fds->log, STDOUT_FILENO},           {fds->log, STDERR_FILENO},
        {fds->memory, CHANNEL_FD_MEMORY},    {fds->jobs, CHANNEL_FD_JOBS},
        {fds->results, CHANNEL_FD_RESULTS},  {fds->pass, CHANNEL_FD_PASS},
        {fds->spec, CHANNEL_FD_SPEC},
    };
    sigset_t none, defaults;
    int err = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

    for (size_t i = 0; !err && i < sizeof moves / sizeof moves[0]; i++)
        err = posix_spawn_file_actions_adddup2(actions, moves[i][0], moves[i][1]);
    if (!err)
        err = posix_spawn_file_actions_addclosefrom_np(actions, CHANNEL_FD_END);
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    sigaddset(&defaults, SIGCHLD);
    sigaddset(&defaults, SIGTERM);
    sigaddset(&defaults, SIGINT);
    sigaddset(&defaults, SIGHUP);
    posix_spawnattr_setsigmask(attr, &none);
    posix_spawnattr_setsigdefault(attr, &defaults);
    /* A group of its own: Ctrl-C in a terminal is for the core, which drains its workers. */
    posix_spawnattr_setpgroup(attr, 0);
    posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                       POSIX_SPAWN_SETPGROUP);
    return err;
}

static int spawn(const char *path, const char *pipeline, const struct child_fds *fds,
                 pid_t *ret_pid)
{
    char *argv[] = {(char *)path, (char *)"--serve", (char *)pipeline, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    int err;

    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attr);
    err = prepare(&actions, &attr, fds);
    if (!err)
        err = posix_spawn(ret_pid, path, &actions, &attr, argv, worker_environment());
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    return -err;
}

int worker_spawn(const struct settings *settings, const struct settings_pipeline *pl,
                 const char *plugin_path, uint32_t number, const struct channel *channel,
                 struct spawned *ret)
{
    struct child_fds child = {-1, -1, -1, -1, -1, -1};
    int err;

    *ret = (struct spawned){0, -1, -1, -1, -1, -1};
    ret->job_fd = raise_fd(eventfd(0, EFD_CLOEXEC));
    ret->result_fd = raise_fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    err = make_pair(false, &ret->pass_fd, &child.pass);
    if (!err)
        err = make_pair(true, &ret->log_fd, &child.log);
    child.spec = raise_fd(make_spec(pl, plugin_path, number));
    child.memory = fcntl(channel->fd, F_DUPFD_CLOEXEC, FD_FLOOR);
    child.jobs = ret->job_fd;
    child.results = ret->result_fd;
    if (!err && (ret->job_fd < 0 || ret->result_fd < 0 || child.spec < 0 || child.memory < 0))
        err = -EMFILE;
    if (!err)
        err = spawn(settings->worker, pl->name, &child, &ret->pid);
    if (!err) {
        ret->pidfd = (int)syscall(SYS_pidfd_open, ret->pid, 0);
        if (ret->pidfd < 0) {
            err = -errno;
            kill(ret->pid, SIGKILL); /* ours and not reaped: the pid is still its own */
        }
    }
    close_fd(child.pass);
    close_fd(child.log);
    close_fd(child.spec);
    close_fd(child.memory);
    if (err) {
        close_fd(ret->job_fd);
        close_fd(ret->result_fd);
        close_fd(ret->pass_fd);
        close_fd(ret->log_fd);
    }
    return err;
}
