/* shifted: steps the clocks of a program while it runs, by standing between it and libc.
 *
 *     LD_PRELOAD=…/libshifted.so program
 *
 * Beside the library, under its name with ".offset" behind it, lies a file of one or two int64_t of this machine: seconds that are
 * added to what the wall clock says, as if somebody had set the time, and seconds that are added to the monotonic clock, as if they had
 * gone by (what is not there is zero: the rest of the page). It is mapped before the program seals itself; a write into it steps the
 * clocks of all programs that have it mapped, at once. Without the file nothing is shifted. Who sleeps in the kernel is woken no earlier. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { WALL, MONOTONIC, OFFSETS };
static _Atomic int64_t none[OFFSETS];
static _Atomic int64_t *offset = none;

typedef int clock_gettime_fn(clockid_t, struct timespec *);
static clock_gettime_fn *real_clock_gettime;

__attribute__((constructor)) static void find(void)
{
    Dl_info me;
    char path[4096];
    *(void **)&real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    if (!dladdr(none, &me) || (size_t)snprintf(path, sizeof path, "%s.offset", me.dli_fname) >= sizeof path)
        return;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    void *p = mmap(NULL, OFFSETS * sizeof *offset, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (p != MAP_FAILED)
        offset = p;
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
    if (!real_clock_gettime)
        find();
    int result = real_clock_gettime(clock, t);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        t->tv_sec += (time_t)atomic_load(&offset[WALL]);
    if (result == 0 && (clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_COARSE))
        t->tv_sec += (time_t)atomic_load(&offset[MONOTONIC]);
    return result;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
    (void)zone;
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0)
        return -1;
    t->tv_sec = now.tv_sec;
    t->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *t)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (t)
        *t = now.tv_sec;
    return now.tv_sec;
}
