/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a verb that is about plugins looks for them: as the settings say when they can be loaded,
 * else as quern was built. People look at plugins before they have settings, so broken or absent
 * settings are no error here unless they were named with -c.
 */
#ifndef QUERN_CLI_PLUGINS_H
#define QUERN_CLI_PLUGINS_H

struct cli;

struct plugins {
    char **dirs;  /* NULL-terminated; those of QUERN_PLUGIN_PATH first */
    char *worker; /* path of quern-worker */
};

/* EXIT_SUCCESS, or the exit code after the failure has been said. */
int plugins_init(struct plugins *p, const struct cli *cli);
void plugins_done(struct plugins *p);

#endif
