/* backoff: see the header. */
#include "fetch/backoff.h"

#include <stdbool.h>

enum { MINUTE = 60, HOUR = 3600 };

int64_t backoff_next(int64_t now, uint64_t interval, uint64_t failures, enum err_kind kind, uint32_t random)
{
    bool person = kind == ERR_AUTH || kind == ERR_CONFIG || kind == ERR_PERM; /* only a person can mend it */
    int64_t pause = (int64_t)(interval / 1000), most = person ? 24 * HOUR : 4 * HOUR;
    if (failures) {
        int64_t least = person ? 30 * MINUTE : MINUTE;
        pause = pause < least ? least : pause;
        most = most < pause ? pause : most;
        for (uint64_t i = 1; i < failures && pause < most; i++)
            pause *= 2;
        pause = pause < most ? pause : most;
    }
    int64_t spread = failures ? pause / 4 : pause / 20;
    return now + pause + (spread ? (int64_t)(random % (uint64_t)(2 * spread + 1)) - spread : 0);
}
