/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quern plugin: which plugins are installed, what one says of itself, and whether one is well.
 *
 * Nothing is loaded into this process: quern-worker opens the .so in a locked-down child and tells.
 */
#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/buf.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "cli/cli.h"
#include "cli/plugins.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "worker/descriptor.h"

#define DESCRIBE_TIMEOUT_MS 10000

/* QUERN_TYPE_... and so on of the SDK, by value: this room does not see the SDK. */
enum {
    TYPE_STRING = 1,
    TYPE_INT,
    TYPE_FLOAT,
    TYPE_BOOL,
    TYPE_DURATION,
    TYPE_SIZE,
    TYPE_CHOICE,
    TYPE_LIST
};
#define OPTION_REQUIRED 0x1u
#define OPTION_SECRET   0x2u
#define NEEDS_NETWORK   0x1u
#define NEEDS_FILES     0x2u

static const char *const type_names[] = {
    [TYPE_STRING] = "string", [TYPE_INT] = "int",           [TYPE_FLOAT] = "float",
    [TYPE_BOOL] = "bool",     [TYPE_DURATION] = "duration", [TYPE_SIZE] = "size",
    [TYPE_CHOICE] = "choice", [TYPE_LIST] = "list"};

static const char *type_name(int32_t type)
{
    return type >= TYPE_STRING && type <= TYPE_LIST ? type_names[type] : "unknown";
}

static void json_field(struct buf *out, const char *name, const char *text)
{
    buf_printf(out, "\"%s\":", name);
    if (text)
        buf_json_str(out, text, strlen(text));
    else
        buf_str(out, "null");
}

static void print_buf(struct buf *out)
{
    fputs(buf_text(out), stdout);
    buf_done(out);
}

/* ---- list ---- */

static int is_plugin(const struct dirent *e)
{
    size_t len = strlen(e->d_name);

    return len > 3 && e->d_name[0] != '.' && strcmp(e->d_name + len - 3, ".so") == 0;
}

static void list_one(const struct plugins *p, const char *path, struct table *t, struct buf *out)
{
    struct buf error = BUF_INIT;
    struct descriptor *d = NULL;
    int err = descriptor_load(p->worker, path, DESCRIBE_TIMEOUT_MS, &error, &d);

    if (out->len > 1)
        buf_char(out, ',');
    buf_char(out, '{');
    json_field(out, "path", path);
    if (err) {
        table_add(t, "-");
        table_add(t, "-");
        table_add(t, "-");
        table_add(t, "broken: %s", buf_text(&error));
        buf_char(out, ',');
        json_field(out, "error", buf_text(&error));
    } else {
        table_add(t, "%s", d->name);
        table_add(t, "%s", d->version);
        table_add(t, "%d.%d", d->abi_major, d->abi_minor);
        table_add(t, "%s", d->summary);
        buf_char(out, ',');
        json_field(out, "name", d->name);
        buf_char(out, ',');
        json_field(out, "version", d->version);
        buf_printf(out, ",\"abi\":\"%d.%d\",", d->abi_major, d->abi_minor);
        json_field(out, "summary", d->summary);
    }
    table_add(t, "%s", path);
    buf_char(out, '}');
    descriptor_free(d);
    buf_done(&error);
}

static int list(const struct plugins *p, int json)
{
    static const char *const heads[] = {"NAME", "VERSION", "ABI", "SUMMARY", "PATH"};
    struct buf out = BUF_INIT;
    struct table t;
    size_t count = 0;

    table_init(&t, heads, 5);
    buf_char(&out, '[');
    for (size_t i = 0; p->dirs[i]; i++) {
        struct dirent **found = NULL;
        int n = scandir(p->dirs[i], &found, is_plugin, alphasort);

        for (int k = 0; k < n; k++) {
            char *path = xasprintf("%s/%s", p->dirs[i], found[k]->d_name);

            list_one(p, path, &t, &out);
            count++;
            free(path);
            free(found[k]);
        }
        free(found);
    }
    buf_str(&out, "]\n");
    if (json)
        print_buf(&out);
    else if (count)
        table_print(&t, stdout);
    if (!count && !json)
        for (size_t i = 0; p->dirs[i]; i++)
            fprintf(stderr, "no plugin in %s\n", p->dirs[i]);
    buf_done(&out);
    table_done(&t);
    return EXIT_SUCCESS;
}

/* ---- inspect ---- */

static const char *range_of(const struct option *o, char text[static 80])
{
    char a[32], b[32];

    if (o->choices)
        return o->choices;
    if (o->min == 0 && o->max == 0)
        return "";
    if (o->type == TYPE_DURATION)
        snprintf(text, 80, "%s..%s", text_format_duration_ms(o->min, a),
                 text_format_duration_ms(o->max, b));
    else if (o->type == TYPE_SIZE)
        snprintf(text, 80, "%s..%s", text_format_size(o->min, a), text_format_size(o->max, b));
    else
        snprintf(text, 80, "%lld..%lld", (long long)o->min, (long long)o->max);
    return text;
}

