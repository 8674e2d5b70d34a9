/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <stdio.h>
#include <string.h>

void clock_format_ms(int64_t wall_ms, char text[static 25])
{
    int64_t seconds = wall_ms / 1000;
    int64_t ms = wall_ms % 1000;
    struct tm tm;
    time_t t;

    if (ms < 0) {
        ms += 1000;
        seconds--;
    }
    t = (time_t)seconds;
    if (!gmtime_r(&t, &tm) || tm.tm_year < -1900 || tm.tm_year > 9999 - 1900) {
        memcpy(text, "0000-00-00T00:00:00.000Z", 25);
        return;
    }
    char full[80]; /* whatever the compiler thinks the numbers could be */
    snprintf(full, sizeof full, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
             tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)ms);
    memcpy(text, full, 25);
}
