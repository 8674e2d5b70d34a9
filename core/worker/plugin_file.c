/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/plugin_file.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/xalloc.h"

#define SYMBOL "quern_plugin_v1"
/* Up to `handle`: what the first ABI had. Less than that is not a plugin. */
#define PLUGIN_SIZE_MIN (offsetof(struct quern_plugin, handle) + sizeof(void *))

static int check_file(const char *path, struct buf *error)
{
    unsigned char magic[4] = {0};
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        int err = -errno;

        buf_printf(error, "%s cannot be read: %s", path, strerror(-err));
        return err;
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || read(fd, magic, 4) != 4 ||
        memcmp(magic, "\177ELF", 4) != 0) {
        close(fd);
        buf_printf(error, "%s is not a shared object (no ELF file)", path);
        return -ENOEXEC;
    }
    close(fd);
    if (st.st_mode & S_IWOTH) {
        buf_printf(error, "%s may be written by everybody: chmod o-w it", path);
        return -EPERM;
    }
    return 0;
}

static void explain_dlerror(const char *path, const char *text, struct buf *error)
{
    static const char undefined[] = "undefined symbol: ";
    const char *symbol = text ? strstr(text, undefined) : NULL;

    if (symbol)
        buf_printf(error,
                   "%s needs the symbol %s, which no library it is linked with has: add the library "
                   "to its link (and -Wl,-z,defs, so that the linker tells)",
                   path, symbol + sizeof undefined - 1);
    else
        buf_printf(error, "%s cannot be loaded: %s", path, text ? text : "no reason given");
}

static bool name_is_valid(const char *name)
{
    size_t len = name ? strnlen(name, 65) : 0;

    return len > 0 && len <= 64 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") == len;
}

static int check_descriptor(const char *path, const struct quern_plugin *p, struct buf *error)
{
    if (p->magic != QUERN_MAGIC || p->size < PLUGIN_SIZE_MIN || p->size > 65536) {
        buf_printf(error, "%s: its " SYMBOL " is not what quern/plugin.h defines", path);
        return -ENOEXEC;
    }
    if (p->abi_major != QUERN_ABI_MAJOR) {
        buf_printf(error, "%s was built for ABI %u, this engine has %u: build it again with this "
                          "engine's quern/plugin.h",
                   path, p->abi_major, QUERN_ABI_MAJOR);
        return -ENOEXEC;
    }
    if (p->min_minor > QUERN_ABI_MINOR) {
        buf_printf(error, "%s needs ABI %u.%u, this engine has %u.%u: use a newer engine", path,
                   p->abi_major, p->min_minor, QUERN_ABI_MAJOR, QUERN_ABI_MINOR);
        return -ENOEXEC;
    }
    return 0;
}

static int check_complete(const char *path, const struct quern_plugin *p, struct buf *error)
{
    if (!name_is_valid(p->name))
        buf_printf(error, "%s: its name must be 1..64 of [a-z0-9_-]", path);
    else if (!p->version || !p->summary)
        buf_printf(error, "%s: it has no version or no summary", path);
    else if (!p->handle)
        buf_printf(error, "%s: it has no `handle`", path);
    else if (p->options && p->option_size < offsetof(struct quern_option, help))
        buf_printf(error, "%s: its option_size is too small", path);
    else
        return 0;
    return -ENOEXEC;
}

int plugin_file_open(const char *path, struct plugin_file *ret, struct buf *error)
{
    const struct quern_plugin *p;
    int err = check_file(path, error);

    memset(ret, 0, sizeof *ret);
    if (err)
        return err;
    ret->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!ret->handle) {
        explain_dlerror(path, dlerror(), error);
        return -ENOEXEC;
    }
    p = dlsym(ret->handle, SYMBOL);
    if (!p) {
        buf_printf(error, "%s has no symbol " SYMBOL ": is it a Quern plugin? QUERN_PLUGIN() "
                          "defines it",
                   path);
        return -ENOEXEC;
    }
    err = check_descriptor(path, p, error);
    if (err)
        return err;
    memcpy(&ret->plugin, p, p->size < sizeof ret->plugin ? p->size : sizeof ret->plugin);
    return check_complete(path, &ret->plugin, error);
}

int plugin_file_settings(const struct plugin_file *file, const struct spec *spec,
                         struct options *ret, char *error, size_t error_size)
{
    size_t max = spec_count(spec, "setting") + spec_count(spec, "list") + spec_count(spec, "empty");
    struct option_value *values = xcalloc(max + 1, sizeof *values);
    const char *name, *value;
    size_t at = 0, count = 0;
    int err;

    while (spec_next(spec, &at, &name, &value)) {
        bool empty = strcmp(name, "empty") == 0, list = strcmp(name, "list") == 0;

        if (!empty && !list && strcmp(name, "setting") != 0)
            continue;
        values[count] = (struct option_value){value, NULL, empty || list};
        if (!empty && !spec_next(spec, &at, &name, &values[count].text))
            break;
        count++;
    }
    err = options_fill(&file->plugin, values, count, ret, error, error_size);
    free(values);
    return err;
}
