/* beneath: opens what lies below a directory and nothing else: never through a symbolic link, never out of it by "..". */
#ifndef BASE_BENEATH_H
#define BASE_BENEATH_H

#include <sys/types.h>

/* `flags` are open's; close-on-exec is added. `mode`: of what O_CREAT makes, else 0. Tried again while a rename beside it keeps the
 * kernel from being sure. A descriptor, or -1 with errno. */
int beneath_open(int dir, const char *path, int flags, mode_t mode);

#endif
