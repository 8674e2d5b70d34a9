/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include <event2/event.h>
#include <librdkafka/rdkafka.h>

#include "cli/cli.h"
#include "cli/verbs.h"

#define ABI "1.0" /* QUERN_ABI_MAJOR.QUERN_ABI_MINOR; tests/abi holds them together */

static int run(struct cli *cli)
{
    int json = cli_json(cli);

    if (json < 0)
        return EX_USAGE;
    if (json)
        printf("{\"quern\":\"%s\",\"abi\":\"%s\",\"librdkafka\":\"%s\",\"libevent\":\"%s\"}\n",
               QUERN_VERSION, ABI, rd_kafka_version_str(), event_get_version());
    else
        printf("quern %s\nplugin ABI %s\nlibrdkafka %s\nlibevent %s\n", QUERN_VERSION, ABI,
               rd_kafka_version_str(), event_get_version());
    return EXIT_SUCCESS;
}

const struct verb verb_version = {
    .name = "version",
    .summary = "versions of quern, its ABI for plugins and its libraries",
    .usage = "[-o table|json]",
    .examples = "quern version",
    .options = (const struct verb_option[]){VERB_OPTION_OUTPUT, VERB_OPTIONS_END},
    .run = run,
};
