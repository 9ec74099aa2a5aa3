/* beneath: opens what lies below a directory and nothing else: never through a symbolic link, never out of it by "..". */
#ifndef BASE_BENEATH_H
#define BASE_BENEATH_H

#include <sys/types.h>

/* `flags` are open's; close-on-exec is added. `mode`: of what O_CREAT makes, else 0. Tried again, some times, while a rename beside
 * it keeps the kernel from being sure. A descriptor, or -1 with errno: EAGAIN, too, of what O_NONBLOCK was asked for and somebody has a
 * lease on (fcntl(2)), who is told to give it back. */
int beneath_open(int dir, const char *path, int flags, mode_t mode);

/* What bears this name in the directory itself, for reading it. A name that readdir tells is a single step, which leads nowhere else unless
 * it is a link, and O_NOFOLLOW, which is added, refuses that: so it is opened by openat, for which the kernel need not look
 * whether the way was left. Any other name ("..", with a slash) goes by beneath_open. */
int beneath_open_name(int dir, const char *name, int flags);

/* Makes the names in the directory `dir`, which may be open by its path alone, outlast a power cut. Where it may not be read: `made`,
 * which lies in it, as common file systems write its entry with it. 0, or -1 with errno. */
int beneath_sync(int dir, const char *made);

#endif
