/* inherited: listening sockets that a service manager has opened before it started us, from descriptor 3 on (sd_listen_fds(3):
 * LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES). Nothing is remembered: each call looks at what is there. Not for a process that has let
 * go of them. */
#ifndef NET_INHERITED_H
#define NET_INHERITED_H

#include "base/err.h"

enum { INHERITED_FIRST = 3, INHERITED_NAME = 160 };

unsigned inherited_count(void); /* descriptors INHERITED_FIRST up to so many more */

/* The one that listens at `address` (ADDRESS:PORT, or the path of a unix socket), or -1. It stays where it is. */
int inherited_find(const char *address);

/* Makes one like those of sock_listen: closed on exec, non-blocking. -1: it is none that we can take connections from. */
int inherited_take(int fd, struct err *err);

/* Where it listens, as `listen` has it, and what the manager calls it: "127.0.0.1:110 (bustiad.socket)". */
void inherited_name(int fd, char out[INHERITED_NAME]);

#endif
