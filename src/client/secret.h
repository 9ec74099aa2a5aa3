/* secret: a password or token, from where the account says: a command, a file of mode 0600, netrc, the terminal. Never
 * from a command line, never into a log; no copy of it stays behind. */
#ifndef CLIENT_SECRET_H
#define CLIENT_SECRET_H

#include "base/accounts.h"
#include "base/err.h"

enum { SECRET_COMMAND_MS = 60000 }; /* how long a command may take */

/* What the account's password (or, `token`, its OAuth token) is. Of the first of these that the account names: its
 * command (run by sh -c, without the terminal; its first line of output; its own words go to stderr), its file (the
 * first line; ERR_CONFIG if others may read it), netrc's entry for server and user ($NETRC, ~/.netrc; mode as above);
 * where there is none of them, or no such entry, the terminal (if `ask` and there is one). A token comes from
 * token_command only. ERR_CONFIG: the account names none and nobody can be asked; ERR_TEMP: the command failed. *text
 * is freed by secret_drop. */
int secret_get(const struct account *a, bool token, bool ask, char **text, struct err *err);
/* The same for the server that `bustia send` hands messages to: smtp_password_command, smtp_password_file, else as
 * above. */
int secret_get_smtp(const struct account *a, bool token, bool ask, char **text, struct err *err);
void secret_drop(char *text); /* wipes and frees; NULL is allowed */

#endif
