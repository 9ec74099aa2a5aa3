/* stopped: a program for which time stands still, by standing between it and libc.
 *
 *     LD_PRELOAD=…/libstopped.so STOPPED_WALL=1764435600 STOPPED_UP=3600 program
 *
 * STOPPED_WALL is what the wall clock says, in seconds since 1970, STOPPED_UP what CLOCK_BOOTTIME says. A clock that is not
 * named goes on. STOPPED_NS is how many nanoseconds the wall clock is beyond its second. For programs that last a moment, and tests that want to know what they do in one second and not in the one before. */
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

typedef int clock_gettime_fn(clockid_t, struct timespec *);

static const char *stopped(clockid_t clock)
{
    return clock == CLOCK_REALTIME ? getenv("STOPPED_WALL") : clock == CLOCK_BOOTTIME ? getenv("STOPPED_UP") : NULL;
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
    static clock_gettime_fn *real;
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
    const char *seconds = stopped(clock);
    if (!seconds)
        return real(clock, t);
    const char *ns = clock == CLOCK_REALTIME ? getenv("STOPPED_NS") : NULL;
    *t = (struct timespec){.tv_sec = strtoll(seconds, NULL, 10), .tv_nsec = ns ? strtol(ns, NULL, 10) : 0};
    return 0;
}
