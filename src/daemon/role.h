/* role: the processes of bustiad, one row each. */
#ifndef DAEMON_ROLE_H
#define DAEMON_ROLE_H

enum role { ROLE_MASTER, ROLE_DOOR, ROLE_AUTH, ROLE_MAIL, ROLE_DELIVER, ROLE_CONTROL, ROLE_METRICS, ROLES };

/* "master", "door", … */
const char *role_name(enum role r);
/* -1: no such word. */
int role_of(const char *name);

/* Descriptors every role finds at its start. */
enum { ROLE_FD_MASTER = 3 /* channel to the master */, ROLE_FD_CONF = 4 /* memory file with the configuration */ };

#endif
