/* jail_probe_row: what a probe tries, a row each. jail_probe.c runs the tables, after the role has sealed itself. */
#ifndef DAEMON_JAIL_PROBE_ROW_H
#define DAEMON_JAIL_PROBE_ROW_H

#include <errno.h>
#include <stdbool.h>
#include <sys/types.h>
#include <unistd.h>

#include "daemon/jail.h"

enum probe_roles {
    MASTER = 1 << ROLE_MASTER,
    DOOR = 1 << ROLE_DOOR,
    AUTH = 1 << ROLE_AUTH,
    MAIL = 1 << ROLE_MAIL,
    DELIVER = 1 << ROLE_DELIVER,
    CONTROL = 1 << ROLE_CONTROL,
    METRICS = 1 << ROLE_METRICS,
    NO_FILES = DOOR | CONTROL | METRICS,
    NO_OPEN = NO_FILES | DELIVER, /* which opens by openat2 */
    FILES = AUTH | MAIL,
    MAILDROPS = MAIL | DELIVER,
    CHILDREN = NO_OPEN | FILES,
    ALL = MASTER | CHILDREN
};

/* Where a probe stands. */
struct place {
    const struct jail *jail;
    const char *other_mail;
    char climbing[4200]; /* the same file, by way of .. */
    int dir;             /* granted, or -1 */
    pid_t parent;
    bool outside;  /* the process sees the system's files: neither chroot nor Landlock */
    bool climbs;   /* nothing but permissions keeps it below dir */
    bool readable; /* dir, for the role's user */
};

enum probe_flag {
    NEEDS_DIR = 1,    /* only where a directory is granted */
    NEEDS_OTHER = 2,  /* only where another's mail is named */
    HIDDEN = 4,       /* a wall only where there is chroot or Landlock */
    BENEATH = 8,      /* a wall only where there is Landlock */
    BY_MODE = 16,     /* as the directory's permissions say */
    NOT_AS_ROOT = 32, /* nothing to show where the role is root */
    AS_BEFORE = 64,   /* or what this kernel, or a wall around all of us, answers to the role's user without our walls */
};

struct probe_row {
    const char *call;
    int (*try)(const struct place *p); /* 0 or errno */
    unsigned roles;
    int expect[2]; /* 0 = succeeds; either (a second 0: only the first) */
    unsigned flags;
};

struct probe_table {
    const struct probe_row *rows;
    size_t n;
};

extern const struct probe_table probe_files; /* files, sockets */
extern const struct probe_table probe_calls; /* processes, rights, memory, the kernel's depths */

static inline int closed(int fd)
{
    int error = fd < 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    return error;
}

static inline int done(long result)
{
    return result < 0 ? errno : 0;
}

#endif
