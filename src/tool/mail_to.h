/* mail_to: for whom `bustia deliver` and `bustia import` put messages, and which way. */
#ifndef TOOL_MAIL_TO_H
#define TOOL_MAIL_TO_H

#include "tool/mail_out.h"

/* Root: finds the user in the database and opens his mailbox; anyone else: by LMTP, where the server knows him. `keys`
 * (may be NULL): whether the way out knows store_about's keys. ERR_GONE: no such user; ERR_PERM: he is disabled. */
int mail_to_open(struct mail_out **o, const struct conf *c, const char *user, const char *sender, bool *keys,
                 struct err *err);

/* What a script is told: sysexits.h, as a mail transfer agent reads it: 75 try again, 67 nobody, 69 and 65 give up. */
int mail_to_status(const struct err *err);

#endif