static const char *default_of(const struct option *o)
{
    if (o->flags & OPTION_REQUIRED)
        return "(required)";
    if (o->flags & OPTION_SECRET)
        return "(secret)";
    return o->fallback ? o->fallback : "(none)";
}

static void inspect_json(const struct descriptor *d)
{
    struct buf out = BUF_INIT;

    buf_char(&out, '{');
    json_field(&out, "name", d->name);
    buf_char(&out, ',');
    json_field(&out, "version", d->version);
    buf_char(&out, ',');
    json_field(&out, "summary", d->summary);
    buf_char(&out, ',');
    json_field(&out, "path", d->path);
    buf_char(&out, ',');
    json_field(&out, "sha256", d->sha256);
    buf_char(&out, ',');
    json_field(&out, "build_id", d->build);
    buf_printf(&out, ",\"abi\":\"%d.%d\",\"min_minor\":%d,\"needs_network\":%s,\"needs_files\":%s",
               d->abi_major, d->abi_minor, d->min_minor,
               d->needs & NEEDS_NETWORK ? "true" : "false",
               d->needs & NEEDS_FILES ? "true" : "false");
    buf_str(&out, ",\"settings\":[");
    for (size_t i = 0; i < d->option_count; i++) {
        const struct option *o = &d->options[i];

        buf_str(&out, i ? ",{" : "{");
        json_field(&out, "name", o->name);
        buf_printf(
            &out, ",\"type\":\"%s\",\"required\":%s,\"secret\":%s,\"min\":%lld,\"max\":%lld,",
            type_name(o->type), o->flags & OPTION_REQUIRED ? "true" : "false",
            o->flags & OPTION_SECRET ? "true" : "false", (long long)o->min, (long long)o->max);
        json_field(&out, "default", o->fallback);
        buf_char(&out, ',');
        json_field(&out, "choices", o->choices);
        buf_char(&out, ',');
        json_field(&out, "help", o->help);
        buf_char(&out, '}');
    }
    buf_str(&out, "]}\n");
    print_buf(&out);
}

static void inspect_text(const struct descriptor *d)
{
    static const char *const heads[] = {"SETTING", "TYPE", "DEFAULT", "RANGE", "HELP"};
    static const char *const needs[] = {"nothing", "network", "files", "network, files"};
    struct table t;

    printf("name      %s\nversion   %s\nsummary   %s\npath      %s\n", d->name, d->version,
           d->summary, d->path);
    printf("abi       %d.%d, runs on %d.%d and newer\nneeds     %s\n", d->abi_major, d->abi_minor,
           d->abi_major, d->min_minor, needs[d->needs & 3u]);
    printf("build id  %s\nsha256    %s\n\n", d->build[0] ? d->build : "none", d->sha256);
    if (!d->option_count) {
        printf("It has no settings.\n");
        return;
    }
    table_init(&t, heads, 5);
    for (size_t i = 0; i < d->option_count; i++) {
        char range[80];

        table_add(&t, "%s", d->options[i].name);
        table_add(&t, "%s", type_name(d->options[i].type));
        table_add(&t, "%s", default_of(&d->options[i]));
        table_add(&t, "%s", range_of(&d->options[i], range));
        table_add(&t, "%s", d->options[i].help);
    }
    table_print(&t, stdout);
    table_done(&t);
}

/* ---- check ---- */

struct report {
    int json;
    int failed;
    struct buf out;
};

