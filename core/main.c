/* SPDX-License-Identifier: Apache-2.0 */
/* quern: finds the verb, runs it. The verbs are in cli/, one file each; cli/cli.h is their frame. */
#include "cli/cli.h"

int main(int argc, char **argv)
{
    return cli_main(argc, argv);
}
