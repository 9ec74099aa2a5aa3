/* jail_build: what a build can bear. The run-time of ASan and UBSan opens files, makes processes and traces them, so a
 * build with sanitizers keeps only the walls that it survives; the normal build is the one that proves them. Of
 * jail_plain.c and jail_sanitizer.c the build takes one. */
#ifndef DAEMON_JAIL_BUILD_H
#define DAEMON_JAIL_BUILD_H

#include <stdbool.h>

struct jail_build {
    bool walls; /* chroot, Landlock, seccomp, no processes, not dumpable */
};

extern const struct jail_build jail_build;

#endif
