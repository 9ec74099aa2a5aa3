/* master: opens ports, keys and logs, starts and restarts the roles, makes their channels, bars the way to what they may not
 * have. Runs as root and reads no byte of a stranger: its own configuration, and fixed frames of its roles. */
#ifndef DAEMON_MASTER_H
#define DAEMON_MASTER_H

#include "base/conf.h"

/* Runs until SIGTERM or SIGINT; returns the exit status. `file` is read again at SIGHUP. */
int master_run(const char *file);

/* May a mail process be started for this uid and store? By first_uid and the roots; never as one of the roles; without root only for
 * oneself. */
int master_may_start(const struct conf *c, uint32_t uid, uint32_t gid, const char *where, struct err *err);

/* master_bounds.c. Of `files` descriptors so few are left, the last one taken being `fd`, that those must be kept for roles which end. */
bool master_few_files(uint64_t files, int fd);

/* How many ms the log is not to be opened anew yet (0: it may be), which was done at `opened` (ms; 0: not yet). */
unsigned master_log_wait(uint64_t now, uint64_t opened);

#endif
