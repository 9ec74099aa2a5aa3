/* check_kernel: the walls and the descriptors that this system gives. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/walls.h"
#include "check/check_parts.h"

enum { OWN_FILES = 64 }; /* descriptors of a door besides its connections */

static void check_walls(const struct check *k)
{
    struct walls w;
    walls_ask(&w);
    if (!w.no_new_privs || !w.seccomp)
        conf_problem_add(k->p, 0, k->root, "this kernel has no %s, which the roles are sealed with; use one that has",
                         w.seccomp ? "no_new_privs" : "seccomp filters");
    if (w.landlock_abi == 0)
        conf_problem_add(k->p, 0, false,
                         "this kernel has no Landlock (or it is not among lsm= at boot): a mail process can reach "
                         "whatever its uid can");
    else if (w.landlock_abi < WALLS_LANDLOCK_WANTED)
        conf_problem_add(k->p, 0, false, "this kernel has Landlock %d, and %d bars more; a newer kernel has it",
                         w.landlock_abi, WALLS_LANDLOCK_WANTED);
}

/* Root may raise its limit up to what the system allows; others up to the hard limit. */
static uint64_t most_files(bool root)
{
    struct rlimit limit;
    uint64_t most = getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_max : 1024;
    FILE *f = root ? fopen("/proc/sys/fs/nr_open", "re") : NULL;
    char line[32], *rest = NULL;
    if (f && fgets(line, sizeof line, f)) {
        unsigned long long system_most = strtoull(line, &rest, 10);
        most = rest > line ? system_most : most;
    }
    if (f)
        fclose(f);
    return most;
}

void check_kernel(const struct check *k)
{
    uint64_t most = most_files(k->root);
    check_walls(k);
    if (k->c->connections + OWN_FILES > most)
        conf_problem_add(k->p, conf_line(k->c, "connections"), false,
                         "connections = %llu is more than a process may have open here, %llu; raise %s",
                         (unsigned long long)k->c->connections, (unsigned long long)most,
                         k->root ? "fs.nr_open" : "the hard limit of open files");
}
