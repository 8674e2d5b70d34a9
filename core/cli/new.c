/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quern new: a plugin to begin with, that builds, passes its test and does something.
 *
 * Writes only what is not there: a file that exists is never touched, and then nothing is written
 * at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/xalloc.h"
#include "cli/cli.h"
#include "cli/templates.h"
#include "cli/verbs.h"

static bool name_is_valid(const char *name)
{
    size_t len = strlen(name);

    return len > 0 && len <= 64 && name[0] >= 'a' && name[0] <= 'z' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

/* The template with the name filled in; as a C identifier it has '_' for '-'. */
static void fill(const char *text, const char *name, struct buf *out)
{
    static const char mark_name[] = "@NAME@", mark_ident[] = "@IDENT@";

    while (*text) {
        if (strncmp(text, mark_name, sizeof mark_name - 1) == 0) {
            buf_str(out, name);
            text += sizeof mark_name - 1;
        } else if (strncmp(text, mark_ident, sizeof mark_ident - 1) == 0) {
            for (const char *c = name; *c; c++)
                buf_char(out, *c == '-' ? '_' : *c);
            text += sizeof mark_ident - 1;
        } else {
            buf_char(out, *text++);
        }
    }
}

static int write_file(const char *path, const struct buf *content)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    size_t done = 0;
    int err = 0;

    if (fd < 0)
        return -errno;
    while (!err && done < content->len) {
        ssize_t n = write(fd, content->data + done, content->len - done);

        if (n < 0 && errno != EINTR)
            err = -errno;
        else if (n > 0)
            done += (size_t)n;
    }
    if (close(fd) != 0 && !err)
        err = -errno;
    return err;
}

static int write_one(const struct cli *cli, const struct template *t, const char *name,
                     const char *dir)
{
    char *path = xasprintf("%s/%s", dir, t->name);
    struct buf content = BUF_INIT;
    int code = EXIT_SUCCESS, err;

    fill(t->text, name, &content);
    err = content.failed ? -ENOMEM : write_file(path, &content);
    if (err)
        code = cli_fail(cli, EX_CANTCREAT, "cannot write %s: %s", path, strerror(-err));
    else
        printf("%s\n", path);
    buf_done(&content);
    free(path);
    return code;
}

static int check_absent(const struct cli *cli, const char *dir)
{
    for (const struct template *t = templates; t->name; t++) {
        char *path = xasprintf("%s/%s", dir, t->name);
        bool there = faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
        int code =
            there ? cli_fail(cli, EX_CANTCREAT, "%s is there already; nothing was written", path)
                  : EXIT_SUCCESS;

        free(path);
        if (there)
            return code;
    }
    return EXIT_SUCCESS;
}

static int write_all(const struct cli *cli, const char *name, const char *dir)
{
    int code;

    if (mkdir(dir, 0777) != 0 && errno != EEXIST)
        return cli_fail(cli, EX_CANTCREAT, "cannot make the folder %s: %s", dir, strerror(errno));
    code = check_absent(cli, dir);
    for (const struct template *t = templates; code == EXIT_SUCCESS && t->name; t++)
        code = write_one(cli, t, name, dir);
    if (code == EXIT_SUCCESS)
        fprintf(stderr,
                "\nNext: cd %s && meson setup build && ninja -C build && meson test -C build\n",
                dir);
    return code;
}

static int run(struct cli *cli)
{
    const char *dir = cli_option(cli, "dir");

    if (cli->argc != 2 || strcmp(cli->argv[0], "plugin") != 0)
        return cli_usage(cli, "takes \"plugin\" and a name");
    if (!name_is_valid(cli->argv[1]))
        return cli_usage(cli, "\"%s\" is no name for a plugin: a-z, then up to 63 of a-z, 0-9, -",
                         cli->argv[1]);
    return write_all(cli, cli->argv[1], dir ? dir : cli->argv[1]);
}

const struct verb verb_new = {
    .name = "new",
    .summary = "write a plugin to begin with, that builds and passes its test",
    .usage = "plugin NAME [--dir DIR]",
    .examples = "quern new plugin hello\n"
                "cd hello && meson setup build && ninja -C build && meson test -C build",
    .about =
        "Writes plugin.c, test.c, meson.build, pipeline.conf and README.md. Never overwrites: "
        "where\n"
        "one of them exists, nothing is written. Building needs pkg-config to find quern-sdk and\n"
        "quern-testkit.",
    .options = (const struct verb_option[]){{"dir", 'd', "DIR", "where to; default: ./NAME"},
                                            VERB_OPTIONS_END},
    .run = run,
};
