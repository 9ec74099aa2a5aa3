/* netrc: the password for a server and a user out of a ~/.netrc, the file that ftp, curl and others read. */
#ifndef CLIENT_NETRC_H
#define CLIENT_NETRC_H

#include "base/buf.h"
#include "base/err.h"

enum { NETRC_WORD_MAX = 65536 };

/* Words are separated by white space; one in double quotes may hold some, and after a "\" any octet, \n, \r and \t
 * being line feed, carriage return and tab. An entry is `machine NAME` or `default`, then login, password, account,
 * port with a word each, in any order; its first password counts. `macdef NAME` ends at an empty line. "#" begins a
 * comment where a keyword may stand. The first entry counts that has a password, this machine (case does not matter),
 * this user or no login, and this port or none; then the first default that has them.
 *
 * Adds the password to `password` (of NETRC_WORD_MAX octets at least). -1: ERR_GONE: there is no such entry;
 * ERR_CONFIG: not well formed, in words that follow the file's name and show nothing of it. */
int netrc_find(struct span text, const char *host, unsigned port, const char *user, struct buf *password,
               struct err *err);

#endif
