/* jail_landlock: takes away the file system but for some directories, TCP, and signals to other processes. By system
 * calls: the headers of Debian 12 know only the first two versions of it. */
#ifndef DAEMON_JAIL_LANDLOCK_H
#define DAEMON_JAIL_LANDLOCK_H

#include "base/err.h"
#include "daemon/jail_path.h"

/* The kernel's version; 0: it has none, or it is switched off. */
int jail_landlock_abi(void);

/* Seals the calling thread; needs no_new_privs. As much as `abi` can. */
int jail_landlock_enter(int abi, const struct jail_path *paths, unsigned n_paths, struct err *err);

#endif
