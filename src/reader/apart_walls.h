/* apart_walls: what the process apart may not ask the kernel for any more. */
#ifndef READER_APART_WALLS_H
#define READER_APART_WALLS_H

#include "base/err.h"

/* For good: no file opened by any path, no network, no other program or process, no signal but to itself, no memory
 * that can be executed; it reads what is open already and writes to `out` alone. Twice over where the kernel has
 * Landlock: seccomp bars the calls, an empty Landlock the files and the signals. -1: there is no seccomp, and nothing
 * foreign may be read. */
int apart_walls(int out, struct err *err);

#endif
