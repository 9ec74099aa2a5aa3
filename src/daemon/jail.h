/* jail: gives up rights for good. One row per role (jail.c): what it may still call, see and use. Here and in
 * reader/apart_walls.c libseccomp is named; Landlock by its system calls.
 *
 * Order: limits, no_new_privs, Landlock, empty chroot, capabilities, groups, gid, uid; then it checks that nothing of
 * this can be taken back, and last comes seccomp. */
#ifndef DAEMON_JAIL_H
#define DAEMON_JAIL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "daemon/jail_path.h"
#include "daemon/role.h"

struct jail {
    enum role role;
    bool root;         /* started as root: change of user, chroot, no_new_privs and seccomp are required */
    uint32_t uid, gid; /* to become, when root */
    int chroot_fd; /* directory to make the root, when root; -1: none (master). Afterwards it is the working directory:
                    * relative paths hold in every build, also where sanitizers forbid chroot */
    const struct jail_path *paths;
    unsigned n_paths;
    uint64_t files; /* RLIMIT_NOFILE */
};

/* What could be done, for the log and `check`. */
struct jail_report {
    enum role role; /* the master changes neither its user nor its root directory and has no Landlock: its children
                       would inherit it */
    bool user, chrooted, no_new_privs, seccomp;
    int landlock_abi; /* 0: the kernel has none */
};

/* 0: sealed; -1: something required is missing: the caller must end. */
int jail_enter(const struct jail *j, struct jail_report *report, struct err *err);

/* "user chroot no_new_privs seccomp landlock=4", with "no-…" for what this role should have and has not. out: 128
 * bytes. */
void jail_report_text(const struct jail_report *r, char out[128]);

/* Which walls this kernel can give, without entering: for `bustia check`. */
void jail_possible(struct jail_report *report);

/* `bustiad --probe ROLE`: seals itself by that role's row, then tries the table of forbidden calls and prints a line
 * for each: "call: expected EPERM: got EPERM: ok". 0 = all as expected. `other_mail`: a file that the role must not be
 * able to read, or NULL. */
int jail_probe(const struct jail *j, const char *other_mail, struct err *err);

#endif
