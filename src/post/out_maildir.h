/* out_maildir: a Maildir, opened as who runs this. */
#ifndef POST_OUT_MAILDIR_H
#define POST_OUT_MAILDIR_H

#include "post/out.h"

/* `path`: absolute, or "~/…" below the home folder. Made, with new/, cur/ and tmp/, if its parent folder is there. A
 * folder that is something else is refused. -1: ERR_CONFIG: no such path can be; ERR_PERM, ERR_TEMP. */
int out_maildir(struct out **o, const char *path, struct err *err);
/* What is wrong with the text of such a path, or NULL. */
const char *out_maildir_wrong(const char *path);

#endif
