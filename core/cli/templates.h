/* SPDX-License-Identifier: Apache-2.0 */
/* The files of sdk/template/, put into the binary by sdk/template/embed.py. */
#ifndef QUERN_CLI_TEMPLATES_H
#define QUERN_CLI_TEMPLATES_H

struct template
{
    const char *name; /* of the file to write */
    const char *text; /* with @NAME@ and @IDENT@ to be filled in */
};

extern const struct template templates[]; /* the last has no name */

#endif
