/* out_maildir: a Maildir, opened as who runs this. */
#ifndef POST_OUT_MAILDIR_H
#define POST_OUT_MAILDIR_H

#include "post/out.h"

/* `path`: absolute, as account_path gives it. Made, with new/, cur/ and tmp/, if its parent folder is there. A folder
 * that is something else is refused. -1: ERR_CONFIG: no such path can be; ERR_PERM, ERR_TEMP. */
int out_maildir(struct out **o, const char *path, struct err *err);

#endif
