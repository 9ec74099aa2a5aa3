/* ids: see the header. */
#include "post/ids.h"

#include <grp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

bool ids_may(uint32_t uid)
{
    return geteuid() == 0 || geteuid() == uid;
}

void ids_take(uint32_t uid, uint32_t gid)
{
    if (geteuid() == 0 && (setgroups(0, NULL) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid)))
        _exit(EX_OSERR);
    /* A uid of 0, or one that could be taken back, is never right here. */
    if (geteuid() != uid || geteuid() == 0 || setuid(0) == 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || chdir("/"))
        _exit(EX_OSERR);
    umask(077);
}
