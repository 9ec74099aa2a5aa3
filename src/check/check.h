/* check: what is wrong with a server's configuration on this machine. `bustia check` prints it, and bustiad refuses to start on the
 * same list. Looks, and changes nothing. */
#ifndef CHECK_CHECK_H
#define CHECK_CHECK_H

#include "base/conf.h"

/* `file`: from where `c` was read, for its own rights. Adds to `p` what conf_read could not see: certificates and keys, ports, accounts
 * of the roles, the database and the users in it, mail roots and other folders, what this kernel lacks. With root's rights it looks as
 * the server will; without, as the server will that is started without root. */
void check_server(const struct conf *c, const char *file, struct conf_problems *p);

/* The users in the database who could not be served, and of a server that takes mail the addresses that lead nowhere, as warnings: one of them is no reason to serve nobody. Apart, because only the tool
 * asks it: auth writes the database, and the master reads no byte that a role can write. */
void check_people(const struct conf *c, struct conf_problems *p);

#endif
