/* limit_delay: LOGIN-DELAY (RFC 2449 §6.5), a bucket for each user, in memory of fixed size. The time is an argument.
 *
 * A log-in moves the time from which the next one is due by one delay. Up to a quarter of a delay too early is taken, and must be made
 * up for later: a client whose clock wavers is served, one that always polls too fast is refused about as often as it is early.
 * What is refused moves nothing. Whose delay has become shorter is not held to the longer one. Who finds no place is served: beyond
 * LIMIT_DELAY_USERS at once the oldest are forgotten. */
#ifndef DAEMON_LIMIT_DELAY_H
#define DAEMON_LIMIT_DELAY_H

#include <stdbool.h>
#include <stdint.h>

enum { LIMIT_DELAY_SETS = 16384, LIMIT_DELAY_WAYS = 4, LIMIT_DELAY_USERS = LIMIT_DELAY_SETS * LIMIT_DELAY_WAYS };

struct limit_delay {
    struct limit_delay_place *places; /* NULL until somebody has a delay */
};

/* May `user` (a digest of his name) log in now? Then it counts. Times in ms, `now` not 0. */
bool limit_delay_enter(struct limit_delay *l, uint64_t user, uint64_t delay, uint64_t now);
bool limit_delay_would(const struct limit_delay *l, uint64_t user, uint64_t delay, uint64_t now); /* the same, without counting */
/* One that was counted came to nothing. */
void limit_delay_back(struct limit_delay *l, uint64_t user, uint64_t delay);
void limit_delay_fini(struct limit_delay *l);

#endif
