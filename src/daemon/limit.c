/* limit: see the header. */
#include "daemon/limit.h"

#include "base/clock.h"
#include "base/log.h"

enum { QUIET_MS = 10000 };

void limit_reached(struct limit *l, const char *what)
{
    uint64_t now = clock_ms();
    l->refused++;
    if (l->told && now - l->told < QUIET_MS)
        return;
    log_warning("crowded", "%s: %u refused", what, l->refused);
    l->told = now;
    l->refused = 0;
}
