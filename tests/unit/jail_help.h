/* jail_help: a role that seals itself in a child of a test, with the directories that the server would give it. */
#ifndef JAIL_HELP_H
#define JAIL_HELP_H

#include <stddef.h>

#include "daemon/jail.h"

enum { JAIL_SOMEBODY = 61234 /* a uid and gid */, JAIL_FILES = 64 };

extern char jail_top[200]; /* holds empty/ and granted/ */

struct inside { /* what a child knows */
    struct jail jail;
    struct jail_path path;
    char granted[256]; /* as the child names it once it is sealed */
    struct jail_report report;
};

/* For cmocka_run_group_tests. */
int jail_set_up(void **state);
int jail_tear_down(void **state);

void jail_path_in(char out[256], const char *name); /* below jail_top */
int jail_open_dir(const char *name);

/* The jail of a role as the server makes it: the door sees nothing, auth its database's directory, a worker a maildrop.
 * As root it becomes a uid that nobody has; otherwise it stays who it is. */
void jail_furnish(struct inside *in, enum role role);

/* In a child: seals it, runs fn, and ends with what fn returns: 0, or the line that failed. */
int jail_inside(enum role role, int (*fn)(struct inside *in));

#define NEED(what)                                                                                                     \
    if (!(what))                                                                                                       \
    return __LINE__

/* Skips the test in a build for sanitizers. */
void jail_need_walls(void);

#endif
