/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/descriptor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>
#include <openssl/evp.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "worker/lane.h"
#include "worker/spec.h"

#define OUTPUT_MAX (1 << 20)

/* ---- Running quern-worker for its output ---- */

static int start(const char *worker, char *const *argv, int stdin_fd, int out_fd, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    int err;

    posix_spawn_file_actions_init(&actions);
    err = posix_spawn_file_actions_adddup2(&actions, stdin_fd, STDIN_FILENO);
    if (!err)
        err = posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO);
    if (!err)
        err = posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    if (!err)
        err = posix_spawn(ret_pid, worker, &actions, NULL, argv, worker_environment());
    posix_spawn_file_actions_destroy(&actions);
    return -err;
}

/* Reads to the end, or until the time is over (-ETIMEDOUT). */
static int read_all(int fd, int timeout_ms, struct buf *out)
{
    int64_t deadline_ns = clock_now_ns() + timeout_ms * NS_PER_MS;
    char data[4096];

    for (;;) {
        int64_t left_ms = (deadline_ns - clock_now_ns()) / NS_PER_MS;
        struct pollfd p = {.fd = fd, .events = POLLIN};
        ssize_t n;

        if (left_ms <= 0 || poll(&p, 1, (int)left_ms) == 0)
            return -ETIMEDOUT;
        n = read(fd, data, sizeof data);
        if (n == 0)
            return out->failed ? -EMSGSIZE : 0;
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0)
            buf_add(out, data, (size_t)n);
    }
}

/* stdin_fd is closed. 0 and the exit status, or a negative errno. */
static int run(const char *worker, char *const *argv, int stdin_fd, int timeout_ms,
               struct buf *out, int *ret_status)
{
    int fds[2], err;
    pid_t pid;

    if (stdin_fd < 0 || pipe2(fds, O_CLOEXEC) != 0) {
        err = stdin_fd < 0 ? stdin_fd : -errno;
        if (stdin_fd >= 0)
            close(stdin_fd);
        return err;
    }
    err = start(worker, argv, stdin_fd, fds[1], &pid);
    close(fds[1]);
    close(stdin_fd);
    if (!err) {
        err = read_all(fds[0], timeout_ms, out);
        if (err)
            kill(pid, SIGKILL);
        while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
            ;
    }
    close(fds[0]);
    return err;
}

/* ---- JSON, field by field ---- */

static char *text_of(json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? xstrdup(text) : NULL;
}

static bool number_of(json_t *object, const char *name, int64_t *ret)
{
    json_t *value = json_object_get(object, name);

    *ret = json_integer_value(value);
    return json_is_integer(value);
}

static bool parse_option(json_t *object, struct option *ret)
{
    int64_t type, flags, min, max;

    if (!json_is_object(object) || !number_of(object, "type", &type) ||
        !number_of(object, "flags", &flags) || !number_of(object, "min", &min) ||
        !number_of(object, "max", &max))
        return false;
    *ret = (struct option){.name = text_of(object, "name"),
                           .type = (int32_t)type,
                           .flags = (uint32_t)flags,
                           .fallback = text_of(object, "default"),
                           .choices = text_of(object, "choices"),
                           .min = min,
                           .max = max,
                           .help = text_of(object, "help")};
    if (ret->name && !ret->help)
        ret->help = xstrdup("");
    return ret->name != NULL;
}

static bool parse_options(json_t *array, struct descriptor *d)
{
    if (!json_is_array(array))
        return false;
    d->options = xcalloc(json_array_size(array) + 1, sizeof *d->options);
    for (size_t i = 0; i < json_array_size(array); i++) {
        d->option_count++;
        if (!parse_option(json_array_get(array, i), &d->options[i]))
            return false;
    }
    return true;
}

static bool parse_descriptor(json_t *object, struct descriptor *d)
{
    int64_t major, minor, min_minor, needs;

    if (!number_of(object, "abi_major", &major) || !number_of(object, "abi_minor", &minor) ||
        !number_of(object, "min_minor", &min_minor) || !number_of(object, "needs", &needs))
        return false;
    d->abi_major = (int)major;
    d->abi_minor = (int)minor;
    d->min_minor = (int)min_minor;
    d->needs = (uint32_t)needs;
    d->name = text_of(object, "name");
    d->version = text_of(object, "version");
    d->summary = text_of(object, "summary");
    d->build = text_of(object, "build");
    return d->name && d->version && d->summary && d->build &&
           parse_options(json_object_get(object, "options"), d);
}

static int parse(const char *path, struct buf *out, struct descriptor *d, struct buf *error)
{
    json_t *object = json_loadb(out->data ? out->data : "", out->len, JSON_REJECT_DUPLICATES, NULL);
    const char *text = json_string_value(json_object_get(object, "error"));
    int err = 0;

    if (text) {
        buf_str(error, text);
        err = -ENOEXEC;
    } else if (!json_is_object(object) || !parse_descriptor(object, d)) {
        buf_printf(error, "%s could not be described: it ended the worker that opened it", path);
        err = -ENOEXEC;
    }
    json_decref(object);
    return err;
}

