/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of a dead letter's headers as tables: see dead_headers.h, where the list is.
 */
#include "kafka/dead_headers.h"

const char *const dead_header_names[DEAD_HEADER_COUNT] = {
#define X(symbol, name, origin) [DEAD_HEADER_##symbol] = name,
    DEAD_HEADERS(X)
#undef X
};

const unsigned char dead_header_is_origin[DEAD_HEADER_COUNT] = {
#define X(symbol, name, origin) [DEAD_HEADER_##symbol] = origin,
    DEAD_HEADERS(X)
#undef X
};