static void report(struct report *r, bool ok, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void report(struct report *r, bool ok, const char *format, ...)
{
    struct buf text = BUF_INIT;
    va_list args;

    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    if (!r->json) {
        printf("%-4s %s\n", ok ? "ok" : "FAIL", buf_text(&text));
    } else {
        buf_printf(&r->out, "%s{\"ok\":%s,", r->out.len ? "," : "", ok ? "true" : "false");
        json_field(&r->out, "text", buf_text(&text));
        buf_char(&r->out, '}');
    }
    r->failed += !ok;
    buf_done(&text);
}

static bool is_choice(const char *text, const char *choices)
{
    size_t len = strlen(text);

    for (const char *c = choices ? choices : ""; *c; c += strcspn(c, "|"), c += *c == '|')
        if (strcspn(c, "|") == len && strncmp(c, text, len) == 0)
            return true;
    return false;
}

/* Would the default be accepted if somebody wrote it into the settings? */
static bool default_is_valid(const struct option *o)
{
    int64_t n = 0;
    int err = 0;

    if (!o->fallback)
        return true;
    if (o->type == TYPE_CHOICE)
        return is_choice(o->fallback, o->choices);
    if (o->type == TYPE_BOOL)
        return is_choice(o->fallback, "true|false|yes|no|on|off|1|0");
    if (o->type == TYPE_INT)
        err = text_parse_int(o->fallback, &n);
    else if (o->type == TYPE_DURATION)
        err = text_parse_duration_ms(o->fallback, &n);
    else if (o->type == TYPE_SIZE)
        err = text_parse_size(o->fallback, &n);
    else
        return true;
    return !err && ((o->min == 0 && o->max == 0) || (n >= o->min && n <= o->max));
}

static void check_options(struct report *r, const struct descriptor *d)
{
    int before = r->failed;

    for (size_t i = 0; i < d->option_count; i++) {
        const struct option *o = &d->options[i];

        if (strcmp(type_name(o->type), "unknown") == 0)
            report(r, false, "setting %s has a type that this engine does not know", o->name);
        if (!o->help[0])
            report(r, false, "setting %s has no help", o->name);
        if (!default_is_valid(o))
            report(r, false, "setting %s: its own default \"%s\" would be refused", o->name,
                   o->fallback);
        for (size_t k = 0; k < i; k++)
            if (strcmp(d->options[k].name, o->name) == 0)
                report(r, false, "setting %s is there twice", o->name);
    }
    if (before == r->failed)
        report(r, true, "%zu setting%s, each with a type, a help and a sound default",
               d->option_count, d->option_count == 1 ? "" : "s");
}

static void check_descriptor(struct report *r, const struct descriptor *d)
{
    const char *slash = strrchr(d->path, '/'), *file = slash ? slash + 1 : d->path;
    size_t len = strlen(d->name);

    report(r, true, "%s loads in a locked-down process; no symbol is missing", d->path);
    report(r, true, "ABI %d.%d, which this engine can run", d->abi_major, d->abi_minor);
    report(r, strncmp(file, d->name, len) == 0 && strcmp(file + len, ".so") == 0,
           "its name is %s, its file %s; a plugin is found by <name>.so", d->name, file);
    report(r, d->version[0] && d->summary[0], "version \"%s\", summary \"%s\"", d->version,
           d->summary);
    report(r, (d->needs & ~(NEEDS_NETWORK | NEEDS_FILES)) == 0,
           "what it needs of the machine is known to this engine");
    check_options(r, d);
}

/* ---- The verb ---- */

static int check(const struct plugins *p, const char *path, int json)
{
    struct report r = {.json = json};
    struct buf error = BUF_INIT;
    struct descriptor *d = NULL;

    if (descriptor_load(p->worker, path, DESCRIBE_TIMEOUT_MS, &error, &d) != 0)
        report(&r, false, "%s", buf_text(&error));
    else
        check_descriptor(&r, d);
    if (json)
        printf("{\"ok\":%s,\"checks\":[%s]}\n", r.failed ? "false" : "true", buf_text(&r.out));
    buf_done(&r.out);
    buf_done(&error);
    descriptor_free(d);
    return r.failed ? EX_DATAERR : EXIT_SUCCESS;
}

static int inspect(struct cli *cli, const struct plugins *p, const char *path, int json)
{
    struct buf error = BUF_INIT;
    struct descriptor *d = NULL;
    int code = EXIT_SUCCESS;

    if (descriptor_load(p->worker, path, DESCRIBE_TIMEOUT_MS, &error, &d) != 0)
        code = cli_fail(cli, EX_DATAERR, "%s", buf_text(&error));
    else if (json)
        inspect_json(d);
    else
        inspect_text(d);
    descriptor_free(d);
    buf_done(&error);
    return code;
}

static int about_one(struct cli *cli, const struct plugins *p, int json)
{
    struct buf error = BUF_INIT;
    char *path = NULL;
    int code;

    if (plugin_find(cli->argv[1], p->dirs, &error, &path) != 0)
        code = cli_fail(cli, EX_NOINPUT, "%s", buf_text(&error));
    else if (strcmp(cli->argv[0], "check") == 0)
        code = check(p, path, json);
    else
        code = inspect(cli, p, path, json);
    buf_done(&error);
    free(path);
    return code;
}

static int run(struct cli *cli)
{
    const char *what = cli->argc ? cli->argv[0] : "";
    bool lists = strcmp(what, "list") == 0;
    struct plugins p;
    int json = cli_json(cli), code;

    if (json < 0)
        return EX_USAGE;
    if (!lists && strcmp(what, "inspect") != 0 && strcmp(what, "check") != 0)
        return cli_usage(cli, "list, inspect PLUGIN or check PLUGIN?");
    if (cli->argc != (lists ? 1 : 2))
        return cli_usage(cli, lists ? "list takes no argument" : "needs one plugin or path");
    code = plugins_init(&p, cli);
    if (code == EXIT_SUCCESS)
        code = lists ? list(&p, json) : about_one(cli, &p, json);
    plugins_done(&p);
    return code;
}

const struct verb verb_plugin = {
    .name = "plugin",
    .summary = "the plugins that are installed; what one says of itself; whether it is well",
    .usage = "list | inspect PLUGIN|PATH | check PLUGIN|PATH [-c FILE] [-o table|json]",
    .examples =
        "quern plugin list\nquern plugin inspect thumbnail\nquern plugin check ./build/hello.so",
    .about =
        "A name is looked up in the settings' plugin_dirs, or in the installed folder where there\n"
        "are no settings; QUERN_PLUGIN_PATH comes first. What has a '/' is a path.\n"
        "Exit code of check: 0, all lines \"ok\"; 65, there is a FAIL.",
    .options =
        (const struct verb_option[]){VERB_OPTION_CONFIG, VERB_OPTION_OUTPUT, VERB_OPTIONS_END},
    .run = run,
};
