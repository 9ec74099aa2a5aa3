/* check_accounts: what is wrong with a person's accounts on this machine: what `bustia check --accounts` adds to what
 * the reading of the file has shown. Asks no server, looks, and changes nothing. */
#ifndef CHECK_CHECK_ACCOUNTS_H
#define CHECK_CHECK_ACCOUNTS_H

#include "base/accounts.h"

/* `conf_file`: the server's configuration, which is read if an account delivers to a mailbox of the server. Adds to
 * `p`: files of passwords and of TLS, folders and sockets of destinations, commands that are not there, the folder of
 * the state, accounts that get in each other's way. Looks with the rights of who asks. */
void check_accounts(const struct accounts *a, const char *conf_file, struct conf_problems *p);

#endif
