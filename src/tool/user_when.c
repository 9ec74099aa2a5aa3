/* user_when: see the header. */
#include "tool/user_when.h"

#include <stdio.h>

#include "base/clock.h"

const char *user_when(int64_t seconds, char out[USER_WHEN])
{
    struct clock_date d = clock_date(seconds);
    if (seconds == 0)
        snprintf(out, USER_WHEN, "never");
    else
        snprintf(out, USER_WHEN, "%04d-%02d-%02d %02d:%02d", d.year % 10000, d.month, d.day, d.hour, d.minute);
    return out;
}
