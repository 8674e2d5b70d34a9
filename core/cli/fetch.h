/* SPDX-License-Identifier: Apache-2.0 */
/* One GET from the daemon's admin server. */
#ifndef QUERN_CLI_FETCH_H
#define QUERN_CLI_FETCH_H

#include <stdint.h>

#include "base/buf.h"

/* 0 and the status code; -ECONNREFUSED or -ETIMEDOUT: nobody answered; another negative errno. */
__attribute__((warn_unused_result)) int fetch(const char *host, uint16_t port, const char *path,
                                              int timeout_ms, struct buf *body, int *ret_status);

#endif
