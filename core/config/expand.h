/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ${...} inside the strings of the settings, after parsing, so that a value can never become structure:
 *
 *   ${NAME}            the environment; unset is an error
 *   ${NAME:-default}   with a default
 *   ${NAME:?message}   unset is an error with this message
 *   ${file:/path}      the content of a file, without its last newline; at most 64 KiB
 *   ${cred:name}       the same, of a file in $CREDENTIALS_DIRECTORY (systemd's LoadCredential)
 *   $${                a ${ that is meant as it stands
 */
#ifndef QUERN_CONFIG_EXPAND_H
#define QUERN_CONFIG_EXPAND_H

#include <stdbool.h>

#include "base/buf.h"

/* 0; -EINVAL and a sentence in `error`. *ret_secret: something came from a file or a credential.
 * *ret_warning: a sentence, in a static buffer, or NULL. */
__attribute__((warn_unused_result)) int expand(const char *text, struct buf *out,
                                               struct buf *error, bool *ret_secret,
                                               const char **ret_warning);

#endif
