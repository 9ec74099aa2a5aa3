/* user_password: where a new password comes from: a prompt, one line of stdin, or chance; never the command line, which
 * every user of a machine can read. */
#ifndef TOOL_USER_PASSWORD_H
#define TOOL_USER_PASSWORD_H

#include "tool/user_state.h"

/* Returns a prepared password (secret_free), or NULL with err. again: a prompt asks twice (a new password). */
char *user_password_get(const struct user_job *job, bool again, struct err *err);
/* The same as it was given, for what may have been made of unprepared bytes (an imported hash). */
char *user_password_raw(const struct user_job *job, bool again, struct err *err);
/* What is said of a password without SCRAM keys. */
#define USER_NO_SCRAM "SASLprep (RFC 4013) does not permit this password: SCRAM cannot be used with it, other ways to log in can"
/* Prints a generated one on stdout, once the user has been stored. */
void user_password_tell(const struct user_job *job, const char *password);

#endif
