/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UTF-8 (RFC 3629) one code point at a time, and which code points must not reach a terminal or a log
 * raw: C0, DEL, C1, and the bidi controls with which text can be made to read as something else
 * (Unicode TR 36; CVE-2021-42574).
 */
#ifndef QUERN_BASE_UTF8_H
#define QUERN_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the code point at the front, 1..4; 0: not valid UTF-8 there. Overlong forms, surrogates and
 * what lies above U+10FFFF are not valid. */
size_t utf8_decode(const char *text, size_t len, uint32_t *ret_cp);
bool utf8_is_unsafe(uint32_t cp);

#endif
