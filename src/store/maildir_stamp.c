/* maildir_stamp: see the header. */
#include "store/maildir_stamp.h"

#include <sys/stat.h>

#include "base/clock.h"

enum {
    GRAIN_NS = 10000000,    /* the slowest tick: a stamp is at most so far behind the clock */
    COARSE_NS = 2000000000, /* file systems that keep whole seconds */
    ROUNDED_NS = 1000,      /* file systems that keep microseconds, or tenths of them: a stamp may be of so much later */
    FINE_NS = 1000000,      /* a multiple of it is no tick of the kernel, but was rounded */
    WAIT_NS = 20000000,     /* longer is not waited */
    LATER_NS = 200000       /* after a tick is due; then every so often */
};

int64_t maildir_ns(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

bool maildir_before(struct timespec changed, int64_t now)
{
    return maildir_ns(changed) < now - (changed.tv_nsec ? GRAIN_NS : COARSE_NS);
}

int64_t maildir_tick(void)
{
    return maildir_ns(clock_tick());
}

bool maildir_told(struct timespec changed, int64_t tick)
{
    return changed.tv_nsec % FINE_NS ? maildir_ns(changed) < tick - ROUNDED_NS : maildir_before(changed, tick);
}

/* Ticks may come late, where a machine is only lent its processor. */
void maildir_tick_wait(void)
{
    int64_t length = maildir_ns(clock_tick_length()), now = maildir_ns(clock_wall()), tick;
    for (int64_t slept = 0; (tick = maildir_tick()) <= now && slept < WAIT_NS;) {
        int64_t left = tick + length - maildir_ns(clock_wall());
        left = left < 0 ? LATER_NS : left > GRAIN_NS ? GRAIN_NS : left + LATER_NS;
        nanosleep(&(struct timespec){.tv_nsec = left}, NULL);
        slept += left;
    }
}

struct maildir_look maildir_look(int dir)
{
    struct maildir_look l = {.tick = maildir_tick()};
    struct stat st;
    if (fstat(dir, &st) == 0) {
        l.changed = st.st_ctim;
        l.known = true;
    }
    return l;
}

bool maildir_is_still(int dir, const struct maildir_look *l)
{
    struct stat st;
    return l->known && fstat(dir, &st) == 0 && maildir_ns(st.st_ctim) == maildir_ns(l->changed) &&
           maildir_told(l->changed, l->tick);
}
