/* clock_guard: has the wall clock jumped since somebody last looked? For expiry, which must remove nothing because of a
 * wrong clock. Within one boot the wall clock must have gone as far as the clock that nobody sets; from one boot to another it
 * can only be seen how far lies the beginning of this one from the last look: whether the machine was off so long, or the
 * clock is wrong, nobody here can tell. */
#ifndef BASE_CLOCK_GUARD_H
#define BASE_CLOCK_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum { CLOCK_JUMP = 24 * 3600, CLOCK_BOOT_ID = 40 }; /* s: more than that is a jump */

struct clock_mark {
    int64_t wall, up;         /* s since 1970; since the machine was started, sleep included (CLOCK_BOOTTIME) */
    char boot[CLOCK_BOOT_ID]; /* the name of this boot */
};

/* ERR_TEMP: the kernel does not tell which boot this is. */
int clock_mark_now(struct clock_mark *m, struct err *err);

/* By how many seconds more than the other clock the wall clock has gone forward (negative: back). */
int64_t clock_moved(const struct clock_mark *last, const struct clock_mark *now);
bool clock_jumped(int64_t moved);

/* What is kept from one run to the next. */
struct clock_state {
    struct clock_mark mark; /* when the clock was last believed */
    int64_t ran;            /* s since 1970: the last run over all mailboxes; 0: none */
};

/* ERR_GONE: there is none, or none to be believed: it is not what was written, or is somebody else's. */
int clock_state_load(const char *path, struct clock_state *s, struct err *err);
/* Written whole beside it and renamed; the folder is made (not one above it). */
int clock_state_save(const char *path, const struct clock_state *s, struct err *err);

#endif
