/* link_resolve: the addresses of a name, in a time: the system's resolver knows none and is waited for in a thread of
 * its own. */
#ifndef CLIENT_LINK_RESOLVE_H
#define CLIENT_LINK_RESOLVE_H

#include <netdb.h>
#include <stdint.h>

#include "base/err.h"

/* Stream sockets, in the order in which they are to be tried. `until`: of clock_ms; 0: no limit. -1: ERR_TEMP, in words that follow
 * the host's name. Free with freeaddrinfo. */
int link_resolve(struct addrinfo **list, const char *host, unsigned port, uint64_t until, struct err *err);

#endif
