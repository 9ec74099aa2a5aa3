/* start: what every role but the master does first: read the configuration, take what the master hands over, seal itself. */
#ifndef DAEMON_START_H
#define DAEMON_START_H

#include "base/conf.h"
#include "daemon/jail.h"
#include "daemon/talk.h"

/* What the master said before GO. */
struct start {
    enum role role;
    struct conf conf;
    bool root;
    uint32_t uid, gid, worker;
    uint64_t generation;
    char *sasl, *sasl_clear; /* the mechanisms that do not and do show the password; they outlive a reload */
};

/* Reads ROLE_FD_CONF and the master's messages; `keep` gets each one that is not for every role (LISTEN, CERT, ROOT …). Ends
 * the process when the master is gone or speaks nonsense. */
void start_role(struct start *s, enum role role, void (*keep)(void *arg, const struct talk *m), void *arg);

/* Enters the jail: an empty directory as root (or `chroot_fd`), Landlock with `paths`; tells the master; ends the process if
 * something required is missing. Closes chroot_fd and the paths' descriptors are left open. */
void start_seal(struct start *s, int chroot_fd, const struct jail_path *paths, unsigned n_paths);

/* The directory without anything in it, in run_dir; -1 when not root. */
int start_empty_root(const struct start *s);

/* Handles what the master may say to any role while it runs: LOG, CONF. true: it was one of these.
 */
bool start_common(struct start *s, const struct talk *m);

/* Tells the master by this channel when the log cannot be written (syslog was restarted); NULL: no more. */
void start_watch_log(struct loop *l, struct chan *master);

/* Reads the whole of a descriptor as a configuration, and closes it. */
void start_read_conf(struct conf *c, int fd);

#endif
