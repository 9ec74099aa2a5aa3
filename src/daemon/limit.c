/* limit: see the header. */
#include "daemon/limit.h"

#include "base/clock.h"
#include "base/log.h"

enum { QUIET_MS = 10000 };

void limit_count(struct limit *l, const char *what, const char *how)
{
    uint64_t now = clock_ms();
    l->count++;
    if (l->told && now - l->told < QUIET_MS)
        return;
    log_warning("crowded", "%s: %u %s", what, l->count, how);
    l->told = now;
    l->count = 0;
}

void limit_reached(struct limit *l, const char *what)
{
    limit_count(l, what, "refused");
}
