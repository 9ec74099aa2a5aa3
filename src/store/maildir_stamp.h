/* maildir_stamp: can a change be told by the time that the kernel has stamped on a directory or a file?
 *
 * Stamps are made from a clock that stands still between two ticks (clock_tick: 1 to 10 ms). So a stamp that is as old as the
 * tick of now may be borne by a change to come as well: who has just looked cannot see by it that he must look again. One that is
 * older than the tick cannot. The rule, wherever "nothing has changed since" is concluded: the stamp is the same as
 * before looking, *and* the tick had moved beyond it before the look began. Who meets a directory that was changed within this very
 * tick waits for the next one, a few milliseconds at most; nobody waits for a maildrop that has been quiet for that long.
 * File systems that keep whole seconds, or milliseconds, are known by the zeroes in their stamps, and given 2 s or 10 ms; one that keeps tenths of a
 * microsecond, or microseconds, has rounded the tick down: a stamp that much older may be of this very tick.
 *
 * Since Linux 6.13 some file systems stamp finer: a change after somebody has looked is to bear a time of its own. There is no
 * asking which do, and not every change does (a removal in a tmpfs bears the time of before): nothing is concluded from it. */
#ifndef STORE_MAILDIR_STAMP_H
#define STORE_MAILDIR_STAMP_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

int64_t maildir_ns(struct timespec t);
/* A change at `now` (the wall clock, ns since 1970) or later bears another time than this one, which a file or directory has.
 * (With 10 ms to spare: the wall clock is ahead of the ticks.) */
bool maildir_before(struct timespec changed, int64_t now);

/* The clock of stamps, in ns since 1970. */
int64_t maildir_tick(void);
/* Who looks after this tick sees by this stamp, in any other time to come, whether it was changed since. */
bool maildir_told(struct timespec changed, int64_t tick);
/* Sleeps until the tick is later than this moment. */
void maildir_tick_wait(void);

/* A look at a directory, and whether nothing has changed in it since. */
struct maildir_look {
    struct timespec changed;
    bool known; /* else it could not be looked at */
    int64_t tick;
};
struct maildir_look maildir_look(int dir);
bool maildir_is_still(int dir, const struct maildir_look *l);

#endif
