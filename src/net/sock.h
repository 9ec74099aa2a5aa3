/* sock: listening and connecting, names of peers. */
#ifndef NET_SOCK_H
#define NET_SOCK_H

#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

enum { SOCK_NAME_MAX = 64 }; /* "[2001:db8::1]:12345" */

/* Listens on "127.0.0.1:110", "[::]:995" (IPv6 only: an IPv4 listener may stand beside it). Close-on-exec, non-blocking; what is
 * accepted from it is without Nagle's delay. */
int sock_listen(const char *address, int backlog, struct err *err); /* descriptor or -1 */
/* A unix stream socket at `path`, mode 0600; what is there is removed if it is a socket nobody answers on. */
int sock_listen_unix(const char *path, struct err *err);
/* The same with a mode, and a group unless it is UINT32_MAX, which stand before anybody can connect. */
int sock_listen_unix_as(const char *path, int backlog, unsigned mode, uint32_t gid, struct err *err);
int sock_connect_unix(const char *path, struct err *err);
/* Connects to "127.0.0.1:24"; what listens on every address ("0.0.0.0:24") is reached by loopback. Waits; close-on-exec. */
int sock_connect(const char *address, struct err *err);

/* So are the connections of a listener of whatever origin, from then on; nothing where it is not TCP. */
void sock_no_delay(int listener);
/* The next connection, close-on-exec and non-blocking, or -1 with errno. *peer: its address without the port, "192.0.2.7" or "2001:db8::1"
 * (IPv4 mapped into IPv6 comes as IPv4); "unix" for those. */
int sock_accept(int listener, char peer[SOCK_NAME_MAX]);

/* Is `address` inside one of the networks of `list` ("127.0.0.0/8 ::1/128", separated by spaces)? */
bool sock_in_networks(const char *address, const char *list);
/* Is one word of such a list well formed? And an ADDRESS:PORT? For checks of the configuration. */
bool sock_network_ok(struct span network);
bool sock_address_ok(struct span address, unsigned *port);

/* A descriptor for the log: connected to syslog's /dev/log (SOCK_DGRAM). */
int sock_connect_syslog(struct err *err);

#endif
