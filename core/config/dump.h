/* SPDX-License-Identifier: Apache-2.0 */
/* The settings as they would be used, in the syntax they are written in; secrets as "***". */
#ifndef QUERN_CONFIG_DUMP_H
#define QUERN_CONFIG_DUMP_H

#include <stdio.h>

#include "config/settings.h"

void settings_dump(const struct settings *s, FILE *out);

#endif
