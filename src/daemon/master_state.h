/* What the files of the master share. Private to them. */
#ifndef DAEMON_MASTER_STATE_H
#define DAEMON_MASTER_STATE_H

#include <sys/types.h>

#include "base/conf.h"
#include "base/loop.h"
#include "base/metric.h"
#include "daemon/role.h"
#include "daemon/talk.h"
#include "net/chan.h"
#include "store/store.h"

struct child {
    struct master *master;
    enum role role;
    pid_t pid;
    struct chan *chan; /* NULL once it has closed */
    uint64_t generation; /* door */
    uint32_t worker, uid, gid; /* mail, deliver */
    uint32_t what;             /* mail, deliver: TALK_FOR_… */
    unsigned auths;            /* door: the channels to auth that it was told of */
    bool lame;                 /* it could not be told all it needs: it is ended, and nobody waits for it */
    unsigned lines;            /* of its last errors, that it may still say */
    uint32_t answered;         /* the last round of PINGs that it has answered; 0: it is not ready yet */
    int statm_fd;              /* how much memory it has; -1: unknown */
    uint64_t started;
    struct child *next;
};

/* A role that is kept alive: when it was started last, and how long to wait if it ends at once. */
struct kept {
    enum role role;
    unsigned quick;  /* ends within a second of its start, in a row */
    struct loop_timer *timer;
    struct master *master;
};

enum { KEPT = 4 };

/* What the service manager is told of (master_watch.c). The roles that are kept are asked in rounds; the first is their READY. */
struct watch {
    struct loop_timer *timer; /* a round whenever it runs out; NULL: the manager wants to hear nothing */
    uint32_t round, whole;    /* whole: the last round that all of them have answered */
    bool ready;               /* READY was said */
    bool reloading;           /* RELOADING was said, and not yet that it is over */
    const char *status;       /* to stand beside the next READY */
};

struct name { /* of a file that we have made; ino 0: none */
    dev_t dev;
    ino_t ino;
};

struct master_pair {
    int cert_fd, key_fd; /* memory files */
};

struct master_stamp { /* of a file; all 0: there is none */
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec mtime, ctime;
};

enum { MASTER_PAIRS = 1 + CONF_PAIRS };

/* Certificates and keys (master_tls.c): what was good last, and what the files were like when they were looked at last. */
struct master_tls {
    struct loop_timer *timer; /* of the next look */
    struct master_stamp seen[MASTER_PAIRS][2], seen_client_ca;
    struct master_pair pairs[MASTER_PAIRS];
    unsigned n;
    int client_ca_fd; /* -1: clients are not asked for certificates */
    bool changed[MASTER_PAIRS], client_ca_changed, unsettled;
};

struct master {
    struct loop *loop;
    const char *file;
    struct conf conf;
    bool root, stopping;
    struct child *children;
    struct kept kept[KEPT];
    unsigned n_kept;
    uint64_t generations;
    uint32_t workers;
    int conf_fd;                     /* memory file for the roles */
    int program_fd, mail_program_fd; /* what is executed, opened at the start: an upgrade does not mix versions */
    int log_fd;
    uint64_t log_opened; /* ms; 0: at the start */
    uint64_t files;      /* descriptors it may have */
    int listen_fd[CONF_LISTENERS];
    struct name listen_name[CONF_LISTENERS]; /* of the unix sockets among them */
    int control_fd;
    int pid_fd;
    struct master_tls tls;
    struct store_root roots[CONF_ROOTS];
    struct loop_timer *deadline;
    struct watch watch;
    int metrics_fd;                /* where they are served; -1: nowhere, and nothing is counted */
    int page_fd[METRIC_PAGES];     /* of counters, to write; -1: none */
    struct loop_timer *measure;
};

/* master_files.c: all that is opened for others */
int master_open_all(struct master *m, struct err *err);
int master_open_log(struct master *m, const struct conf *c, struct err *err);
int master_make_conf(struct master *m, struct err *err);
void master_close_all(struct master *m);

/* master_tls.c: certificates and keys */
int master_tls_open(struct master *m, struct err *err); /* all or none of them anew; where there are none, what there was stays */
void master_tls_watch(struct master *m);                /* from now on, as the configuration says */

/* master_roles.c: children and the channels between them */
void master_keep(struct kept *k); /* starts it, and again whenever it ends */
/* A mail or deliver process; `what`: TALK_FOR_…, `store`: the one that a TALK_FOR_SINGLE is for. */
int master_start_worker(struct master *m, uint32_t uid, uint32_t gid, uint32_t what, const char *store, uint32_t token, struct err *err);
void master_reap(struct master *m); /* after SIGCHLD */
void master_tell_all(struct master *m, const struct talk *t); /* t->fd is copied for each, and stays the caller's */
int master_tell_certificate(const struct master *m, struct child *door); /* -1: it has not got it */
struct child *master_find(const struct master *m, enum role role);

/* master_watch.c: what the service manager is told. Nobody listens, or there is none: nothing happens. */
void master_watch_start(struct master *m);
void master_watch_answer(struct master *m, struct child *c, uint32_t round); /* PONG */
void master_watch_fresh(struct master *m, struct child *c);                  /* READY */
void master_watch_reload(struct master *m);                                  /* it begins */
void master_watch_reloaded(struct master *m, const char *status);            /* the roles have been told */
void master_watch_stop(struct master *m);
void master_watch_free(struct master *m);

/* master_metrics.c: the pages of counters, and what only the master can see */
int master_metrics_open(struct master *m, struct err *err);
void master_metrics_start(struct master *m); /* once there is a loop */
void master_metrics_free(struct master *m);
/* Its pages for a role; -1: it could not be told. */
int master_metrics_hand(struct master *m, enum role role, int (*say)(struct child *c, const struct talk *t), struct child *c);
void master_metrics_watch(struct master *m, struct child *c); /* a process that has just been started */

/* master.c: what a role says */
void master_message(void *child, const void *p, size_t n, int fd);

#endif
