/* walls: which of the kernel's walls there are, asked without putting any up. The daemon seals its roles with them
 * (daemon/jail); `bustia check` tells what is missing. */
#ifndef BASE_WALLS_H
#define BASE_WALLS_H

#include <stdbool.h>

enum { WALLS_LANDLOCK_WANTED = 3 }; /* with fewer, truncating (3) or renaming between directories (2) is not barred */

struct walls {
    bool no_new_privs;
    bool seccomp;     /* filters */
    int landlock_abi; /* 0: none, or switched off at boot */
};

void walls_ask(struct walls *w);

#endif
