/* secret: a password or token, from where the account says: a command, a file of mode 0600, netrc, the terminal. Never from a command
 * line, never into a log. */
#ifndef CLIENT_SECRET_H
#define CLIENT_SECRET_H

#include "base/accounts.h"
#include "base/span.h"

enum { SECRET_MAX = 65536, SECRET_COMMAND_MS = 60000 };

/* What the account's password (or, `token`, its OAuth token) is. The first of: its command (run by sh -c, without the terminal's input;
 * its first line of output; its own words go to stderr), its file (the first line; ERR_CONFIG if others may read it), netrc's line
 * for server and user (~/.netrc, $NETRC; mode as above), the terminal (if `ask` and there is one). ERR_CONFIG: the account names none
 * and nobody can be asked; ERR_TEMP: the command failed. *text is freed by secret_free. */
int secret_get(const struct account *a, bool token, bool ask, char **text, struct err *err);
/* The same for the server that `bustia send` hands messages to: smtp_password_command, smtp_password_file, else as above. */
int secret_get_smtp(const struct account *a, bool token, bool ask, char **text, struct err *err);
void secret_free(char *text); /* wipes; NULL is allowed */

#endif
