/* limit_rate: how often something has happened lately, for many owners, in a table of limited size: a bucket for each that runs dry evenly.
 *
 * "Ten a minute" lets ten come at once, and then one each six seconds. What is remembered of an owner is one time: when his bucket is
 * dry. Where the table has no room left, the one that is dry soonest is forgotten: whoever does something often is not forgotten for
 * the sake of many who have done it once. Knows no clock. */
#ifndef DAEMON_LIMIT_RATE_H
#define DAEMON_LIMIT_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct limit_rate; /* 8 kB, at most 1 MB */

struct limit_rate *limit_rate_new(void);
void limit_rate_free(struct limit_rate *t);

/* Owners are numbers that nobody can choose such that two are the same: a keyed digest. `most` in `period` (ms); 0: no limit. Times are
 * ms that never go back. */
bool limit_rate_full(const struct limit_rate *t, uint64_t owner, uint64_t most, uint64_t period, uint64_t now); /* one more would be too many */
void limit_rate_add(struct limit_rate *t, uint64_t owner, uint64_t most, uint64_t period, uint64_t now); /* one more, unless full */
/* Dry `period` from now, however lately it was touched before: for what has happened within a day. */
void limit_rate_touch(struct limit_rate *t, uint64_t owner, uint64_t period, uint64_t now);
bool limit_rate_take(struct limit_rate *t, uint64_t owner, uint64_t most, uint64_t period, uint64_t now); /* both; false: full */
void limit_rate_give_back(struct limit_rate *t, uint64_t owner, uint64_t most, uint64_t period, uint64_t now); /* one that was taken */
bool limit_rate_dry(const struct limit_rate *t, uint64_t owner, uint64_t now); /* nothing is in it, or it was forgotten */

#endif
