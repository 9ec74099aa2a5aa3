/* limit: ceilings of what peers can make a role hold, and that reaching one is told without flooding the log. */
#ifndef DAEMON_LIMIT_H
#define DAEMON_LIMIT_H

#include <stdint.h>

struct limit {
    uint64_t told; /* ms; 0: never */
    unsigned count; /* since then */
};

/* Counts, and logs at most once in ten seconds how many were refused for `what`. */
void limit_reached(struct limit *l, const char *what);
/* The same about something else than a refusal: "what: 7 made room". */
void limit_count(struct limit *l, const char *what, const char *how);

#endif
