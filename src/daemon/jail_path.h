/* jail_path: what Landlock leaves to a role. */
#ifndef DAEMON_JAIL_PATH_H
#define DAEMON_JAIL_PATH_H

#include <stdbool.h>
#include <stdint.h>

struct jail_path { /* what Landlock leaves, below a directory that is open already (O_PATH suffices) */
    int fd;
    bool write; /* also create, rename, unlink (maildrops, the users' database); else read only */
};

#endif
