/* limit: ceilings of what peers can make a role hold, and that reaching one is told without flooding the log. */
#ifndef DAEMON_LIMIT_H
#define DAEMON_LIMIT_H

#include <stdint.h>

struct limit {
    uint64_t told; /* ms; 0: never */
    unsigned refused; /* since then */
};

/* Counts, and logs at most once in ten seconds how many were refused for `what`. */
void limit_reached(struct limit *l, const char *what);

#endif
