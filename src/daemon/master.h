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

enum { MASTER_LOG_AGAIN_MS = 1000 }; /* the log is opened anew once in so long, whoever asks, and however often */

/* master_bounds.c. How many ms it is not to be opened anew yet (0: it may be), which was done at `opened` (ms; 0: not yet). */
unsigned master_log_wait(uint64_t now, uint64_t opened);

#endif
