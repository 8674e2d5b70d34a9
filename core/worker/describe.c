/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/describe.h"

#include <elf.h>
#include <link.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "worker/host.h"
#include "worker/plugin_file.h"
#include "worker/sandbox.h"

#define SPEC_MAX (1 << 20)

static void put_str(struct buf *b, const char *name, const char *text)
{
    buf_printf(b, ",\"%s\":", name);
    if (text)
        buf_json_str(b, text, strlen(text));
    else
        buf_str(b, "null");
}

/* ---- Build id: the NT_GNU_BUILD_ID note of the loaded object ---- */

struct build_id {
    uintptr_t inside; /* an address in the object */
    char hex[129];
};

static void read_notes(struct build_id *id, const char *at, size_t len)
{
    while (len >= sizeof(ElfW(Nhdr))) {
        ElfW(Nhdr) note;
        size_t name, desc;

        memcpy(&note, at, sizeof note);
        name = (note.n_namesz + 3u) & ~3u;
        desc = (note.n_descsz + 3u) & ~3u;
        if (name > len || desc > len || sizeof note + name + desc > len)
            return;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_descsz <= 64)
            for (size_t i = 0; i < note.n_descsz; i++)
                snprintf(id->hex + 2 * i, 3, "%02x",
                         (unsigned char)at[sizeof note + name + i]);
        at += sizeof note + name + desc;
        len -= sizeof note + name + desc;
    }
}

static int find_build_id(struct dl_phdr_info *info, size_t size, void *data)
{
    struct build_id *id = data;
    bool inside = false;

    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + ph->p_vaddr;

        inside |= ph->p_type == PT_LOAD && id->inside >= start && id->inside < start + ph->p_memsz;
    }
    for (int i = 0; inside && i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

        if (ph->p_type == PT_NOTE)
            read_notes(id, (const char *)(info->dlpi_addr + ph->p_vaddr), ph->p_memsz);
    }
    return inside;
}

/* ---- The object ---- */

static void put_option(struct buf *b, const struct quern_option *o)
{
    buf_printf(b, "{\"type\":%d,\"flags\":%u,\"min\":%lld,\"max\":%lld", (int)o->type,
               (unsigned)o->flags, (long long)o->min, (long long)o->max);
    put_str(b, "name", o->name);
    put_str(b, "default", o->default_value);
    put_str(b, "choices", o->choices);
    put_str(b, "help", o->help);
    buf_char(b, '}');
}

static void put_plugin(struct buf *b, const struct plugin_file *file)
{
    const struct quern_plugin *p = &file->plugin;
    struct build_id id = {(uintptr_t)p->handle, ""};
    const struct quern_option *o;

    dl_iterate_phdr(find_build_id, &id);
    buf_printf(b, "{\"abi_major\":%u,\"abi_minor\":%u,\"min_minor\":%u,\"needs\":%u", p->abi_major,
               p->abi_minor, p->min_minor, (unsigned)p->needs);
    put_str(b, "name", p->name);
    put_str(b, "version", p->version);
    put_str(b, "summary", p->summary);
    put_str(b, "build", id.hex);
    buf_str(b, ",\"options\":[");
    for (size_t i = 0; (o = options_entry(p, i)); i++) {
        if (i)
            buf_char(b, ',');
        put_option(b, o);
    }
    buf_str(b, "]}\n");
}

static int print(struct buf *b, int code)
{
    bool written = !b->failed && fwrite(b->data, 1, b->len, stdout) == b->len && !fflush(stdout);

    buf_done(b);
    return written ? code : EX_IOERR;
}

int describe(const char *path)
{
    struct buf error = BUF_INIT, out = BUF_INIT;
    struct plugin_file file;
    char text[512];
    int code = EXIT_SUCCESS;

    sandbox_tie_to_parent(0);
    if (sandbox_enter_closed(path, text, sizeof text) != 0)
        buf_str(&error, text);
    else if (plugin_file_open(path, &file, &error) == 0)
        put_plugin(&out, &file);
    if (error.len) {
        buf_str(&out, "{\"error\":");
        buf_json_str(&out, error.data, error.len);
        buf_str(&out, "}\n");
        code = EX_DATAERR;
    }
    buf_done(&error);
    return print(&out, code);
}

/* ---- Settings ---- */

static int refuse(const char *text)
{
    printf("%s\n", text);
    fflush(stdout);
    return EX_CONFIG;
}

int check_settings(void)
{
    char *data = malloc(SPEC_MAX);
    size_t len = data ? fread(data, 1, SPEC_MAX, stdin) : 0;
    struct spec spec = {data, len};
    const char *path = spec_get(&spec, "plugin");
    struct buf error = BUF_INIT;
    static struct host host;
    struct plugin_file file;
    struct options options;
    char text[512];

    sandbox_tie_to_parent(0);
    if (!path)
        return refuse("the spec names no plugin");
    if (sandbox_enter_closed(path, text, sizeof text) != 0)
        return refuse(text);
    if (plugin_file_open(path, &file, &error) != 0)
        return refuse(buf_text(&error));
    if (plugin_file_settings(&file, &spec, &options, text, sizeof text) != 0)
        return refuse(text);
    host_init(&host, &spec, NULL, NULL);
    if (file.plugin.check && file.plugin.check(&host.context, options.settings) != 0)
        return refuse(host.open_error[0] ? host.open_error : "the plugin refuses its settings");
    return EXIT_SUCCESS;
}
