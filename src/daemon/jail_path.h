/* jail_path: what Landlock leaves to a role. */
#ifndef DAEMON_JAIL_PATH_H
#define DAEMON_JAIL_PATH_H

#include <stdint.h>

/* Below a directory; never execution, devices, FIFOs or sockets. */
enum jail_right {
    JAIL_READ = 1,      /* open files for reading */
    JAIL_LIST = 2,      /* read directories */
    JAIL_WRITE = 4,     /* open files for writing */
    JAIL_MAKE = 8,      /* make, rename and remove files and directories */
    JAIL_SYMLINK = 16,  /* make symbolic links */
    JAIL_TRUNCATE = 32,
    /* what the roles have */
    JAIL_DATABASE = JAIL_READ | JAIL_LIST | JAIL_WRITE | JAIL_MAKE | JAIL_TRUNCATE,
    JAIL_MAILDROPS = JAIL_DATABASE | JAIL_SYMLINK,                        /* sessions; the record of what is used is such a link */
    JAIL_DELIVERIES = JAIL_LIST | JAIL_WRITE | JAIL_MAKE | JAIL_SYMLINK /* new messages, and no look into those that are there */
};

struct jail_path {
    int fd; /* open already; O_PATH suffices */
    unsigned rights;
};

#endif
