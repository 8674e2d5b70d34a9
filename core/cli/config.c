/* SPDX-License-Identifier: Apache-2.0 */
/* quern config: what the settings are, and what they mean. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "cli/cli.h"
#include "cli/verbs.h"
#include "config/dump.h"
#include "config/keys.h"
#include "config/settings.h"

static int show(struct cli *cli)
{
    struct settings *s;
    int code = cli_settings(cli, &s);

    if (code != EXIT_SUCCESS)
        return code;
    settings_dump(s, stdout);
    settings_free(s);
    return EXIT_SUCCESS;
}

static int explain(struct cli *cli, const char *path)
{
    const struct key *k = key_find(path);

    if (!k)
        return cli_fail(cli, EX_DATAERR, "there is no key \"%s\"; `quern config reference` lists all",
                        path);
    key_explain(path, k, stdout);
    return EXIT_SUCCESS;
}

static int run(struct cli *cli)
{
    const char *what = cli->argc ? cli->argv[0] : "";

    if (strcmp(what, "show") == 0 && cli->argc == 1)
        return show(cli);
    if (strcmp(what, "explain") == 0 && cli->argc == 2)
        return explain(cli, cli->argv[1]);
    if (strcmp(what, "reference") == 0 && cli->argc == 1) {
        keys_reference(cli_option(cli, "man") != NULL, stdout);
        return EXIT_SUCCESS;
    }
    return cli_usage(cli, "show, explain KEY or reference?");
}

const struct verb verb_config = {
    .name = "config",
    .summary = "the settings as they would be used; what a key means; all keys",
    .usage = "show [-c FILE] | explain KEY | reference [--man]",
    .examples = "quern config show\nquern config explain pipelines.retry.backoff\nquern config reference",
    .about = "Secrets are shown as ***.",
    .options = (const struct verb_option[]){VERB_OPTION_CONFIG,
                                            {"man", 0, NULL, "reference: as the body of a man page"},
                                            VERB_OPTIONS_END},
    .run = run,
};
