/* SPDX-License-Identifier: Apache-2.0 */
#include "config/expand.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX_BYTES (64 * 1024)
#define NAME_MAX_BYTES 512

struct expansion {
    struct buf *out, *error;
    bool *secret;
    const char **warning;
};

static int put_file(struct expansion *x, const char *path)
{
    static char warning[600];
    char data[FILE_MAX_BYTES + 1];
    struct stat st;
    ssize_t len;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &st) != 0 || (len = read(fd, data, sizeof data)) < 0) {
        buf_printf(x->error, "%s cannot be read: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -EINVAL;
    }
    close(fd);
    if (len > FILE_MAX_BYTES) {
        buf_printf(x->error, "%s is larger than 64 KiB", path);
        return -EINVAL;
    }
    if (st.st_mode & S_IROTH) {
        snprintf(warning, sizeof warning, "%s can be read by everybody: chmod o-r it", path);
        *x->warning = warning;
    }
    if (len > 0 && data[len - 1] == '\n')
        len--;
    if (memchr(data, 0, (size_t)len)) {
        buf_printf(x->error, "%s holds a zero byte", path);
        return -EINVAL;
    }
    buf_add(x->out, data, (size_t)len);
    explicit_bzero(data, sizeof data);
    *x->secret = true;
    return 0;
}

static int put_credential(struct expansion *x, const char *name)
{
    const char *dir = getenv("CREDENTIALS_DIRECTORY");
    char path[4096];

    if (!dir) {
        buf_printf(x->error, "${cred:%s}: no CREDENTIALS_DIRECTORY in the environment (systemd sets "
                             "it for a unit with LoadCredential=)",
                   name);
        return -EINVAL;
    }
    if (!name[0] || strchr(name, '/') || name[0] == '.') {
        buf_printf(x->error, "${cred:%s}: not a name of a credential", name);
        return -EINVAL;
    }
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return put_file(x, path);
}

static int put_variable(struct expansion *x, char *name)
{
    char *sep = strstr(name, ":-"), *message = strstr(name, ":?");
    const char *value;

    if (message && (!sep || message < sep))
        sep = NULL;
    else
        message = NULL;
    if (sep)
        *sep = 0;
    if (message)
        *message = 0;
    if (!name[0] || strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") !=
                        strlen(name)) {
        buf_printf(x->error, "${%s}: not a name of a variable", name);
        return -EINVAL;
    }
    value = getenv(name);
    if (value || sep) {
        buf_str(x->out, value ? value : sep + 2);
        return 0;
    }
    if (message && message[2])
        buf_printf(x->error, "${%s}: %s", name, message + 2);
    else
        buf_printf(x->error, "${%s} is not set; give it a default with ${%s:-...}", name, name);
    return -EINVAL;
}

static int put_one(struct expansion *x, const char *inside, size_t len)
{
    char name[NAME_MAX_BYTES];

    if (len >= sizeof name) {
        buf_str(x->error, "what is between ${ and } is too long");
        return -EINVAL;
    }
    memcpy(name, inside, len);
    name[len] = 0;
    if (strncmp(name, "file:", 5) == 0)
        return put_file(x, name + 5);
    if (strncmp(name, "cred:", 5) == 0)
        return put_credential(x, name + 5);
    return put_variable(x, name);
}

int expand(const char *text, struct buf *out, struct buf *error, bool *ret_secret,
           const char **ret_warning)
{
    struct expansion x = {out, error, ret_secret, ret_warning};

    *ret_secret = false;
    *ret_warning = NULL;
    while (*text) {
        const char *end;
        int err;

        if (strncmp(text, "$${", 3) == 0) {
            buf_str(out, "${");
            text += 3;
            continue;
        }
        if (strncmp(text, "${", 2) != 0) {
            buf_char(out, *text++);
            continue;
        }
        end = strchr(text, '}');
        if (!end) {
            buf_str(error, "a ${ without its }; a ${ that is meant as it stands is written $${");
            return -EINVAL;
        }
        err = put_one(&x, text + 2, (size_t)(end - text - 2));
        if (err)
            return err;
        text = end + 1;
    }
    return 0;
}
