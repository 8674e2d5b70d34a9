/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See path.h. Percent-decoding is done once, before the checks, so that %2e%2e is seen as what it
 * is and %252e stays a harmless name with a percent sign in it. A zero byte can come only from %00
 * and is refused with the control characters.
 */
#include "path.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* 0; -EINVAL: a bad escape or a control character; -ENAMETOOLONG. */
static int percent_decode(const char *text, char ret[static PATH_TEXT_MAX])
{
    size_t len = 0;

    for (; *text; text++) {
        int c = (unsigned char)*text;

        if (len + 1 >= PATH_TEXT_MAX)
            return -ENAMETOOLONG;
        if (c == '%') {
            int high = hex_value(text[1]), low = high < 0 ? -1 : hex_value(text[2]);

            if (low < 0)
                return -EINVAL;
            c = high * 16 + low;
            text += 2;
        }
        if (c < 0x20 || c == 0x7f)
            return -EINVAL;
        ret[len++] = (char)c;
    }
    ret[len] = '\0';
    return 0;
}

int path_check(const char *path, const char *field, struct fault *fault)
{
    const char *name = path;

    for (;;) {
        size_t len = strcspn(name, "/");

        if (len == 0)
            return fault_reject(fault, "bad_request", "\"%s\": an empty name in the path", field);
        if (len > 255)
            return fault_reject(fault, "bad_request", "\"%s\": a name in the path is too long",
                                field);
        if (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.')))
            return fault_reject(fault, "forbidden_path", "\"%s\": \".\" or \"..\" in the path",
                                field);
        for (size_t i = 0; i < len; i++)
            if (iscntrl((unsigned char)name[i]))
                return fault_reject(fault, "bad_request", "\"%s\": a control character in the path",
                                    field);
        if (name[len] == '\0')
            return 0;
        name += len + 1;
    }
}

static size_t root_length(const char *root)
{
    size_t len = strlen(root);

    while (len > 0 && root[len - 1] == '/')
        len--;
    return len;
}

int path_from_url(const char *url, const char *root, const char *field,
                  char ret_path[static PATH_TEXT_MAX], struct fault *fault)
{
    const char *text = url + strlen("file://");
    size_t len = root_length(root);
    int err;

    if (strncasecmp(text, "localhost/", 10) == 0)
        text += strlen("localhost");
    if (*text != '/')
        return fault_reject(fault, "bad_request",
                            "\"%s\" is not file:// and an absolute path (file:///...)", field);
    err = percent_decode(text, ret_path);
    if (err == -ENAMETOOLONG)
        return fault_reject(fault, "bad_request", "\"%s\": the path is too long", field);
    if (err)
        return fault_reject(fault, "bad_request",
                            "\"%s\": a bad %%-escape or a control character in the path", field);
    if (strncmp(ret_path, root, len) != 0 || (ret_path[len] != '/' && ret_path[len] != '\0'))
        return fault_reject(fault, "forbidden_path",
                            "\"%s\" is not beneath this pipeline's %s_root", field, field);
    if (ret_path[len] == '/')
        len++;
    memmove(ret_path, ret_path + len, strlen(ret_path + len) + 1);
    return *ret_path ? path_check(ret_path, field, fault) : 0;
}

int path_open_beneath(int root_fd, const char *path, int flags)
{
    struct open_how how = {
        .flags = (uint64_t)(unsigned int)(flags | O_CLOEXEC),
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    long fd = -1;

    /* EAGAIN: somebody renamed a directory meanwhile, and the kernel could not be sure. */
    for (int i = 0; i < 16 && fd < 0; i++) {
        fd = syscall(SYS_openat2, root_fd, *path ? path : ".", &how, sizeof how);
        if (fd < 0 && errno != EINTR && errno != EAGAIN)
            break;
    }
    return fd < 0 ? -errno : (int)fd;
}
