/* user_import: `bustia user import`: the users of a passwd-file in Dovecot's format. */
#ifndef TOOL_USER_IMPORT_H
#define TOOL_USER_IMPORT_H

#include "tool/user_state.h"

/* Reads the whole file first and reports every line that is wrong, as FILE:LINE; then nobody is imported, or with
 * --keep-going all others. Who exists already stays as he is, or with --replace becomes what the file says: so an
 * import that was interrupted goes on where it stopped. Passwords in clear are hashed on all CPUs. */
int user_import(struct user_job *job, struct err *err);

#endif
