/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/plugins.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "cli/cli.h"
#include "config/settings.h"

static void add_dir(struct plugins *p, size_t *count, const char *dir, size_t len)
{
    for (size_t i = 0; i < *count; i++)
        if (strlen(p->dirs[i]) == len && strncmp(p->dirs[i], dir, len) == 0)
            return;
    p->dirs = xreallocarray(p->dirs, *count + 2, sizeof *p->dirs);
    p->dirs[(*count)++] = xstrndup(dir, len);
    p->dirs[*count] = NULL;
}

static void from_settings(struct plugins *p, const struct settings *s)
{
    size_t count = 0;

    for (size_t i = 0; s->plugin_dirs[i]; i++)
        add_dir(p, &count, s->plugin_dirs[i], strlen(s->plugin_dirs[i]));
    p->worker = xstrdup(s->worker);
}

static void from_build(struct plugins *p)
{
    const char *path = getenv("QUERN_PLUGIN_PATH"), *libexec = getenv("QUERN_LIBEXEC");
    size_t count = 0;

    for (const char *c = path ? path : ""; *c; c += strcspn(c, ":"), c += *c == ':')
        if (*c != ':')
            add_dir(p, &count, c, strcspn(c, ":"));
    add_dir(p, &count, QUERN_PLUGINDIR, strlen(QUERN_PLUGINDIR));
    p->worker =
        libexec && libexec[0] ? xasprintf("%s/quern-worker", libexec) : xstrdup(QUERN_WORKER);
}

int plugins_init(struct plugins *p, const struct cli *cli)
{
    struct problems ps = {0};
    struct settings *s = NULL;
    int code = EXIT_SUCCESS;

    p->dirs = xcalloc(1, sizeof *p->dirs);
    p->worker = NULL;
    if (cli_option(cli, "config"))
        code = cli_settings(cli, &s);
    else
        (void)!settings_load(cli_config_path(cli), &ps, &s);
    problems_done(&ps);
    if (code == EXIT_SUCCESS && s)
        from_settings(p, s);
    else if (code == EXIT_SUCCESS)
        from_build(p);
    settings_free(s);
    return code;
}

void plugins_done(struct plugins *p)
{
    for (size_t i = 0; p->dirs && p->dirs[i]; i++)
        free(p->dirs[i]);
    free(p->dirs);
    free(p->worker);
}
