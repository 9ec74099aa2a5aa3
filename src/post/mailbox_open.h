/* mailbox_open: straight into a mailbox: a child that takes the mailbox's ids (post/mailbox_box.h) and is told what to
 * write. */
#ifndef POST_MAILBOX_OPEN_H
#define POST_MAILBOX_OPEN_H

#include "base/conf.h"
#include "post/out.h"
#include "user/users.h"

/* Only root, and who owns the mailbox himself. -1: ERR_TEMP, ERR_PERM. */
int mailbox_open(struct out **o, const struct conf *c, const struct user *u, struct err *err);

#endif
