/* walls: see the header. Each question is a call that the kernel answers without doing anything. */
#include "base/walls.h"

#include <errno.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

void walls_ask(struct walls *w)
{
    w->no_new_privs = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) >= 0;
    /* A filter at address 0: a kernel that takes filters stumbles over the address, one that does not, over the mode.
     */
    w->seccomp = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL) < 0 && errno == EFAULT;
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    w->landlock_abi = abi > 0 ? (int)abi : 0;
}
