/* jail_seccomp: the system calls a role may make, by libseccomp. */
#ifndef DAEMON_JAIL_SECCOMP_H
#define DAEMON_JAIL_SECCOMP_H

#include <stdbool.h>

#include "base/err.h"
#include "daemon/role.h"

/* Can this kernel do it? */
bool jail_seccomp_possible(void);

/* Loads the filter of a role; needs no_new_privs. What it does not list answers EPERM, clone3 ENOSYS (so that libc
 * takes clone, whose flags can be seen); a call by another architecture's numbers ends the process. */
int jail_seccomp_enter(enum role role, struct err *err);

#endif
