/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quern-worker: the process that runs one plugin. Started by quern, not by people; `quern exec` is
 * for them.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "worker/describe.h"
#include "worker/exec.h"
#include "worker/serve.h"

int main(int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "--serve") == 0)
        return serve();
    if (argc == 3 && strcmp(argv[1], "--describe") == 0)
        return describe(argv[2]);
    if (argc == 2 && strcmp(argv[1], "--check") == 0)
        return check_settings();
    if (argc >= 3 && strcmp(argv[1], "--exec") == 0)
        return exec_job(argc - 2, argv + 2);
    fprintf(stderr, "quern-worker is started by quern; to run a plugin by hand: quern exec\n");
    return EX_USAGE;
}
