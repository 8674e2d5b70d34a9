/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See fault.h. The text may quote a job (the name of an unknown field, a path): it ends in a record
 * header and on terminals, so whatever is not printable ASCII is replaced here, once, for all.
 */
#include "fault.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

__attribute__((format(printf, 4, 0))) static void fault_set(struct fault *fault,
                                                            enum fault_kind kind, const char *code,
                                                            const char *format, va_list args)
{
    fault->kind = kind;
    fault->retry_after_ms = 0;
    snprintf(fault->code, sizeof fault->code, "%s", code);
    if (vsnprintf(fault->text, sizeof fault->text, format, args) < 0)
        fault->text[0] = '\0';
    for (char *c = fault->text; *c != '\0'; c++)
        if (*c < 0x20 || *c > 0x7e)
            *c = '?';
}

int fault_reject(struct fault *fault, const char *code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fault_set(fault, FAULT_REJECT, code, format, args);
    va_end(args);
    return -EBADMSG;
}

int fault_retry(struct fault *fault, const char *code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fault_set(fault, FAULT_RETRY, code, format, args);
    va_end(args);
    return -EAGAIN;
}
