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
    /* The mechanisms: those that show the password, those that bind to TLS, EXTERNAL, and the others. They outlive a reload. */
    char *sasl_clear, *sasl_bound, *sasl_external, *sasl;
    struct chan *master;     /* from start_listen on; NULL: the master is gone */
    const struct start_events *events;
    void *arg; /* of the events */
};

/* Reads ROLE_FD_CONF and the master's messages; `keep` gets each one that is not for every role (LISTEN, CERT, ROOT …). Ends
 * the process when the master is gone or speaks nonsense. */
void start_role(struct start *s, enum role role, void (*keep)(void *arg, const struct talk *m), void *arg);

/* Enters the jail: an empty directory as root (or `chroot_fd`), Landlock with `paths`; tells the master; ends the process if
 * something required is missing. Closes chroot_fd and the paths' descriptors are left open. */
void start_seal(struct start *s, int chroot_fd, const struct jail_path *paths, unsigned n_paths);

/* The directory without anything in it, in run_dir; -1 when not root. */
int start_empty_root(const struct start *s);

/* What a role does about the master while it runs. What is for every role (LOG, CONF), and that the log cannot be written (syslog
 * was restarted), is seen to without it. */
struct start_events {
    bool (*says)(void *arg, const struct talk *m); /* all other messages. true: it has taken m->fd over */
    void (*stop)(void *arg);                       /* STOP, or the master is gone: finish what runs, take nothing new */
    void (*fresh)(void *arg);                      /* the configuration was read again; NULL: nothing to do then */
};

/* Listens to the master, on s->master, from now on. */
void start_listen(struct start *s, struct loop *l, const struct start_events *ev, void *arg);

/* Reads the whole of a descriptor as a configuration, and closes it. */
void start_read_conf(struct conf *c, int fd);

#endif