/* ---- Hash ---- */

static char *hash_file(const char *path)
{
    unsigned char digest[EVP_MAX_MD_SIZE], data[8192];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    FILE *f = fopen(path, "re");
    unsigned len = 0;
    struct buf hex = BUF_INIT;
    size_t n;

    if (ctx && f && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL)) {
        while ((n = fread(data, 1, sizeof data, f)) > 0)
            EVP_DigestUpdate(ctx, data, n);
        if (!ferror(f))
            EVP_DigestFinal_ex(ctx, digest, &len);
    }
    for (unsigned i = 0; i < len; i++)
        buf_printf(&hex, "%02x", digest[i]);
    if (f)
        fclose(f);
    EVP_MD_CTX_free(ctx);
    return buf_steal(&hex);
}

int descriptor_load(const char *worker, const char *path, int timeout_ms, struct buf *error,
                    struct descriptor **ret)
{
    char *argv[] = {(char *)worker, (char *)"--describe", (char *)path, NULL};
    struct descriptor *d = xcalloc(1, sizeof *d);
    struct buf out;
    int status = 0, err;

    buf_init(&out, OUTPUT_MAX);
    d->path = xstrdup(path);
    err = run(worker, argv, open("/dev/null", O_RDONLY | O_CLOEXEC), timeout_ms, &out, &status);
    if (err == -ETIMEDOUT)
        buf_printf(error, "%s could not be described: opening it took longer than %d ms", path,
                   timeout_ms);
    else if (err)
        buf_printf(error, "%s cannot be run to look at plugins: %s", worker, strerror(-err));
    else
        err = parse(path, &out, d, error);
    buf_done(&out);
    if (err) {
        descriptor_free(d);
        return err;
    }
    d->sha256 = hash_file(path);
    *ret = d;
    return 0;
}

int descriptor_check(const char *worker, const struct settings_pipeline *pl, const char *path,
                     int timeout_ms, struct buf *error)
{
    char *argv[] = {(char *)worker, (char *)"--check", NULL};
    struct buf spec = BUF_INIT, out;
    int status = 0, err;

    buf_init(&out, OUTPUT_MAX);
    spec_write(&spec, pl, path, 0);
    err = run(worker, argv, sealed_memfd("quern-spec", spec.data, spec.len), timeout_ms, &out,
              &status);
    if (err) {
        buf_printf(error, "%s cannot be run to check settings: %s", worker, strerror(-err));
    } else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        size_t len = strcspn(buf_text(&out), "\n");

        buf_add(error, buf_text(&out), len);
        if (len == 0)
            buf_str(error, "the plugin ended the worker that checked its settings");
        err = -EINVAL;
    }
    buf_done(&spec);
    buf_done(&out);
    return err;
}

void descriptor_free(struct descriptor *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->option_count; i++) {
        free(d->options[i].name);
        free(d->options[i].fallback);
        free(d->options[i].choices);
        free(d->options[i].help);
    }
    free(d->options);
    free(d->path);
    free(d->name);
    free(d->version);
    free(d->summary);
    free(d->build);
    free(d->sha256);
    free(d);
}

/* ---- Finding ---- */

static void list_installed(char *const *dirs, const char *plugin, struct buf *error)
{
    char *names[256] = {NULL};
    size_t count = 0;
    const char *nearest;

    for (; *dirs; dirs++) {
        DIR *dir = opendir(*dirs);
        struct dirent *e;

        while (dir && (e = readdir(dir)) && count < 256) {
            size_t len = strlen(e->d_name);

            if (len > 3 && strcmp(e->d_name + len - 3, ".so") == 0)
                names[count++] = xstrndup(e->d_name, len - 3);
        }
        if (dir)
            closedir(dir);
    }
    nearest = text_nearest(plugin, (const char *const *)names, count);
    if (nearest)
        buf_printf(error, "; did you mean \"%s\"?", nearest);
    buf_str(error, count ? " Installed:" : " None is installed there.");
    for (size_t i = 0; i < count; i++) {
        buf_printf(error, "%s %s", i ? "," : "", names[i]);
        free(names[i]);
    }
}

int plugin_find(const char *plugin, char *const *dirs, struct buf *error, char **ret_path)
{
    if (strchr(plugin, '/')) {
        if (access(plugin, R_OK) == 0) {
            *ret_path = xstrdup(plugin);
            return 0;
        }
        buf_printf(error, "%s cannot be read: %s", plugin, strerror(errno));
        return -ENOENT;
    }
    for (size_t i = 0; dirs[i]; i++) {
        char *path = xasprintf("%s/%s.so", dirs[i], plugin);

        if (access(path, R_OK) == 0) {
            *ret_path = path;
            return 0;
        }
        free(path);
    }
    buf_printf(error, "no plugin \"%s\" in", plugin);
    for (size_t i = 0; dirs[i]; i++)
        buf_printf(error, "%s %s", i ? "," : "", dirs[i]);
    list_installed(dirs, plugin, error);
    return -ENOENT;
}
